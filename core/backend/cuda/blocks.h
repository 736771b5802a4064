// The quantised blocks of GGUF as kernels read them: one weight as f32 (the bits of
// core/base/dequantize.h), and a quarter of 32 weights as packed integers for dot products.
// Rows begin at multiples of kAlign bytes (`supports` sees to it).
#pragma once

#include "core/backend/cuda/launch.h"

namespace raison::cuda {

// Eight of a block's 32 weights: two words of four int8 each, the places of their activations (in
// words from the block's first), and an integer that multiplies their dot product.
struct Part {
  int word[2];
  int at[2];
  int scale;
};
// A block of 32 is worth d * dot - minimum * minimum_scale * sum of its activations.
struct Scale {
  float d;
  float minimum;
  int minimum_scale;
};

__device__ inline uint16_t Load16(const unsigned char* p) {
  return *reinterpret_cast<const uint16_t*>(p);
}
__device__ inline int Load32(const unsigned char* p) { return *reinterpret_cast<const int*>(p); }
__device__ inline int Load32In16(const unsigned char* p) {  // p is even
  return static_cast<int>(Load16(p) | static_cast<unsigned>(Load16(p + 2)) << 16);
}
// Subtracts kLess < 128 from each of four bytes below 128, without borrowing between them.
template <unsigned kLess>
__device__ int SubtractBytes(int v) {
  return static_cast<int>(((static_cast<unsigned>(v) | 0x80808080u) - kLess * 0x01010101u) ^
                          0x80808080u);
}
// Bits 0..3 to bit 4 of four bytes.
__device__ inline int SpreadBits(unsigned bits) {
  return static_cast<int>((bits & 1) << 4 | (bits & 2) << 11 | (bits & 4) << 18 | (bits & 8) << 25);
}

template <uint32_t kType>
struct Block;

// Q4_0, Q4_1, Q5_0, Q5_1: nibbles of 32 weights, byte j with weights j and j + 16.
template <int kHeader, int kHigh, bool kMinimum>
struct SmallBlock {
  static constexpr int kWeights = 32, kBytes = kHeader + 16;
  static constexpr int kAlign = kBytes % 4 == 0 ? 4 : 2;
  static constexpr bool kHasMinimum = kMinimum;

  __device__ static int Word(const unsigned char* p) {
    if constexpr (kAlign == 4) return Load32(p);
    return Load32In16(p);
  }
  __device__ static Part Load(const unsigned char* row, int block, int part) {
    const unsigned char* b = row + static_cast<int64_t>(block) * kBytes;
    const unsigned codes = static_cast<unsigned>(Word(b + kHeader + 4 * part));
    int low = static_cast<int>(codes & 0x0f0f0f0fu);
    int high = static_cast<int>(codes >> 4 & 0x0f0f0f0fu);
    if constexpr (kHigh >= 0) {
      const unsigned bits = static_cast<unsigned>(Word(b + kHigh));
      low |= SpreadBits(bits >> 4 * part);
      high |= SpreadBits(bits >> (4 * part + 16));
    }
    if constexpr (!kMinimum) {
      low = SubtractBytes<kHigh >= 0 ? 16 : 8>(low);
      high = SubtractBytes<kHigh >= 0 ? 16 : 8>(high);
    }
    return {{low, high}, {part, part + 4}, 1};
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    const unsigned char* b = row + static_cast<int64_t>(block) * kBytes;
    if constexpr (kMinimum) return {HalfToFloat(Load16(b)), -HalfToFloat(Load16(b + 2)), 1};
    return {HalfToFloat(Load16(b)), 0, 0};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 32 * kBytes;
    const int j = static_cast<int>(i % 32);
    int code = b[kHeader + j % 16] >> (j < 16 ? 0 : 4) & 15;
    if constexpr (kHigh >= 0) code |= (b[kHigh + j / 8] >> j % 8 & 1) << 4;
    const float d = HalfToFloat(Load16(b));
    if constexpr (kMinimum) return d * static_cast<float>(code) + HalfToFloat(Load16(b + 2));
    return d * static_cast<float>(code - (kHigh >= 0 ? 16 : 8));
  }
};
template <>
struct Block<RSN_DTYPE_Q4_0> : SmallBlock<2, -1, false> {};
template <>
struct Block<RSN_DTYPE_Q4_1> : SmallBlock<4, -1, true> {};
template <>
struct Block<RSN_DTYPE_Q5_0> : SmallBlock<6, 2, false> {};
template <>
struct Block<RSN_DTYPE_Q5_1> : SmallBlock<8, 4, true> {};

template <>
struct Block<RSN_DTYPE_Q8_0> {
  static constexpr int kWeights = 32, kBytes = 34, kAlign = 2;
  static constexpr bool kHasMinimum = false;
  __device__ static Part Load(const unsigned char* row, int block, int part) {
    const unsigned char* b = row + static_cast<int64_t>(block) * kBytes + 2 + 8 * part;
    return {{Load32In16(b), Load32In16(b + 4)}, {2 * part, 2 * part + 1}, 1};
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    return {HalfToFloat(Load16(row + static_cast<int64_t>(block) * kBytes)), 0, 0};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 32 * kBytes;
    return HalfToFloat(Load16(b)) * static_cast<float>(static_cast<signed char>(b[2 + i % 32]));
  }
};

// Q4_K and Q5_K: eight runs of 32 weights with a 6-bit scale and minimum each.
template <bool kFifthBit>
struct KBlock {
  static constexpr int kWeights = 256, kBytes = kFifthBit ? 176 : 144, kAlign = 4;
  static constexpr bool kHasMinimum = true;
  static constexpr int kCodes = kFifthBit ? 48 : 16;

  __device__ static void Scales(const unsigned char* b, int k, int& scale, int& minimum) {
    const unsigned char* s = b + 4;
    if (k < 4) {
      scale = s[k] & 63;
      minimum = s[k + 4] & 63;
    } else {
      scale = (s[k + 4] & 15) | s[k - 4] >> 6 << 4;
      minimum = s[k + 4] >> 4 | s[k] >> 6 << 4;
    }
  }
  __device__ static Part Load(const unsigned char* row, int block, int part) {
    const unsigned char* b = row + static_cast<int64_t>(block / 8) * kBytes;
    const int k = block % 8;
    Part p;
    for (int i = 0; i < 2; ++i) {
      const int at = 8 * part + 4 * i;
      p.word[i] = static_cast<int>(
          static_cast<unsigned>(Load32(b + kCodes + 32 * (k / 2) + at)) >> 4 * (k % 2) &
          0x0f0f0f0fu);
      if constexpr (kFifthBit) {
        p.word[i] |=
            static_cast<int>((static_cast<unsigned>(Load32(b + 16 + at)) >> k & 0x01010101u) << 4);
      }
      p.at[i] = 2 * part + i;
    }
    int minimum;
    Scales(b, k, p.scale, minimum);
    return p;
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    const unsigned char* b = row + static_cast<int64_t>(block / 8) * kBytes;
    int scale, minimum;
    Scales(b, block % 8, scale, minimum);
    return {HalfToFloat(Load16(b)), HalfToFloat(Load16(b + 2)), minimum};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 256 * kBytes;
    const int k = static_cast<int>(i % 256) / 32, l = static_cast<int>(i % 32);
    int scale, minimum;
    Scales(b, k, scale, minimum);
    int code = b[kCodes + 32 * (k / 2) + l] >> 4 * (k % 2) & 15;
    if constexpr (kFifthBit) code |= (b[16 + l] >> k & 1) << 4;
    const float d = HalfToFloat(Load16(b)) * static_cast<float>(scale);
    const float m = HalfToFloat(Load16(b + 2)) * static_cast<float>(minimum);
    return d * static_cast<float>(code) - m;
  }
};
template <>
struct Block<RSN_DTYPE_Q4_K> : KBlock<false> {};
template <>
struct Block<RSN_DTYPE_Q5_K> : KBlock<true> {};

template <>
struct Block<RSN_DTYPE_Q6_K> {
  static constexpr int kWeights = 256, kBytes = 210, kAlign = 2;
  static constexpr bool kHasMinimum = false;
  __device__ static Part Load(const unsigned char* row, int block, int part) {
    const unsigned char* b = row + static_cast<int64_t>(block / 8) * kBytes;
    const int half = block % 8 / 4, quarter = block % 4;
    Part p;
    for (int i = 0; i < 2; ++i) {
      const int at = 8 * part + 4 * i;
      const unsigned low =
          static_cast<unsigned>(Load32In16(b + 64 * half + 32 * (quarter % 2) + at)) >>
          4 * (quarter / 2);
      const unsigned high =
          static_cast<unsigned>(Load32In16(b + 128 + 32 * half + at)) >> 2 * quarter;
      p.word[i] = SubtractBytes<32>(
          static_cast<int>((low & 0x0f0f0f0fu) | (high & 0x03030303u) << 4));
      p.at[i] = 2 * part + i;
    }
    p.scale = static_cast<signed char>(b[192 + block % 8 * 2 + part / 2]);
    return p;
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    return {HalfToFloat(Load16(row + static_cast<int64_t>(block / 8) * kBytes + 208)), 0, 0};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 256 * kBytes;
    const int at = static_cast<int>(i % 256), half = at / 128, quarter = at / 32 % 4, l = at % 32;
    const int low = b[64 * half + 32 * (quarter % 2) + l] >> 4 * (quarter / 2) & 15;
    const int code = low | (b[128 + 32 * half + l] >> 2 * quarter & 3) << 4;
    const float d =
        HalfToFloat(Load16(b + 208)) * static_cast<float>(static_cast<signed char>(b[192 + at / 16]));
    return d * static_cast<float>(code - 32);
  }
};

__host__ __device__ constexpr bool IsPlain(uint32_t type) {
  return type == RSN_DTYPE_F32 || type == RSN_DTYPE_F16 || type == RSN_DTYPE_BF16;
}

// Element i of a row of any type.
template <uint32_t kType>
__device__ float LoadElement(const unsigned char* row, int64_t i) {
  if constexpr (IsPlain(kType)) {
    return LoadPlain<kType>(row, i);
  } else {
    return Block<kType>::Element(row, i);
  }
}

// Calls f(std::integral_constant<uint32_t, type>) for a stored weight type; false for others.
template <typename F>
bool ForType(uint32_t type, const F& f) {
  switch (type) {
#define RSN_CUDA_TYPE(T)                               \
  case T:                                              \
    f(std::integral_constant<uint32_t, uint32_t{T}>{}); \
    return true;
    RSN_CUDA_TYPE(RSN_DTYPE_F32)
    RSN_CUDA_TYPE(RSN_DTYPE_F16)
    RSN_CUDA_TYPE(RSN_DTYPE_BF16)
    RSN_CUDA_TYPE(RSN_DTYPE_Q4_0)
    RSN_CUDA_TYPE(RSN_DTYPE_Q4_1)
    RSN_CUDA_TYPE(RSN_DTYPE_Q5_0)
    RSN_CUDA_TYPE(RSN_DTYPE_Q5_1)
    RSN_CUDA_TYPE(RSN_DTYPE_Q8_0)
    RSN_CUDA_TYPE(RSN_DTYPE_Q4_K)
    RSN_CUDA_TYPE(RSN_DTYPE_Q5_K)
    RSN_CUDA_TYPE(RSN_DTYPE_Q6_K)
#undef RSN_CUDA_TYPE
    default:
      return false;
  }
}

}  // namespace raison::cuda
