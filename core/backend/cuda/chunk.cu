// Large products of prompts by a library for dense matrices. What it multiplies is f16, each row scaled
// by a power of two, its largest below 2^15: so that nothing is too large for f16, and what is 2^-28 of
// the largest still has all its bits. The powers are put back at the end, exactly.
//   activations        rounded to f16: 11 bits, where the own kernels' int8 have 8 at most;
//   quantised weights  rounded to f16;
//   BF16 weights       in f16, which holds their 8 bits;
//   F16 weights        as they lie.
// With Options::pieces == 2 what rounding loses goes along as a second piece, times 2^11, and numbers have
// 22 bits: three products instead of one for quantised weights, two for the others.
// The library's sums depend on the shape: so a chunk is a product of its own with kChunkRows rows,
// filled up with zeros, and rows that stand alone never come here.
#include <algorithm>

#include "core/backend/cuda/blocks.h"
#include "core/backend/cuda/chunk.h"

namespace raison::cuda {
namespace {

constexpr float kSecond = 2048.0f;          // 2^11: what f16's significand holds
constexpr int kTop = 14;                    // the exponent that a row's largest number gets
constexpr int kLeastExponent = kTop - 126;  // of rows below it 2^(kTop - exponent) were no f32

// One output's weights at a time are not enough for the card, all are too much memory: up to so
// many, in whole tiles of the library's kernels.
constexpr int64_t kSlabWeights = 1 << 25;
constexpr int64_t kSlabOutputs = 16384;
constexpr int64_t kSlabUnit = 128;

// The exponent of the largest magnitude of a row; what is not finite does not count.
__device__ inline int ExponentOf(float most) {
  const int exponent = static_cast<int>(__float_as_uint(most) >> 23) - 127;
  return exponent < kLeastExponent ? kLeastExponent : exponent;
}
__device__ inline float PowerOfTwo(int exponent) {  // a normal one
  return __uint_as_float(static_cast<unsigned>(exponent + 127) << 23);
}
__device__ inline float Finite(float x) { return fabsf(x) < Infinity() ? fabsf(x) : 0.0f; }

// Of v, what piece `p` holds: its f16, then what that lacks, times 2^11. A NaN or an infinity is in the first
// piece alone.
__device__ inline uint16_t PieceOf(float v, int p) {
  const uint16_t first = FloatToHalf(v);
  if (p == 0) return first;
  return FloatToHalf(fabsf(v) < Infinity() ? (v - HalfToFloat(first)) * kSecond : 0.0f);
}

// -------- activations
// -----------------------------------------------------------------------------------

struct CutRowsArgs {
  View in;  // f32 (rows, width)
  int64_t first, count, width;
  uint16_t* piece[kMostPieces];  // (kChunkRows, width) each; the second nullptr: not wanted
  int* exponents;                // (kChunkRows)
};
// One block a row; rows from `count` on are zeros.
__global__ void CutRowsKernel(CutRowsArgs a) {
  __shared__ float shared[kBlockThreads / kWarp];
  const int64_t row = blockIdx.x;
  const bool used = row < a.count;
  const float* in = At<float>(a.in, used ? a.first + row : 0);
  float most = 0;
  for (int64_t i = threadIdx.x; used && i < a.width; i += kBlockThreads) {
    most = fmaxf(most, Finite(in[i]));
  }
  most = BlockMax(most, shared);
  const int exponent = used ? ExponentOf(most) : 0;
  const float scale = PowerOfTwo(kTop - exponent);
  if (threadIdx.x == 0) a.exponents[row] = exponent;
  for (int64_t i = threadIdx.x; i < a.width; i += kBlockThreads) {
    const float v = used ? in[i] * scale : 0.0f;
    const int64_t at = row * a.width + i;
    a.piece[0][at] = PieceOf(v, 0);
    if (a.piece[1] != nullptr) a.piece[1][at] = PieceOf(v, 1);
  }
}

// -------- weights
// ---------------------------------------------------------------------------------------

// Eight weights of a row, in two fours of neighbours.
struct Eight {
  float value[2][4];
  int64_t at[2];  // the column of a four's first
};
template <uint32_t kType>
struct Eights {
  __device__ static float Bound(const unsigned char* row, int64_t n) {  // of their magnitudes
    constexpr float kMostCode = 128.0f;
    const int block = static_cast<int>(n / 4), part = static_cast<int>(n % 4);
    const Scale s = Block<kType>::ScaleOf(row, block);
    const int codes = Block<kType>::Load(row, block, part).scale;
    return Finite(s.d * static_cast<float>(codes)) * kMostCode +
           Finite(s.minimum * static_cast<float>(s.minimum_scale));
  }
  __device__ static Eight Load(const unsigned char* row, int64_t n) {
    const int block = static_cast<int>(n / 4), part = static_cast<int>(n % 4);
    const Scale s = Block<kType>::ScaleOf(row, block);
    const Part q = Block<kType>::Load(row, block, part);
    Eight e;
    for (int word = 0; word < 2; ++word) {
      e.at[word] = block * 32 + q.at[word] * 4;
      for (int i = 0; i < 4; ++i) {
        const int code = static_cast<signed char>(q.word[word] >> 8 * i);
        e.value[word][i] = s.d * static_cast<float>(q.scale * code);
        if constexpr (Block<kType>::kHasMinimum) {
          e.value[word][i] -= s.minimum * static_cast<float>(s.minimum_scale);
        }
      }
    }
    return e;
  }
};
template <>
struct Eights<RSN_DTYPE_BF16> {
  __device__ static Eight Load(const unsigned char* row, int64_t n) {
    const uint4 v = *(reinterpret_cast<const uint4*>(row) + n);
    const unsigned pairs[4] = {v.x, v.y, v.z, v.w};
    Eight e{{}, {8 * n, 8 * n + 4}};
    for (int i = 0; i < 8; ++i) {
      e.value[i / 4][i % 4] = BFloatToFloat(static_cast<uint16_t>(pairs[i / 2] >> 16 * (i % 2)));
    }
    return e;
  }
  __device__ static float Bound(const unsigned char* row, int64_t n) {
    const Eight e = Load(row, n);
    float most = 0;
    for (int i = 0; i < 8; ++i) most = fmaxf(most, Finite(e.value[i / 4][i % 4]));
    return most;
  }
};

struct CutWeightsArgs {
  View weight;  // (outputs, width) in index 1 of its strides
  int64_t output, width;
  uint16_t* piece[kMostPieces];  // (slab, width); the second nullptr: not wanted
  int* exponents;                // (slab)
};
// One block an output. An upper bound of the row's largest weight is enough to scale it.
template <uint32_t kType>
__global__ void CutWeightsKernel(CutWeightsArgs a) {
  __shared__ float shared[kBlockThreads / kWarp];
  const int64_t output = blockIdx.x;
  const unsigned char* row = At<unsigned char>(a.weight, 0, a.output + output);
  const int64_t eights = a.width / 8;
  float most = 0;
  for (int64_t n = threadIdx.x; n < eights; n += kBlockThreads) {
    most = fmaxf(most, Eights<kType>::Bound(row, n));
  }
  most = BlockMax(most, shared);
  const int exponent = ExponentOf(most);
  const float scale = PowerOfTwo(kTop - exponent);
  if (threadIdx.x == 0) a.exponents[output] = exponent;
  for (int64_t n = threadIdx.x; n < eights; n += kBlockThreads) {
    const Eight e = Eights<kType>::Load(row, n);
    for (int four = 0; four < 2; ++four) {
      const int64_t at = output * a.width + e.at[four];
      for (int p = 0; p < kMostPieces; ++p) {
        if (a.piece[p] == nullptr) break;
        uint16_t v[4];
        for (int i = 0; i < 4; ++i) v[i] = PieceOf(e.value[four][i] * scale, p);
        // The pieces begin at multiples of 256 bytes and rows at multiples of 16.
        *reinterpret_cast<uint2*>(a.piece[p] + at) = uint2{
            v[0] | static_cast<unsigned>(v[1]) << 16, v[2] | static_cast<unsigned>(v[3]) << 16};
      }
    }
  }
}

// -------- the end
// ---------------------------------------------------------------------------------------

struct FinishArgs {
  const float* product;  // (kChunkRows, stride)
  int64_t stride;
  const int* row_exponents;
  const int* output_exponents;  // nullptr: zeros
  View out;
  int64_t first, output, outputs;
  const float* bias;
  bool accumulate;
};
__global__ void FinishKernel(FinishArgs a) {
  const int64_t o = GlobalThread(), row = blockIdx.y;
  if (o >= a.outputs) return;
  int exponent = a.row_exponents[row] - kTop;
  if (a.output_exponents != nullptr) exponent += a.output_exponents[o] - kTop;
  float y = ldexpf(a.product[row * a.stride + o], exponent);
  if (a.bias != nullptr) y += a.bias[a.output + o];
  float* out = At<float>(a.out, a.first + row) + a.output + o;
  *out = a.accumulate ? *out + y : y;
}

int64_t SlabOf(const Product& p) {
  const int64_t slab = std::min(kSlabOutputs, kSlabWeights / p.width) / kSlabUnit * kSlabUnit;
  return std::min(p.outputs, std::max(slab, kSlabUnit));
}
int64_t StrideOf(int64_t slab) { return DivideUp(slab, 4) * 4; }

void CutWeights(Context& c, const Product& p, int64_t output, int64_t outputs,
                const ChunkMemory& memory) {
  const CutWeightsArgs a{.weight = p.weight,
                         .output = output,
                         .width = p.width,
                         .piece = {memory.weights[0], IsPlain(p.type) ? nullptr : memory.weights[1]},
                         .exponents = memory.output_exponents};
  ForType(p.type, [&](auto type) {
    constexpr uint32_t kType = decltype(type)::value;
    if constexpr (!IsPlain(kType) || kType == RSN_DTYPE_BF16) {
      Launch(c, {.x = outputs}, CutWeightsKernel<kType>, a);
    }
  });
}

}  // namespace

bool IsDense(const Context& c, const Product& p) {
  if (c.dense == nullptr || p.type == RSN_DTYPE_F32) return false;
  const uint64_t places =
      reinterpret_cast<uintptr_t>(p.weight.data) | static_cast<uint64_t>(p.weight.stride[1]);
  constexpr uint64_t kLoadAlignment = 16;  // the library's, and that of Eights
  if (IsPlain(p.type) && places % kLoadAlignment != 0) return false;
  if (p.type == RSN_DTYPE_BF16 && p.width % 8 != 0) return false;
  return p.outputs * p.width >= c.dense->options.least;
}

void TakeMemory(Context& c, const Product& p, ChunkMemory& m) {
  const int pieces = c.dense->options.pieces;
  const int64_t slab = SlabOf(p);
  if (m.row_exponents == nullptr) {
    m.row_exponents = c.Take<int>(kChunkRows);
    for (int n = 0; n < pieces; ++n) m.rows[n] = c.Take<uint16_t>(kChunkRows * p.width);
  }
  const auto grow = [&](auto*& to, int64_t& has, int64_t wanted) {
    if (has >= wanted) return;
    to = c.Take<std::remove_reference_t<decltype(*to)>>(wanted);
    has = wanted;
  };
  grow(m.product, m.product_size, kChunkRows * StrideOf(slab));
  if (p.type == RSN_DTYPE_F16) return;
  grow(m.output_exponents, m.exponents_size, slab);
  grow(m.weights[0], m.weights_size[0], slab * p.width);
  if (pieces > 1 && !IsPlain(p.type)) grow(m.weights[1], m.weights_size[1], slab * p.width);
}

void CutRows(Context& c, const View& in, const ChunkRows& rows, int64_t width,
             const ChunkMemory& m) {
  const CutRowsArgs a{.in = in,
                      .first = rows.first,
                      .count = rows.count,
                      .width = width,
                      .piece = {m.rows[0], m.rows[1]},
                      .exponents = m.row_exponents};
  Launch(c, {.x = kChunkRows}, CutRowsKernel, a);
}

void MultiplyChunk(Context& c, const Product& p, const ChunkRows& rows, const ChunkMemory& m) {
  const bool as_they_lie = p.type == RSN_DTYPE_F16;
  const bool two_pieces = c.dense->options.pieces > 1;
  const int64_t slab = SlabOf(p);
  for (int64_t output = 0; output < p.outputs; output += slab) {
    const int64_t outputs = std::min(slab, p.outputs - output);
    if (!as_they_lie) CutWeights(c, p, output, outputs, m);
    Gemm g{.outputs = outputs,
           .rows = kChunkRows,
           .width = p.width,
           .type = RSN_DTYPE_F16,
           .c = m.product,
           .c_stride = StrideOf(slab),
           .alpha = 1,
           .add = false};
    // The view of one row has no stride.
    g.a_stride = as_they_lie && p.outputs > 1 ? p.weight.stride[1] / 2 : p.width;
    const auto multiply = [&](int weight_piece, int row_piece, float alpha) {
      if (!c.ok()) return;
      g.a = as_they_lie ? static_cast<const void*>(p.weight.data + output * p.weight.stride[1])
                        : m.weights[weight_piece];
      g.b = m.rows[row_piece];
      g.alpha = alpha;
      if (!c.dense->Multiply(g)) c.error = cudaErrorNotSupported;
      g.add = true;
    };
    // Small sums first: what is added to them afterwards rounds once more at the end only.
    if (two_pieces) multiply(0, 1, 1.0f / kSecond);
    if (two_pieces && !IsPlain(p.type)) multiply(1, 0, 1.0f / kSecond);
    multiply(0, 0, 1.0f);
    const FinishArgs a{.product = m.product,
                       .stride = g.c_stride,
                       .row_exponents = m.row_exponents,
                       .output_exponents = as_they_lie ? nullptr : m.output_exponents,
                       .out = p.out,
                       .first = rows.first,
                       .output = output,
                       .outputs = outputs,
                       .bias = p.bias,
                       .accumulate = p.accumulate};
    Launch(c, {.x = DivideUp(outputs, kBlockThreads), .y = rows.count}, FinishKernel, a);
  }
}

std::vector<ChunkRows> ChunksOf(const Context& c, const rsn_matmul& a) {
  std::vector<ChunkRows> chunks;
  if (c.dense == nullptr || a.in.rank != 2) return chunks;
  for (uint32_t i = 0; i < a.chunks; ++i) {
    const ChunkRows rows{a.chunk[i].first, a.chunk[i].count};
    if (rows.count < kLeastRows) continue;
    const bool follows = !chunks.empty() && chunks.back().first + chunks.back().count == rows.first;
    if (c.dense->options.merge && follows) {
      chunks.back().count += rows.count;
    } else {
      chunks.push_back(rows);
    }
  }
  std::vector<ChunkRows> cut;
  for (const ChunkRows& rows : chunks) {
    for (int64_t done = 0; done < rows.count; done += kChunkRows) {
      cut.push_back({rows.first + done, std::min(kChunkRows, rows.count - done)});
    }
  }
  return cut;
}

}  // namespace raison::cuda
