// The quantised blocks of GGUF files, byte for byte. Sizes are odd and files give no alignment, so
// every struct is packed to one byte and fields are read by value. `d`, `m`, `dmin` are f16 bits.
#pragma once

#include <cstdint>

namespace raison {

inline constexpr int kBlock = 32;        // weights of a small block
inline constexpr int kSuperBlock = 256;  // weights of a K block

#pragma pack(push, 1)

// "split nibbles": byte j holds weight j in its low and weight j + 16 in its high nibble.
struct BlockQ4_0 {  // d * (q - 8)
  uint16_t d;
  uint8_t qs[16];
};
struct BlockQ4_1 {  // d * q + m
  uint16_t d;
  uint16_t m;
  uint8_t qs[16];
};
struct BlockQ5_0 {  // d * (q - 16); bit i of qh is bit 4 of weight i
  uint16_t d;
  uint32_t qh;
  uint8_t qs[16];
};
struct BlockQ5_1 {  // d * q + m
  uint16_t d;
  uint16_t m;
  uint32_t qh;
  uint8_t qs[16];
};
struct BlockQ8_0 {  // d * q
  uint16_t d;
  int8_t qs[32];
};
struct BlockQ4_K {  // d * sc[i/32] * q - dmin * mn[i/32]
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];  // eight 6-bit sc and mn, see UnpackScales
  uint8_t qs[128];     // 32 bytes carry 64 weights: first 32 low, next 32 high
};
struct BlockQ5_K {
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];
  uint8_t qh[32];  // bit k of qh[l] is bit 4 of weight 32 k + l
  uint8_t qs[128];
};
struct BlockQ6_K {  // d * scales[i/16] * (q - 32)
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;
};

#pragma pack(pop)

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 &&
              sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_K) == 144 &&
              sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

// The 6-bit scales and minimums of Q4_K and Q5_K.
inline void UnpackScales(const uint8_t p[12], uint8_t sc[8], uint8_t mn[8]) {
  for (int k = 0; k < 4; ++k) {
    sc[k] = p[k] & 63;
    mn[k] = p[k + 4] & 63;
    sc[k + 4] = static_cast<uint8_t>((p[k + 8] & 15) | (p[k] >> 6) << 4);
    mn[k + 4] = static_cast<uint8_t>((p[k + 8] >> 4) | (p[k + 4] >> 6) << 4);
  }
}
inline void PackScales(const uint8_t sc[8], const uint8_t mn[8], uint8_t p[12]) {
  for (int k = 0; k < 4; ++k) {
    p[k] = static_cast<uint8_t>(sc[k] | (sc[k + 4] >> 4) << 6);
    p[k + 4] = static_cast<uint8_t>(mn[k] | (mn[k + 4] >> 4) << 6);
    p[k + 8] = static_cast<uint8_t>((sc[k + 4] & 15) | (mn[k + 4] & 15) << 4);
  }
}

}  // namespace raison
