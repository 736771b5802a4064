// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as
// 1, 2, 3" (SC 2011): a bijection of a 128-bit counter under a 64-bit key.
// Owns the map from a draw's name (seed, branch, position) to its number. There is no state to
// advance, so a draw cannot depend on time, thread, batch or how often somebody asked.
#pragma once

#include <array>
#include <cstdint>

namespace raison {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

inline PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;  // table 2 of the paper
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1
  constexpr int kRounds = 10;                                   // the paper's safety margin
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// The name of one draw: the same key gives the same number for ever.
struct DrawKey {
  uint64_t seed = 0;
  uint32_t branch = 0;
  uint64_t position = 0;  // of the token to be drawn, in the session's timeline
};

// In [0, 1), 53 bits. The counter's last word is left 0: it is free for other uses of a position.
inline double UniformDraw(const DrawKey& key) {
  const PhiloxCounter out =
      Philox4x32({static_cast<uint32_t>(key.position), static_cast<uint32_t>(key.position >> 32),
                  key.branch, 0},
                 {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
  const uint64_t bits = (uint64_t{out[1]} << 32) | out[0];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace raison
