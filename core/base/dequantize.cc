#include "core/base/dequantize.h"

#include <cstring>

#include "core/base/blocks.h"
#include "core/base/half.h"

namespace raison {
namespace {

void Block(const BlockQ4_0& b, float* y) {
  const float d = F16ToF32(b.d);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>((b.qs[j] & 15) - 8);
    y[j + 16] = d * static_cast<float>((b.qs[j] >> 4) - 8);
  }
}

void Block(const BlockQ4_1& b, float* y) {
  const float d = F16ToF32(b.d), m = F16ToF32(b.m);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(b.qs[j] & 15) + m;
    y[j + 16] = d * static_cast<float>(b.qs[j] >> 4) + m;
  }
}

void Block(const BlockQ5_0& b, float* y) {
  const float d = F16ToF32(b.d);
  const uint32_t qh = b.qh;
  for (int j = 0; j < 16; ++j) {
    const int low = (b.qs[j] & 15) | static_cast<int>(qh >> j & 1) << 4;
    const int high = (b.qs[j] >> 4) | static_cast<int>(qh >> (j + 16) & 1) << 4;
    y[j] = d * static_cast<float>(low - 16);
    y[j + 16] = d * static_cast<float>(high - 16);
  }
}

void Block(const BlockQ5_1& b, float* y) {
  const float d = F16ToF32(b.d), m = F16ToF32(b.m);
  const uint32_t qh = b.qh;
  for (int j = 0; j < 16; ++j) {
    const int low = (b.qs[j] & 15) | static_cast<int>(qh >> j & 1) << 4;
    const int high = (b.qs[j] >> 4) | static_cast<int>(qh >> (j + 16) & 1) << 4;
    y[j] = d * static_cast<float>(low) + m;
    y[j + 16] = d * static_cast<float>(high) + m;
  }
}

void Block(const BlockQ8_0& b, float* y) {
  const float d = F16ToF32(b.d);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<float>(b.qs[j]);
}

void Block(const BlockQ4_K& b, float* y) {
  const float d = F16ToF32(b.d), dmin = F16ToF32(b.dmin);
  uint8_t sc[8], mn[8];
  UnpackScales(b.scales, sc, mn);
  for (int k = 0; k < 8; ++k) {
    const float scale = d * static_cast<float>(sc[k]), min = dmin * static_cast<float>(mn[k]);
    const uint8_t* q = b.qs + 32 * (k / 2);
    for (int l = 0; l < 32; ++l) {
      const int code = k % 2 == 0 ? q[l] & 15 : q[l] >> 4;
      y[32 * k + l] = scale * static_cast<float>(code) - min;
    }
  }
}

void Block(const BlockQ5_K& b, float* y) {
  const float d = F16ToF32(b.d), dmin = F16ToF32(b.dmin);
  uint8_t sc[8], mn[8];
  UnpackScales(b.scales, sc, mn);
  for (int k = 0; k < 8; ++k) {
    const float scale = d * static_cast<float>(sc[k]), min = dmin * static_cast<float>(mn[k]);
    const uint8_t* q = b.qs + 32 * (k / 2);
    for (int l = 0; l < 32; ++l) {
      const int code = (k % 2 == 0 ? q[l] & 15 : q[l] >> 4) | (b.qh[l] >> k & 1) << 4;
      y[32 * k + l] = scale * static_cast<float>(code) - min;
    }
  }
}

void Block(const BlockQ6_K& b, float* y) {
  const float d = F16ToF32(b.d);
  for (int n = 0; n < 2; ++n) {
    for (int j = 0; j < 4; ++j) {
      for (int l = 0; l < 32; ++l) {
        const uint8_t low = b.ql[64 * n + 32 * (j & 1) + l];
        const int code = (j < 2 ? low & 15 : low >> 4) | (b.qh[32 * n + l] >> 2 * j & 3) << 4;
        const int i = 128 * n + 32 * j + l;
        y[i] = (d * static_cast<float>(b.scales[i / 16])) * static_cast<float>(code - 32);
      }
    }
  }
}

template <typename B>
void Blocks(const std::byte* src, size_t n, int weights, float* dst) {
  for (size_t i = 0; i < n; i += weights, src += sizeof(B)) {
    B block;
    std::memcpy(&block, src, sizeof(B));
    Block(block, dst + i);
  }
}

}  // namespace

void DequantizeRow(DType type, const std::byte* src, size_t n, float* dst) {
  switch (type) {
    case DType::kF32:
      if (n > 0) std::memcpy(dst, src, n * sizeof(float));
      return;
    case DType::kF16:
    case DType::kBF16:
      for (size_t i = 0; i < n; ++i) {
        uint16_t h;
        std::memcpy(&h, src + 2 * i, 2);
        dst[i] = type == DType::kF16 ? F16ToF32(h) : BF16ToF32(h);
      }
      return;
    case DType::kI32:
      for (size_t i = 0; i < n; ++i) {
        int32_t v;
        std::memcpy(&v, src + 4 * i, 4);
        dst[i] = static_cast<float>(v);
      }
      return;
    case DType::kQ4_0: return Blocks<BlockQ4_0>(src, n, kBlock, dst);
    case DType::kQ4_1: return Blocks<BlockQ4_1>(src, n, kBlock, dst);
    case DType::kQ5_0: return Blocks<BlockQ5_0>(src, n, kBlock, dst);
    case DType::kQ5_1: return Blocks<BlockQ5_1>(src, n, kBlock, dst);
    case DType::kQ8_0: return Blocks<BlockQ8_0>(src, n, kBlock, dst);
    case DType::kQ4_K: return Blocks<BlockQ4_K>(src, n, kSuperBlock, dst);
    case DType::kQ5_K: return Blocks<BlockQ5_K>(src, n, kSuperBlock, dst);
    case DType::kQ6_K: return Blocks<BlockQ6_K>(src, n, kSuperBlock, dst);
  }
}

}  // namespace raison
