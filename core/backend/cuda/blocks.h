// The quantised blocks of GGUF as kernels read them: one weight as f32 (the bits of
// core/base/dequantize.h), and 32 weights, whole or by quarters, as packed integers for dot products.
// Rows begin at multiples of kAlign bytes (`supports` sees to it).
#pragma once

#include "core/backend/cuda/launch.h"
#include "core/backend/cuda/ops.h"

namespace raison::cuda {

// Eight of a block's 32 weights: two words of four int8 each, the places of their activations (in
// words from the block's first), and an integer that multiplies their dot product.
struct Part {
  int word[2];
  int at[2];
  int scale;
};
// A whole block for one thread: words in the order of the columns, and what multiplies the dot
// products of its halves.
struct Whole {
  int word[8];
  int scale[2];
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
// Words from an even address on by aligned loads, which may end two bytes behind them but in the same
// word (NewMemory rounds up).
template <int kWords>
__device__ void LoadWords(const unsigned char* p, unsigned (&to)[kWords]) {
  const unsigned behind = static_cast<unsigned>(reinterpret_cast<uintptr_t>(p) & 2);
  const unsigned* const from = reinterpret_cast<const unsigned*>(p - behind);
  unsigned low = from[0];
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    const unsigned high = i + 1 < kWords || behind != 0 ? from[i + 1] : 0;
    to[i] = __funnelshift_r(low, high, behind * 8);
    low = high;
  }
}
__device__ inline void LoadFour(const unsigned char* p, unsigned* to) {  // p is a multiple of 16
  const uint4 v = *reinterpret_cast<const uint4*>(p);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
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
  // Words `part` and `part` + 4 of the block.
  __device__ static void Open(unsigned codes, unsigned bits, int part, int& low, int& high) {
    low = static_cast<int>(codes & 0x0f0f0f0fu);
    high = static_cast<int>(codes >> 4 & 0x0f0f0f0fu);
    if constexpr (kHigh >= 0) {
      low |= SpreadBits(bits >> 4 * part);
      high |= SpreadBits(bits >> (4 * part + 16));
    }
    if constexpr (!kMinimum) {
      low = SubtractBytes<kHigh >= 0 ? 16 : 8>(low);
      high = SubtractBytes<kHigh >= 0 ? 16 : 8>(high);
    }
  }
  __device__ static unsigned Bits(const unsigned char* b) {
    return kHigh >= 0 ? static_cast<unsigned>(Word(b + kHigh)) : 0;
  }
  __device__ static Part Load(const unsigned char* row, int block, int part) {
    const unsigned char* b = row + static_cast<int64_t>(block) * kBytes;
    Part q{{}, {part, part + 4}, 1};
    Open(static_cast<unsigned>(Word(b + kHeader + 4 * part)), Bits(b), part, q.word[0], q.word[1]);
    return q;
  }
  __device__ static Whole LoadWhole(const unsigned char* row, int block) {
    const unsigned char* b = row + static_cast<int64_t>(block) * kBytes;
    unsigned codes[4];
    LoadWords(b + kHeader, codes);
    const unsigned bits = Bits(b);
    Whole q{{}, {1, 1}};
#pragma unroll
    for (int i = 0; i < 4; ++i) Open(codes[i], bits, i, q.word[i], q.word[i + 4]);
    return q;
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
  __device__ static Whole LoadWhole(const unsigned char* row, int block) {
    unsigned codes[8];
    LoadWords(row + static_cast<int64_t>(block) * kBytes + 2, codes);
    Whole q{{}, {1, 1}};
#pragma unroll
    for (int i = 0; i < 8; ++i) q.word[i] = static_cast<int>(codes[i]);
    return q;
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    return {HalfToFloat(Load16(row + static_cast<int64_t>(block) * kBytes)), 0, 0};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 32 * kBytes;
    return HalfToFloat(Load16(b)) * static_cast<float>(static_cast<signed char>(b[2 + i % 32]));
  }
};

// Q8_0 as `weight` packs it (pack.cu): of eight blocks first the scales, then the codes. Rows have as
// many bytes as before, and codes can be loaded by sixteen.
template <>
struct Block<kPackedQ8> {
  static constexpr int kWeights = kPackedWidth, kBytes = 272, kAlign = 16, kCodes = 16;
  static constexpr bool kHasMinimum = false;
  __device__ static const unsigned char* CodesOf(const unsigned char* row, int block) {
    return row + static_cast<int64_t>(block / 8) * kBytes + kCodes + block % 8 * 32;
  }
  __device__ static Part Load(const unsigned char* row, int block, int part) {
    const int2 v = *reinterpret_cast<const int2*>(CodesOf(row, block) + 8 * part);
    return {{v.x, v.y}, {2 * part, 2 * part + 1}, 1};
  }
  __device__ static Whole LoadWhole(const unsigned char* row, int block) {
    const int4* from = reinterpret_cast<const int4*>(CodesOf(row, block));
    const int4 a = from[0], b = from[1];
    return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}, {1, 1}};
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    const unsigned char* b = row + static_cast<int64_t>(block / 8) * kBytes;
    return {HalfToFloat(Load16(b + block % 8 * 2)), 0, 0};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 256 * kBytes;
    return HalfToFloat(Load16(b + i % 256 / 32 * 2)) *
           static_cast<float>(static_cast<signed char>(b[kCodes + i % 256]));
  }
};

// Q4_K and Q5_K: eight runs of 32 weights with a 6-bit scale and minimum each.
template <bool kFifthBit>
struct KBlock {
  static constexpr int kWeights = 256, kBytes = kFifthBit ? 176 : 144, kAlign = 16;
  static constexpr bool kHasMinimum = true;
  static constexpr int kCodes = kFifthBit ? 48 : 16;

  // Of the block's first 16 bytes: the halves d and minimum, then twelve bytes of scales.
  struct Header {
    unsigned word[4];
  };
  __device__ static Header HeaderOf(const unsigned char* b) {
    Header h;
    LoadFour(b, h.word);
    return h;
  }
  __device__ static void Scales(const Header& h, int k, int& scale, int& minimum) {
    const int shift = k % 4 * 8;
    const unsigned first = h.word[1] >> shift & 255, second = h.word[2] >> shift & 255;
    const unsigned third = h.word[3] >> shift & 255;
    scale = static_cast<int>(k < 4 ? first & 63 : (third & 15) | first >> 6 << 4);
    minimum = static_cast<int>(k < 4 ? second & 63 : third >> 4 | second >> 6 << 4);
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
    Scales(HeaderOf(b), k, p.scale, minimum);
    return p;
  }
  __device__ static Whole LoadWhole(const unsigned char* row, int block) {
    const unsigned char* b = row + static_cast<int64_t>(block / 8) * kBytes;
    const int k = block % 8;
    unsigned codes[8], bits[8] = {};
    LoadFour(b + kCodes + 32 * (k / 2), codes);
    LoadFour(b + kCodes + 32 * (k / 2) + 16, codes + 4);
    if constexpr (kFifthBit) {
      LoadFour(b + 16, bits);
      LoadFour(b + 32, bits + 4);
    }
    Whole q;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      q.word[i] = static_cast<int>((codes[i] >> 4 * (k % 2) & 0x0f0f0f0fu) |
                                   (bits[i] >> k & 0x01010101u) << 4);
    }
    int minimum;
    Scales(HeaderOf(b), k, q.scale[0], minimum);
    q.scale[1] = q.scale[0];
    return q;
  }
  __device__ static Scale ScaleOf(const unsigned char* row, int block) {
    const Header h = HeaderOf(row + static_cast<int64_t>(block / 8) * kBytes);
    int scale, minimum;
    Scales(h, block % 8, scale, minimum);
    return {HalfToFloat(static_cast<uint16_t>(h.word[0])),
            HalfToFloat(static_cast<uint16_t>(h.word[0] >> 16)), minimum};
  }
  __device__ static float Element(const unsigned char* row, int64_t i) {
    const unsigned char* b = row + i / 256 * kBytes;
    const int k = static_cast<int>(i % 256) / 32, l = static_cast<int>(i % 32);
    int scale, minimum;
    Scales(HeaderOf(b), k, scale, minimum);
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
  __device__ static Whole LoadWhole(const unsigned char* row, int block) {
    const unsigned char* b = row + static_cast<int64_t>(block / 8) * kBytes;
    const int half = block % 8 / 4, quarter = block % 4;
    unsigned low[8], high[8];
    LoadWords(b + 64 * half + 32 * (quarter % 2), low);
    LoadWords(b + 128 + 32 * half, high);
    const unsigned scales = Load16(b + 192 + block % 8 * 2);
    Whole q;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      q.word[i] = SubtractBytes<32>(
          static_cast<int>((low[i] >> 4 * (quarter / 2) & 0x0f0f0f0fu) |
                           (high[i] >> 2 * quarter & 0x03030303u) << 4));
    }
    q.scale[0] = static_cast<signed char>(scales);
    q.scale[1] = static_cast<signed char>(scales >> 8);
    return q;
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

// Elements of a plain type that lie in words.
template <uint32_t kType, int kCount>
__device__ void OpenWords(const unsigned* words, float (&x)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if constexpr (kType == RSN_DTYPE_F32) {
      x[i] = __uint_as_float(words[i]);
    } else {
      const uint16_t bits = static_cast<uint16_t>(words[i / 2] >> 16 * (i % 2));
      x[i] = kType == RSN_DTYPE_F16 ? HalfToFloat(bits) : BFloatToFloat(bits);
    }
  }
}
// kCount neighbouring elements of a plain row, which lie at a multiple of their size or of 16 bytes.
template <uint32_t kType, int kCount>
__device__ void LoadNear(const unsigned char* p, float (&x)[kCount]) {
  constexpr int kBytes = kCount * (kType == RSN_DTYPE_F32 ? 4 : 2);
  if constexpr (kBytes < 4) {
    x[0] = LoadPlain<kType>(p, 0);
  } else {
    unsigned words[kBytes / 4];
    if constexpr (kBytes == 4) {
      words[0] = *reinterpret_cast<const unsigned*>(p);
    } else if constexpr (kBytes == 8) {
      const uint2 v = *reinterpret_cast<const uint2*>(p);
      words[0] = v.x, words[1] = v.y;
    } else {
#pragma unroll
      for (int i = 0; i < kBytes / 16; ++i) LoadFour(p + 16 * i, words + 4 * i);
    }
    OpenWords<kType>(words, x);
  }
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
    RSN_CUDA_TYPE(kPackedQ8)
    RSN_CUDA_TYPE(RSN_DTYPE_Q4_K)
    RSN_CUDA_TYPE(RSN_DTYPE_Q5_K)
    RSN_CUDA_TYPE(RSN_DTYPE_Q6_K)
#undef RSN_CUDA_TYPE
    default:
      return false;
  }
}

}  // namespace raison::cuda
