#include "samples/cli/random_blocks.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "core/base/quantize.h"

namespace raison::cli {
namespace {

// Blocks made by the real quantiser, so that scales and codes go together as in a real file; the
// rest is drawn from these.
constexpr size_t kQuantised = 256;
constexpr size_t kPlain = 1 << 16;  // where a block is one number
constexpr float kDeviation = 0.02f;

}  // namespace

void FillRandomBlocks(DType type, std::byte* to, size_t size) {
  const DTypeTraits& traits = Traits(type);
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, kDeviation);
  const size_t blocks = size / traits.bytes;
  const size_t made = std::min(blocks, IsQuantized(type) ? kQuantised : kPlain);
  std::vector<float> row(made * traits.block);
  for (float& x : row) x = normal(random);
  QuantizeRow(type, row.data(), row.size(), to);
  for (size_t b = made; b < blocks; ++b) {
    memcpy(to + b * traits.bytes, to + random() % made * traits.bytes, traits.bytes);
  }
}

}  // namespace raison::cli
