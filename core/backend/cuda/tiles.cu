// Products with many rows of activations (prompts, busy experts): a block of threads takes kOutputs
// outputs and kTokens tokens and goes over the width once. Every output is added up exactly as by the
// kernels for few rows (product.h), so that the batch's size changes no bit: integer dot products are
// exact whoever forms them, and the f32 chains are walked in the same order.
#include "core/backend/cuda/blocks.h"
#include "core/backend/cuda/product.h"

namespace raison::cuda {
namespace {

constexpr int kOutputs = 64;  // of a block of four warps: 16 each
constexpr int kTokens = kTileTokens;
// Fewer tiles than this leave most of a large card idle while they go over a width as long as that.
constexpr int64_t kFewTiles = 256, kLongWidth = 1024;
constexpr int kSteps = 4;     // blocks of 32 columns in shared memory at a time: the fours of a run

// -------- tensor cores on int8 ------------------------------------------------------------------------

// c (16 outputs, 8 tokens) += a (16, 4 * kWords) b (4 * kWords, 8), int8 by fours in words. Lane l
// holds, with g = l / 4 and t = l % 4: a[0] row g and a[1] row g + 8 of word t, a[2] and a[3] the same
// of word t + 4; b[0] token g of word t, b[1] of word t + 4; c[0], c[1] row g of tokens 2t, 2t + 1,
// c[2], c[3] row g + 8 of them. That is PTX's layout of mma.m16n8k32 and, with half of a and b, k16.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
__device__ inline void Multiply32(int (&c)[4], const int (&a)[4], const int (&b)[2]) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void Multiply16(int (&c)[4], int a0, int a1, int b) {
  asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a0), "r"(a1), "r"(b));
}
#elif defined(__CUDA_ARCH__)  // sm_75 has m8n8k16 only: the upper and the lower eight rows
__device__ inline void Multiply16(int (&c)[4], int a0, int a1, int b) {
  asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
      : "+r"(c[0]), "+r"(c[1])
      : "r"(a0), "r"(b));
  asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
      : "+r"(c[2]), "+r"(c[3])
      : "r"(a1), "r"(b));
}
__device__ inline void Multiply32(int (&c)[4], const int (&a)[4], const int (&b)[2]) {
  Multiply16(c, a[0], a[1], b[0]);
  Multiply16(c, a[2], a[3], b[1]);
}
#else  // the same, word by word, where there are no tensor cores
__device__ inline void Multiply16(int (&c)[4], int a0, int a1, int b) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
  for (int word = 0; word < 4; ++word) {
    const int upper = __shfl_sync(kAllLanes, a0, g * 4 + word);
    const int lower = __shfl_sync(kAllLanes, a1, g * 4 + word);
    for (int i = 0; i < 2; ++i) {
      const int x = __shfl_sync(kAllLanes, b, (2 * t + i) * 4 + word);
      c[i] = __dp4a(upper, x, c[i]);
      c[2 + i] = __dp4a(lower, x, c[2 + i]);
    }
  }
}
__device__ inline void Multiply32(int (&c)[4], const int (&a)[4], const int (&b)[2]) {
  Multiply16(c, a[0], a[1], b[0]);
  Multiply16(c, a[2], a[3], b[1]);
}
#endif

// -------- what a block of threads works on ------------------------------------------------------------

// A product of few tiles: a run of the width to each block of threads, added by another kernel in the
// order in which one block adds them.
struct Split {
  float* sums;  // (kRuns, rows, batch, outputs); nullptr: a block does all runs
};
struct Work {
  View weight;     // (outputs, width)
  int64_t output;  // the first
  int outputs;     // in use
  int64_t first;   // row of `out` of token 0; with groups the sorted index
  int count;       // tokens in use
  int64_t batch;
};

__device__ bool FindWork(const Product& p, int64_t batch, Work& w) {
  w.output = static_cast<int64_t>(blockIdx.x) * kOutputs;
  const int64_t outputs = p.outputs - w.output;
  w.outputs = static_cast<int>(outputs < kOutputs ? outputs : kOutputs);
  w.weight = p.weight;
  w.batch = batch;
  int64_t matrix = w.batch;
  if (p.groups.tiles != nullptr) {
    if (static_cast<int>(blockIdx.y) >= *p.groups.tile_count) return false;
    const ExpertTile tile = p.groups.tiles[blockIdx.y];
    matrix = tile.slot;
    w.first = tile.first;
    w.count = tile.count;
  } else {
    w.first = static_cast<int64_t>(blockIdx.y) * kTokens;
    const int64_t left = p.rows - w.first;
    w.count = static_cast<int>(left < kTokens ? left : kTokens);
  }
  w.weight.data += matrix * p.weight.stride[0];
  return true;
}
__device__ inline const unsigned char* WeightRow(const Work& w, int output) {
  return w.weight.data + (w.output + output) * w.weight.stride[1];
}
__device__ inline int64_t InputRow(const Product& p, const Work& w, int token) {
  const int64_t row = w.first + token;
  return p.groups.tiles == nullptr || p.groups.used == 0 ? row : p.groups.sorted[row] / p.groups.used;
}
__device__ inline void Store(const Product& p, const Work& w, int output, int token, float y) {
  if (output >= w.outputs || token >= w.count) return;
  float* out = At<float>(p.out, w.first + token, w.batch) + w.output + output;
  if (p.bias != nullptr) y += p.bias[w.output + output];
  *out = p.accumulate ? *out + y : y;
}

// -------- quantised weights ---------------------------------------------------------------------------

// Eight words of int8 and four unused: then the lanes of a fragment read 32 different banks. And eight
// unused behind each step: then so do neighbouring threads that write four words each.
constexpr int kPitch = 12, kBehind = 8;

template <uint32_t kType>
__global__ void __launch_bounds__(kBlockThreads, 6) QuantizedTileKernel(Product p, Split split) {
  constexpr bool kHalves = kType == RSN_DTYPE_Q6_K;  // 16 weights share a scale there
  constexpr int kGroups = kTokens / 8;               // of eight tokens
  alignas(16) __shared__ int weights[kSteps][kOutputs * kPitch + kBehind];
  alignas(16) __shared__ int codes[kSteps][kTokens * kPitch + kBehind];
  alignas(8) __shared__ float steps[kSteps][kTokens];
  alignas(8) __shared__ int sums[kSteps][kTokens];
  __shared__ int scales[kSteps][kOutputs][2];        // of a block's halves
  __shared__ Scale ends[kSteps][kOutputs];
  __shared__ int64_t first_block[kTokens];           // of the tokens' activations
  Work w;
  const bool whole = split.sums == nullptr;
  if (!FindWork(p, whole ? blockIdx.z : blockIdx.z / kRuns, w)) return;
  const int first_run = whole ? 0 : static_cast<int>(blockIdx.z) % kRuns;
  const int last_run = whole ? kRuns - 1 : first_run;
  const int me = static_cast<int>(threadIdx.x), lane = me % kWarp, warp = me / kWarp;
  const int g = lane / 4, t = lane % 4, mine = warp * 16 + g;  // outputs `mine` and `mine` + 8
  const int blocks = static_cast<int>(p.width / 32);
  if (me < kTokens) {
    first_block[me] = (InputRow(p, w, me < w.count ? me : 0) * p.batch + w.batch) * blocks;
  }
  float chain[kGroups][4], total[kGroups][4];
#pragma unroll
  for (int n = 0; n < kGroups; ++n) {
    for (int i = 0; i < 4; ++i) chain[n][i] = total[n][i] = 0;
  }
  for (int run = first_run; run <= last_run; ++run) {
    for (int at = run * kSteps; at < blocks; at += kRuns * kSteps) {
      const int now = blocks - at < kSteps ? blocks - at : kSteps;
      __syncthreads();  // what is there has been used
#pragma unroll
      for (int n = 0; n < kOutputs * kSteps / kBlockThreads; ++n) {
        const int i = n * kBlockThreads + me, step = i % kSteps, output = i / kSteps;
        if (step >= now || output >= w.outputs) continue;
        const unsigned char* row = WeightRow(w, output);
        const Whole q = Block<kType>::LoadWhole(row, at + step);
        int4* const to = reinterpret_cast<int4*>(&weights[step][output * kPitch]);
        to[0] = int4{q.word[0], q.word[1], q.word[2], q.word[3]};
        to[1] = int4{q.word[4], q.word[5], q.word[6], q.word[7]};
        scales[step][output][0] = q.scale[0];
        scales[step][output][1] = q.scale[1];
        ends[step][output] = Block<kType>::ScaleOf(row, at + step);
      }
#pragma unroll
      for (int n = 0; n < kTokens * kSteps * 2 / kBlockThreads; ++n) {
        const int i = n * kBlockThreads + me, half = i % 2, step = i / 2 % kSteps;
        const int token = i / 2 / kSteps;
        if (step >= now || token >= w.count) continue;
        const int64_t block = first_block[token] + at + step;
        *reinterpret_cast<int4*>(&codes[step][token * kPitch + half * 4]) =
            reinterpret_cast<const int4*>(p.in.codes + block * 32)[half];
        if (half == 0) {
          steps[step][token] = p.in.steps[block];
          sums[step][token] = p.in.sums[block];
        }
      }
      __syncthreads();
      for (int step = 0; step < now; ++step) {
        int a[4];
        for (int i = 0; i < 4; ++i) a[i] = weights[step][(mine + i % 2 * 8) * kPitch + t + i / 2 * 4];
        const Scale upper = ends[step][mine], lower = ends[step][mine + 8];
        const int* upper_scale = scales[step][mine];
        const int* lower_scale = scales[step][mine + 8];
#pragma unroll
        for (int n = 0; n < kGroups; ++n) {
          if (n * 8 >= w.count) continue;
          const int* const x = &codes[step][(n * 8 + g) * kPitch + t];
          const int b[2] = {x[0], x[4]};
          const float2 step_pair = *reinterpret_cast<const float2*>(&steps[step][n * 8 + 2 * t]);
          const int2 sum_pair = *reinterpret_cast<const int2*>(&sums[step][n * 8 + 2 * t]);
          int dot[4] = {};
          if constexpr (kHalves) {
            int second[4] = {};
            Multiply16(dot, a[0], a[1], b[0]);
            Multiply16(second, a[2], a[3], b[1]);
            for (int i = 0; i < 4; ++i) {
              const int* scale = i < 2 ? upper_scale : lower_scale;
              dot[i] = dot[i] * scale[0] + second[i] * scale[1];
            }
          } else {
            Multiply32(dot, a, b);
            for (int i = 0; i < 4; ++i) dot[i] *= i < 2 ? upper_scale[0] : lower_scale[0];
          }
          for (int i = 0; i < 4; ++i) {
            const Scale& s = i < 2 ? upper : lower;
            float value = s.d * static_cast<float>(dot[i]);
            if constexpr (Block<kType>::kHasMinimum) {
              value -= s.minimum * static_cast<float>(s.minimum_scale *
                                                   (i % 2 == 0 ? sum_pair.x : sum_pair.y));
            }
            chain[n][i] = fmaf(i % 2 == 0 ? step_pair.x : step_pair.y, value, chain[n][i]);
          }
        }
      }
    }
#pragma unroll
    for (int n = 0; n < kGroups; ++n) {
      for (int i = 0; i < 4; ++i) {
        total[n][i] += chain[n][i];
        chain[n][i] = 0;
      }
    }
  }
#pragma unroll
  for (int n = 0; n < kGroups; ++n) {
    for (int i = 0; i < 4; ++i) {
      const int output = mine + i / 2 * 8, token = n * 8 + 2 * t + i % 2;
      if (whole) {
        Store(p, w, output, token, total[n][i]);
      } else if (output < w.outputs && token < w.count) {
        split.sums[((first_run * p.rows + w.first + token) * p.batch + w.batch) * p.outputs +
                   w.output + output] = total[n][i];
      }
    }
  }
}

// Grid: (outputs, rows, batch).
__global__ void AddRunsKernel(Product p, Split split) {
  const int64_t output = GlobalThread(), row = blockIdx.y, batch = blockIdx.z;
  if (output >= p.outputs) return;
  const int64_t at = (row * p.batch + batch) * p.outputs + output;
  float y = 0;
#pragma unroll
  for (int run = 0; run < kRuns; ++run) {
    y += split.sums[run * p.rows * p.batch * p.outputs + at];
  }
  if (p.bias != nullptr) y += p.bias[output];
  float* out = At<float>(p.out, row, batch) + output;
  *out = p.accumulate ? *out + y : y;
}

// -------- plain weights -------------------------------------------------------------------------------

// Chain c has the pieces of eight columns c, c + 32, c + 64 ...: chains one after another, kPieces
// pieces in shared memory at a time. A thread has 4 outputs and 4 tokens.
constexpr int kPieces = 4;
constexpr int kColumns = kPieces * 8;

template <uint32_t kType>
__global__ void PlainTileKernel(Product p) {
  static_assert(kOutputs / 4 * (kTokens / 4) == kBlockThreads);
  __shared__ float weights[kColumns][kOutputs + 1];
  __shared__ float inputs[kColumns][kTokens + 1];
  Work w;
  if (!FindWork(p, blockIdx.z, w)) return;
  const int me = static_cast<int>(threadIdx.x);
  const int my_output = me % 16, my_token = me / 16;  // and every 16th, every 8th from there
  float chain[4][4], total[4][4];
#pragma unroll
  for (int o = 0; o < 4; ++o) {
    for (int t = 0; t < 4; ++t) chain[o][t] = total[o][t] = 0;
  }
  const int64_t pieces = (p.width + 7) / 8;
  for (int c = 0; c < kWarp; ++c) {
    for (int64_t piece = c; piece < pieces; piece += kWarp * kPieces) {
      __syncthreads();
      for (int i = me; i < kColumns * kOutputs; i += kBlockThreads) {
        const int column = i % kColumns, output = i / kColumns;
        const int64_t k = (piece + column / 8 * kWarp) * 8 + column % 8;
        if (output < w.outputs && k < p.width) {
          weights[column][output] = LoadPlain<kType>(WeightRow(w, output), k);
        }
      }
      for (int i = me; i < kColumns * kTokens; i += kBlockThreads) {
        const int column = i % kColumns, token = i / kColumns;
        const int64_t k = (piece + column / 8 * kWarp) * 8 + column % 8;
        if (token < w.count && k < p.width) {
          inputs[column][token] = At<float>(p.in.plain, InputRow(p, w, token), w.batch)[k];
        }
      }
      __syncthreads();
      for (int column = 0; column < kColumns; ++column) {
        if ((piece + column / 8 * kWarp) * 8 + column % 8 >= p.width) break;
        float x[4], y[4];
        for (int i = 0; i < 4; ++i) {
          x[i] = weights[column][my_output + 16 * i];
          y[i] = inputs[column][my_token + 8 * i];
        }
#pragma unroll
        for (int o = 0; o < 4; ++o) {
          for (int t = 0; t < 4; ++t) chain[o][t] = fmaf(x[o], y[t], chain[o][t]);
        }
      }
    }
#pragma unroll
    for (int o = 0; o < 4; ++o) {
      for (int t = 0; t < 4; ++t) {
        total[o][t] += chain[o][t];
        chain[o][t] = 0;
      }
    }
  }
#pragma unroll
  for (int o = 0; o < 4; ++o) {
    for (int t = 0; t < 4; ++t) Store(p, w, my_output + 16 * o, my_token + 8 * t, total[o][t]);
  }
}

}  // namespace

void MultiplyTiles(Context& c, const Product& p) {
  const bool grouped = p.groups.tiles != nullptr;
  const Grid grid{.x = DivideUp(p.outputs, kOutputs),
                  .y = grouped ? p.groups.capacity : DivideUp(p.rows, kTokens),
                  .z = grouped ? 1 : p.batch};
  ForType(p.type, [&](auto type) {
    constexpr uint32_t kType = decltype(type)::value;
    if constexpr (IsPlain(kType)) {
      Launch(c, grid, PlainTileKernel<kType>, p);
    } else if (grouped || grid.x * grid.y * grid.z >= kFewTiles || p.width < kLongWidth) {
      Launch(c, grid, QuantizedTileKernel<kType>, p, Split{});
    } else {
      const Split split{c.Take<float>(kRuns * p.rows * p.batch * p.outputs)};
      const Grid runs{.x = grid.x, .y = grid.y, .z = grid.z * kRuns};
      Launch(c, runs, QuantizedTileKernel<kType>, p, split);
      const Grid ends{.x = DivideUp(p.outputs, kBlockThreads), .y = p.rows, .z = p.batch};
      Launch(c, ends, AddRunsKernel, p, split);
    }
  });
}

}  // namespace raison::cuda
