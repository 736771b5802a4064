// Attention over the paged cache. Keys are cut into splits at absolute positions,
// which kLanes lanes take in turn; a block of threads is one lane for up to kVectors pairs (row, query
// head) of one sequence and key head, so that prompts share what they load, a lone row fills the card,
// and memory and launches do not grow with the context that a step might have.
// A pair's softmax runs over a lane's keys in order, in tiles of 32, and over the lanes in order: its
// bits do not depend on what else is in the step.
#include "core/backend/cuda/attend.h"
#include "core/backend/cuda/blocks.h"
#include "core/backend/cuda/ops.h"

namespace raison::cuda {
namespace {

constexpr int kVectors = 16;  // pairs per block: four for each of its warps
constexpr int kPerWarp = kVectors / (kBlockThreads / kWarp);
constexpr int kTile = 32;     // keys at a time: one per lane
constexpr int kSplit = 64;    // keys per split: few, as its time is that of loads one after another
constexpr int kLanes = 64;    // times key heads and sequences: enough blocks for the largest cards
constexpr int kChunk = 128;   // columns of queries and keys in shared memory at a time
constexpr int kPitch = kChunk + 4;  // of keys: eight lanes that load four floats meet all banks

// Consecutive pairs (row, head of the group) of one sequence.
struct PairTile {
  int row;    // first row of the sequence
  int pair;   // first pair: (row - first row) * group + head
  int count;
  int pages;  // where the sequence's page numbers start
};

struct PlanArgs {
  View row_begin, kv_length, page_begin, pages;
  int64_t sequences, rows, group, capacity, cache_pages, page_tokens;
  int* keys;  // (rows): keys that a row sees; 0 where the step is wrong
  PairTile* tiles;
  int* tile_count;
  Fault* fault;
};

constexpr int kPlanThreads = 256;

// One block: checks the step's geometry and cuts the pairs into tiles.
__global__ void PlanKernel(PlanArgs a) {
  __shared__ int good;
  const int me = static_cast<int>(threadIdx.x);
  const int* row_begin = At<int>(a.row_begin);
  const int* kv_length = At<int>(a.kv_length);
  const int* page_begin = At<int>(a.page_begin);
  const int* pages = At<int>(a.pages);
  for (int64_t r = me; r < a.rows; r += kPlanThreads) a.keys[r] = 0;
  if (me == 0) {
    good = row_begin[0] == 0 && row_begin[a.sequences] == a.rows;
    if (!good) Report(a.fault, FaultKind::kRowBegin, a.sequences, row_begin[a.sequences], a.rows);
  }
  __syncthreads();
  for (int64_t s = me; s < a.sequences; s += kPlanThreads) {
    const int64_t count = static_cast<int64_t>(row_begin[s + 1]) - row_begin[s];
    const int64_t used = (static_cast<int64_t>(kv_length[s]) + a.page_tokens - 1) / a.page_tokens;
    if (count < 0 || row_begin[s] < 0 || row_begin[s + 1] > a.rows) {
      Report(a.fault, FaultKind::kRowBegin, s + 1, row_begin[s + 1], a.rows);
      good = 0;
    } else if (count > 0 && kv_length[s] < count) {
      Report(a.fault, FaultKind::kKvLength, s, kv_length[s], count);
      good = 0;
    } else if (count > 0 && (page_begin[s] < 0 || page_begin[s] + used > a.capacity)) {
      Report(a.fault, FaultKind::kPageBegin, s, page_begin[s], a.capacity);
      good = 0;
    }
  }
  __syncthreads();
  const bool sound = good != 0;
  __syncthreads();  // all have read it before one may change it
  for (int64_t s = 0; s < a.sequences && sound; ++s) {
    const int64_t used = (static_cast<int64_t>(kv_length[s]) + a.page_tokens - 1) / a.page_tokens;
    if (row_begin[s + 1] == row_begin[s]) continue;
    for (int64_t p = page_begin[s] + me; p < page_begin[s] + used; p += kPlanThreads) {
      if (!InRange(a.fault, FaultKind::kPage, p, pages[p], a.cache_pages)) good = 0;
    }
  }
  __syncthreads();
  if (good == 0) {
    if (me == 0) *a.tile_count = 0;
    return;
  }
  for (int64_t s = 0; s < a.sequences; ++s) {
    for (int64_t r = row_begin[s] + me; r < row_begin[s + 1]; r += kPlanThreads) {
      a.keys[r] = static_cast<int>(kv_length[s] - (row_begin[s + 1] - r) + 1);
    }
  }
  int first = 0;  // tile
  for (int64_t s = 0; s < a.sequences; ++s) {
    const int pairs = static_cast<int>((row_begin[s + 1] - row_begin[s]) * a.group);
    const int tiles = (pairs + kVectors - 1) / kVectors;
    for (int i = me; i < tiles; i += kPlanThreads) {
      const int left = pairs - i * kVectors;
      a.tiles[first + i] = {row_begin[s], i * kVectors, left < kVectors ? left : kVectors,
                            page_begin[s]};
    }
    first += tiles;
  }
  if (me == 0) *a.tile_count = first;
}

struct AttendArgs {
  View q, k, v, out, pages;
  const int* keys;
  const PairTile* tiles;
  const int* tile_count;
  int64_t first_tile;  // of this launch
  int64_t group, width, value_width, page_tokens, lanes;
  bool wide_keys, wide_values;  // can be loaded by many bytes
  float scale;
  // (tiles, key heads, kVectors, lanes, value_width + 2): sums, largest score, sum of weights
  float* partials;
};

__device__ inline float* PartialOf(const AttendArgs& a, int64_t tile, int64_t head, int64_t heads,
                                   int64_t vector, int64_t lane) {
  return a.partials +
         (((tile * heads + head) * kVectors + vector) * a.lanes + lane) * (a.value_width + 2);
}

// The column of a lane's accumulator c.
template <int kColumns, bool kWide>
__device__ int64_t ColumnOf(int lane, int c) {
  return kWide ? lane * kColumns + c : lane + c * kWarp;
}

struct Pairs {  // a warp's
  int limit[kPerWarp];
  float largest[kPerWarp], total[kPerWarp];
};
// sum += weights * values, key by key.
template <uint32_t kType, int kColumns, bool kWide>
__device__ void AddValues(const AttendArgs& a, const int64_t* value_at, const float4* weights,
                          int key, int count, const Pairs& pairs,
                          float (&sum)[kPerWarp][kColumns]) {
  constexpr int kAtOnce = kColumns <= 4 ? 16 : kColumns <= 8 ? 8 : 4;  // loads on their way
  constexpr int kSize = kType == RSN_DTYPE_F32 ? 4 : 2;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll kAtOnce
  for (int k = 0; k < count; ++k) {
    const unsigned char* row = a.v.data + value_at[k];
    float value[kColumns];
    if constexpr (kWide) {
      LoadNear<kType>(row + lane * kColumns * kSize, value);
    } else {
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        const int64_t column = ColumnOf<kColumns, kWide>(lane, c);
        value[c] = column < a.value_width ? LoadPlain<kType>(row, column) : 0.0f;
      }
    }
    const float4 four = weights[k];
    const float weight[kPerWarp] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int v = 0; v < kPerWarp; ++v) {
      // A key that the row does not see must not be multiplied by zero: it may be a NaN.
      if (key + k >= pairs.limit[v]) continue;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sum[v][c] = fmaf(weight[v], value[c], sum[v][c]);
    }
  }
}

// Grid: (tiles, key heads, lanes). kColumns: of the values, per thread of a warp.
template <uint32_t kType, int kColumns>
__global__ void AttendKernel(AttendArgs a) {
  static_assert(kPerWarp == 4);  // a float4 of weights
  constexpr int kSize = kType == RSN_DTYPE_F32 ? 4 : 2, kPiece = 16 / kSize;
  alignas(16) __shared__ float queries[kVectors][kChunk];
  alignas(16) __shared__ float keys[kTile][kPitch];
  alignas(16) __shared__ float4 weights[kBlockThreads / kWarp][kTile];
  __shared__ int64_t key_at[kTile], value_at[kTile];
  __shared__ const float* query_at[kVectors];
  __shared__ int limits[kVectors];
  const int64_t tile_index = a.first_tile + blockIdx.x;
  if (tile_index >= *a.tile_count) return;
  const PairTile tile = a.tiles[tile_index];
  const int me = static_cast<int>(threadIdx.x), lane = me % kWarp, warp = me / kWarp;
  const int64_t head = blockIdx.y;
  // Later rows see more: the last pair's row sees the most.
  const int most = a.keys[tile.row + (tile.pair + tile.count - 1) / a.group];
  const int64_t begin = static_cast<int64_t>(blockIdx.z) * kSplit;
  if (begin >= most) return;
  if (me < kVectors) {
    const int64_t pair = tile.pair + (me < tile.count ? me : 0), row = tile.row + pair / a.group;
    limits[me] = me < tile.count ? a.keys[row] : 0;
    query_at[me] = At<float>(a.q, row, head * a.group + pair % a.group);
  }
  __syncthreads();
  const int* pages = At<int>(a.pages) + tile.pages;
  const bool busy = warp * kPerWarp < tile.count;
  float sum[kPerWarp][kColumns];
  Pairs pairs;
#pragma unroll
  for (int v = 0; v < kPerWarp; ++v) {
    pairs.limit[v] = limits[warp * kPerWarp + v];
    pairs.largest[v] = -Infinity();
    pairs.total[v] = 0;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) sum[v][c] = 0;
  }
  // After a split the next one of this lane.
  constexpr int64_t kOthers = int64_t{kLanes - 1} * kSplit;
  for (int64_t next = begin; next < most;
       next += (next + kTile) % kSplit == 0 ? kTile + kOthers : kTile) {
    const int key = static_cast<int>(next);
    const int tile_keys = most - key < kTile ? most - key : kTile;
    if (me < tile_keys) {
      const int page_tokens = static_cast<int>(a.page_tokens);
      const int64_t page = pages[(key + me) / page_tokens], slot = (key + me) % page_tokens;
      key_at[me] = page * a.k.stride[0] + head * a.k.stride[1] + slot * a.k.stride[2];
      value_at[me] = page * a.v.stride[0] + head * a.v.stride[1] + slot * a.v.stride[2];
    }
    float score[kPerWarp];
#pragma unroll
    for (int v = 0; v < kPerWarp; ++v) score[v] = 0;
    for (int64_t chunk = 0; chunk == 0 || chunk < a.width; chunk += kChunk) {
      const int columns = static_cast<int>(a.width - chunk < kChunk ? a.width - chunk : kChunk);
      const int fours = (columns + 3) / 4 * 4;  // filled up with zeros
      __syncthreads();  // key_at is written; the chunk before is read
      if (next == begin || a.width > kChunk) {
        for (int i = me; i < tile.count * kChunk; i += kBlockThreads) {
          const int v = i / kChunk, column = i % kChunk;
          if (column < fours) {
            queries[v][column] = column < columns ? query_at[v][chunk + column] : 0.0f;
          }
        }
      }
      if (a.wide_keys) {
        // All loads before the first is used. A thread has the same columns of every n-th key.
        constexpr int kPieces = kChunk / kPiece, kEach = kTile * kPieces / kBlockThreads;
        constexpr int kStep = kBlockThreads / kPieces;
        const int column = me % kPieces * kPiece;
        unsigned held[kEach][4];
#pragma unroll
        for (int n = 0; n < kEach; ++n) {
          const int k = me / kPieces + n * kStep;
          if (k < tile_keys && column < columns) {
            LoadFour(a.k.data + key_at[k] + (chunk + column) * kSize, held[n]);
          }
        }
#pragma unroll
        for (int n = 0; n < kEach; ++n) {
          const int k = me / kPieces + n * kStep;
          if (k >= tile_keys || column >= columns) continue;
          float x[kPiece];
          OpenWords<kType>(held[n], x);
#pragma unroll
          for (int i = 0; i < kPiece; i += 4) {
            *reinterpret_cast<float4*>(&keys[k][column + i]) =
                float4{x[i], x[i + 1], x[i + 2], x[i + 3]};
          }
        }
      } else {
        for (int i = me; i < tile_keys * kChunk; i += kBlockThreads) {
          const int k = i / kChunk, column = i % kChunk;
          if (column < fours) {
            keys[k][column] =
                column < columns ? LoadPlain<kType>(a.k.data + key_at[k], chunk + column) : 0.0f;
          }
        }
      }
      __syncthreads();
      for (int i = 0; i < fours && busy; i += 4) {
        const float4 k = *reinterpret_cast<const float4*>(&keys[lane][i]);
#pragma unroll
        for (int v = 0; v < kPerWarp; ++v) {
          const float4 q = *reinterpret_cast<const float4*>(&queries[warp * kPerWarp + v][i]);
          score[v] = fmaf(q.w, k.w, fmaf(q.z, k.z, fmaf(q.y, k.y, fmaf(q.x, k.x, score[v]))));
        }
      }
    }
    if (busy) {
      float weight[kPerWarp];
#pragma unroll
      for (int v = 0; v < kPerWarp; ++v) {
        const bool visible = key + lane < pairs.limit[v];
        const float s = visible ? score[v] * a.scale : -Infinity();
        const float now = fmaxf(pairs.largest[v], WarpMax(s));
        // Nothing but -inf so far weighs nothing; a NaN makes the weight a NaN.
        weight[v] = !visible || s == -Infinity() ? 0.0f : expf(s - now);
        const float shrink = pairs.largest[v] == now ? 1.0f : expf(pairs.largest[v] - now);
        pairs.total[v] = pairs.total[v] * shrink + WarpSum(weight[v]);
        pairs.largest[v] = now;
#pragma unroll
        for (int c = 0; c < kColumns; ++c) sum[v][c] *= shrink;
      }
      weights[warp][lane] = float4{weight[0], weight[1], weight[2], weight[3]};
      __syncwarp();
      a.wide_values
          ? AddValues<kType, kColumns, true>(a, value_at, weights[warp], key, tile_keys, pairs, sum)
          : AddValues<kType, kColumns, false>(a, value_at, weights[warp], key, tile_keys, pairs, sum);
    }
    __syncthreads();  // key_at, value_at and weights are read
  }
#pragma unroll
  for (int v = 0; v < kPerWarp; ++v) {
    const int vector = warp * kPerWarp + v;
    if (vector >= tile.count || begin >= pairs.limit[v]) continue;
    float* partial = PartialOf(a, blockIdx.x, head, gridDim.y, vector, blockIdx.z);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int64_t column = a.wide_values ? ColumnOf<kColumns, true>(lane, c)
                                           : ColumnOf<kColumns, false>(lane, c);
      if (column < a.value_width) partial[column] = sum[v][c];
    }
    if (lane == 0) {
      partial[a.value_width] = pairs.largest[v];
      partial[a.value_width + 1] = pairs.total[v];
    }
  }
}

// Grid: (tiles, key heads, kVectors): the lanes of one pair, in order.
__global__ void CombineKernel(AttendArgs a) {
  static_assert(kLanes <= kBlockThreads);
  __shared__ float weights[kLanes], maxima[kBlockThreads / kWarp];
  const int64_t tile_index = a.first_tile + blockIdx.x;
  if (tile_index >= *a.tile_count) return;
  const PairTile tile = a.tiles[tile_index];
  const int vector = static_cast<int>(blockIdx.z), me = static_cast<int>(threadIdx.x);
  if (vector >= tile.count) return;
  const int64_t head = blockIdx.y, pair = tile.pair + vector, row = tile.row + pair / a.group;
  const int64_t w = a.value_width;
  const int splits = (a.keys[row] + kSplit - 1) / kSplit, lanes = splits < kLanes ? splits : kLanes;
  const float* first = PartialOf(a, blockIdx.x, head, gridDim.y, vector, 0);
  const float mine = me < lanes ? first[me * (w + 2) + w] : -Infinity();
  const float largest = BlockMax(mine, maxima);
  if (me < lanes) weights[me] = mine == largest ? 1.0f : expf(mine - largest);
  __syncthreads();
  float* out = At<float>(a.out, row, head * a.group + pair % a.group);
  for (int64_t column = me; column < w; column += kBlockThreads) {
    float sum = 0, total = 0;
#pragma unroll 8
    for (int s = 0; s < lanes; ++s) {
      const float* partial = first + s * (w + 2);
      sum = fmaf(partial[column], weights[s], sum);
      total = fmaf(partial[w + 1], weights[s], total);
    }
    out[column] = total == 0.0f ? 0.0f : sum / total;
  }
}

template <uint32_t kType>
void LaunchAttend(Context& c, const Grid& grid, const AttendArgs& a) {
  if (a.value_width <= 32) return Launch(c, grid, AttendKernel<kType, 1>, a);
  if (a.value_width <= 64) return Launch(c, grid, AttendKernel<kType, 2>, a);
  if (a.value_width <= 128) return Launch(c, grid, AttendKernel<kType, 4>, a);
  if (a.value_width <= 256) return Launch(c, grid, AttendKernel<kType, 8>, a);
  Launch(c, grid, AttendKernel<kType, 16>, a);
}

}  // namespace

void Attend(Context& c, const Attention& n) {
  const rsn_ragged& g = n.ragged;
  const int64_t sequences = g.row_begin.shape[0] - 1, group = n.heads / n.kv_heads;
  if (n.rows == 0 || n.heads == 0 || n.value_width == 0) return;
  const int64_t size = n.type == RSN_DTYPE_F32 ? 4 : 2;
  // Of a value a lane has 1, 2, 4, 8 or 16 columns, all alike where the width is 32 times that.
  const int64_t columns = n.value_width / kWarp;
  const bool even = columns > 0 && columns <= 16 && (columns & (columns - 1)) == 0 &&
                    n.value_width % kWarp == 0;
  const int64_t tiles = n.rows * group / kVectors + (sequences < n.rows ? sequences : n.rows);
  PlanArgs plan{.row_begin = ViewOf(g.row_begin),
                .kv_length = ViewOf(g.kv_length),
                .page_begin = ViewOf(g.page_begin),
                .pages = ViewOf(g.pages),
                .sequences = sequences,
                .rows = n.rows,
                .group = group,
                .capacity = g.pages.shape[0],
                .cache_pages = n.cache_pages,
                .page_tokens = g.page_tokens,
                .keys = c.Take<int>(n.rows),
                .tiles = c.Take<PairTile>(tiles),
                .tile_count = c.Take<int>(1),
                .fault = c.fault};
  Launch(c, {.threads = kPlanThreads}, PlanKernel, plan);
  AttendArgs a{.q = n.q,
               .k = n.k,
               .v = n.v,
               .out = n.out,
               .pages = plan.pages,
               .keys = plan.keys,
               .tiles = plan.tiles,
               .tile_count = plan.tile_count,
               .first_tile = 0,
               .group = group,
               .width = n.width,
               .value_width = n.value_width,
               .page_tokens = g.page_tokens,
               .lanes = DivideUp(plan.capacity * plan.page_tokens, kSplit),
               .wide_keys = n.width * size % 16 == 0 && LiesAt(n.k, 16),
               .wide_values = even && LiesAt(n.v, columns * size < 16 ? columns * size : 16),
               .scale = n.scale,
               .partials = nullptr};
  if (a.lanes == 0) return;
  if (a.lanes > kLanes) a.lanes = kLanes;
  // As many tiles at a time as have room in this much memory for their partial results.
  constexpr int64_t kPartialBytes = 64 << 20;
  const int64_t per_tile = n.kv_heads * kVectors * a.lanes * (n.value_width + 2);
  int64_t now = kPartialBytes / (per_tile * static_cast<int64_t>(sizeof(float)));
  now = now < 1 ? 1 : now > tiles ? tiles : now;
  a.partials = c.Take<float>(now * per_tile);
  for (; a.first_tile < tiles && c.ok(); a.first_tile += now) {
    const int64_t left = tiles - a.first_tile;
    const Grid grid{.x = left < now ? left : now, .y = n.kv_heads, .z = a.lanes};
    switch (n.type) {
      case RSN_DTYPE_F32: LaunchAttend<RSN_DTYPE_F32>(c, grid, a); break;
      case RSN_DTYPE_F16: LaunchAttend<RSN_DTYPE_F16>(c, grid, a); break;
      default: LaunchAttend<RSN_DTYPE_BF16>(c, grid, a);
    }
    Launch(c, {.x = grid.x, .y = n.kv_heads, .z = kVectors}, CombineKernel, a);
  }
}

void Run(Context& c, const rsn_attention& a) {
  Attend(c, {.q = ViewOf(a.q),
             .k = ViewOf(a.k_cache),
             .v = ViewOf(a.v_cache),
             .out = ViewOf(a.out),
             .type = a.k_cache.dtype,
             .rows = a.q.shape[0],
             .heads = a.q.shape[1],
             .kv_heads = a.k_cache.shape[1],
             .width = a.q.shape[2],
             .value_width = a.v_cache.shape[3],
             .cache_pages = a.k_cache.shape[0],
             .scale = a.scale,
             .ragged = a.ragged});
}

}  // namespace raison::cuda
