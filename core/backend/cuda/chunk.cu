// Large products of prompts by a library for dense matrices. What it multiplies are 16-bit floats,
// which alone would lose what the kit asks for; so numbers are cut into pieces whose sum has 22
// bits and more:
//   quantised weights  two pieces of f16 each for weights and activations: three products;
//   F16 weights        as they lie, activations in two pieces of f16: two products;
//   BF16 weights       as they lie, activations in three pieces of bf16: three products.
// Pieces of f16 are of rows scaled by a power of two, their largest below 2^15, and the second
// piece times 2^11: so that nothing is too large for f16, and what is 2^-28 of the largest still
// has all its bits. The powers are put back at the end, exactly. The library's sums depend on the
// shape: so a chunk is a product of its own with kChunkRows rows, filled up with zeros, and rows
// that stand alone never come here.
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

__device__ inline void CutHalf(float v, uint16_t& first, uint16_t& second) {
  const __half h = __float2half_rn(v);
  first = __half_as_ushort(h);
  // A NaN or an infinity is in the first piece alone.
  const float rest = fabsf(v) < Infinity() ? (v - __half2float(h)) * kSecond : 0.0f;
  second = __half_as_ushort(__float2half_rn(rest));
}

// -------- activations
// -----------------------------------------------------------------------------------

struct CutRowsArgs {
  View in;  // f32 (rows, width)
  int64_t first, count, width;
  uint16_t* piece[kMostPieces];  // (kChunkRows, width) each; nullptr: not wanted
  int* exponents;                // (kChunkRows)
};
// One block a row; rows from `count` on are zeros.
template <bool kBrain>
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
    if constexpr (kBrain) {
      float rest = v;
      for (int n = 0; n < kMostPieces; ++n) {
        if (a.piece[n] == nullptr) break;
        const uint16_t piece = FloatToBFloat(rest);
        a.piece[n][at] = piece;
        rest = fabsf(rest) < Infinity() ? rest - BFloatToFloat(piece) : 0.0f;
      }
    } else {
      uint16_t first, second;
      CutHalf(v, first, second);
      a.piece[0][at] = first;
      if (a.piece[1] != nullptr) a.piece[1][at] = second;
    }
  }
}

// -------- quantised weights
// -----------------------------------------------------------------------------

struct CutWeightsArgs {
  View weight;  // (outputs, width) in index 1 of its strides
  int64_t output, width;
  uint16_t* piece[2];  // (slab, width)
  int* exponents;      // (slab)
};
// One block an output. An upper bound of the row's largest weight is enough to scale it.
template <uint32_t kType>
__global__ void CutWeightsKernel(CutWeightsArgs a) {
  constexpr float kMostCode = 128.0f;
  __shared__ float shared[kBlockThreads / kWarp];
  const int64_t output = blockIdx.x;
  const unsigned char* row = At<unsigned char>(a.weight, 0, a.output + output);
  const int64_t parts = a.width / 8;  // of eight weights
  float most = 0;
  for (int64_t n = threadIdx.x; n < parts; n += kBlockThreads) {
    const int block = static_cast<int>(n / 4), part = static_cast<int>(n % 4);
    const Scale s = Block<kType>::ScaleOf(row, block);
    const int codes = Block<kType>::Load(row, block, part).scale;
    most = fmaxf(most, Finite(s.d * static_cast<float>(codes)) * kMostCode +
                           Finite(s.minimum * static_cast<float>(s.minimum_scale)));
  }
  most = BlockMax(most, shared);
  const int exponent = ExponentOf(most);
  const float scale = PowerOfTwo(kTop - exponent);
  if (threadIdx.x == 0) a.exponents[output] = exponent;
  for (int64_t n = threadIdx.x; n < parts; n += kBlockThreads) {
    const int block = static_cast<int>(n / 4), part = static_cast<int>(n % 4);
    const Scale s = Block<kType>::ScaleOf(row, block);
    const Part q = Block<kType>::Load(row, block, part);
    for (int word = 0; word < 2; ++word) {
      uint16_t first[4], second[4];
      for (int i = 0; i < 4; ++i) {
        const int code = static_cast<signed char>(q.word[word] >> 8 * i);
        float value = s.d * static_cast<float>(q.scale * code);
        if constexpr (Block<kType>::kHasMinimum) {
          value -= s.minimum * static_cast<float>(s.minimum_scale);
        }
        CutHalf(value * scale, first[i], second[i]);
      }
      const int64_t at = output * a.width + block * 32 + q.at[word] * 4;
      for (int p = 0; p < 2; ++p) {
        if (a.piece[p] == nullptr) break;
        const uint16_t* v = p == 0 ? first : second;
        // The pieces begin at multiples of 256 bytes and rows at multiples of 64.
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
                         .piece = {memory.weights[0], memory.weights[1]},
                         .exponents = memory.output_exponents};
  ForType(p.type, [&](auto type) {
    constexpr uint32_t kType = decltype(type)::value;
    if constexpr (!IsPlain(kType)) Launch(c, {.x = outputs}, CutWeightsKernel<kType>, a);
  });
}

}  // namespace

bool IsDense(const Context& c, const Product& p) {
  if (c.dense == nullptr || p.type == RSN_DTYPE_F32) return false;
  if (p.type == RSN_DTYPE_BF16 && !c.dense->options.brain) return false;
  const uint64_t places =
      reinterpret_cast<uintptr_t>(p.weight.data) | static_cast<uint64_t>(p.weight.stride[1]);
  constexpr uint64_t kLibraryAlignment = 16;
  if (IsPlain(p.type) && places % kLibraryAlignment != 0) return false;
  return p.outputs * p.width >= c.dense->options.least;
}

void TakeMemory(Context& c, const Product& p, ChunkMemory& m) {
  const bool half = c.dense->options.half;
  const int64_t slab = SlabOf(p);
  if (m.row_exponents == nullptr) m.row_exponents = c.Take<int>(kChunkRows);
  const int kind = p.type == RSN_DTYPE_BF16 ? 1 : 0;
  const int pieces = half ? 1 : (kind == 1 ? kMostPieces : 2);
  for (int n = 0; n < pieces; ++n) {
    if (m.rows[kind][n] == nullptr) m.rows[kind][n] = c.Take<uint16_t>(kChunkRows * p.width);
  }
  const auto grow = [&](auto*& to, int64_t& has, int64_t wanted) {
    if (has >= wanted) return;
    to = c.Take<std::remove_reference_t<decltype(*to)>>(wanted);
    has = wanted;
  };
  grow(m.product, m.product_size, kChunkRows * StrideOf(slab));
  if (IsPlain(p.type)) return;
  grow(m.output_exponents, m.exponents_size, slab);
  for (int n = 0; n < (half ? 1 : 2); ++n) grow(m.weights[n], m.weights_size[n], slab * p.width);
}

void CutRows(Context& c, const View& in, const ChunkRows& rows, int64_t width,
             const ChunkMemory& m) {
  for (int kind = 0; kind < 2; ++kind) {
    if (m.rows[kind][0] == nullptr) continue;
    CutRowsArgs a{.in = in,
                  .first = rows.first,
                  .count = rows.count,
                  .width = width,
                  .piece = {},
                  .exponents = m.row_exponents};
    for (int n = 0; n < kMostPieces; ++n) a.piece[n] = m.rows[kind][n];
    const auto kernel = kind == 1 ? CutRowsKernel<true> : CutRowsKernel<false>;
    Launch(c, {.x = kChunkRows}, kernel, a);
  }
}

void MultiplyChunk(Context& c, const Product& p, const ChunkRows& rows, const ChunkMemory& m) {
  const bool plain = IsPlain(p.type), brain = p.type == RSN_DTYPE_BF16;
  const int64_t slab = SlabOf(p);
  for (int64_t output = 0; output < p.outputs; output += slab) {
    const int64_t outputs = std::min(slab, p.outputs - output);
    if (!plain) CutWeights(c, p, output, outputs, m);
    Gemm g{.outputs = outputs,
           .rows = kChunkRows,
           .width = p.width,
           .type = brain ? uint32_t{RSN_DTYPE_BF16} : uint32_t{RSN_DTYPE_F16},
           .c = m.product,
           .c_stride = StrideOf(slab),
           .alpha = 1,
           .add = false};
    g.a_stride = plain ? p.weight.stride[1] / 2 : p.width;
    if (p.outputs == 1) g.a_stride = p.width;  // the view of one row has no stride
    const auto multiply = [&](int weight_piece, int row_piece, float alpha) {
      if (!c.ok() || m.rows[brain][row_piece] == nullptr) return;
      g.a = plain ? static_cast<const void*>(p.weight.data + output * p.weight.stride[1])
                  : m.weights[weight_piece];
      g.b = m.rows[brain][row_piece];
      if (g.a == nullptr) return;
      g.alpha = alpha;
      if (!c.dense->Multiply(g)) c.error = cudaErrorNotSupported;
      g.add = true;
    };
    // Small sums first: what is added to them afterwards rounds once more at the end only.
    if (brain) {
      for (int n = kMostPieces; n-- > 0;) multiply(0, n, 1.0f);
    } else {
      multiply(0, 1, 1.0f / kSecond);
      if (!plain) multiply(1, 0, 1.0f / kSecond);
      multiply(0, 0, 1.0f);
    }
    const FinishArgs a{.product = m.product,
                       .stride = g.c_stride,
                       .row_exponents = m.row_exponents,
                       .output_exponents = plain ? nullptr : m.output_exponents,
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
