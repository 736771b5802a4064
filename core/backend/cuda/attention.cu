// attention and mla_attention over the paged cache. Keys are cut into splits at absolute positions,
// which kLanes lanes take in turn; a block of threads is one lane for up to kVectors pairs (row, query
// head) of one sequence and key head, so that prompts share what they load, a lone row fills the card,
// and memory and launches do not grow with the context that a step might have.
// A pair's softmax runs over a lane's keys in order, in tiles of 32, and over the lanes in order: its
// bits do not depend on what else is in the step.
#include "core/backend/cuda/blocks.h"
#include "core/backend/cuda/ops.h"
#include "core/backend/cuda/product.h"

namespace raison::cuda {
namespace {

constexpr int kVectors = 16;  // pairs per block: four for each of its warps
constexpr int kPerWarp = kVectors / (kBlockThreads / kWarp);
constexpr int kTile = 32;     // keys at a time: one per lane
constexpr int kSplit = 512;   // keys per split: long enough to be worth a partial result
constexpr int kLanes = 64;    // times key heads and sequences: enough blocks for the largest cards
constexpr int kChunk = 64;    // columns of queries and keys in shared memory at a time

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
  float scale;
  // (tiles, key heads, kVectors, lanes, value_width + 2): sums, largest score, sum of weights
  float* partials;
};

__device__ inline float* PartialOf(const AttendArgs& a, int64_t tile, int64_t head, int64_t heads,
                                   int64_t vector, int64_t lane) {
  return a.partials +
         (((tile * heads + head) * kVectors + vector) * a.lanes + lane) * (a.value_width + 2);
}

// Grid: (tiles, key heads, lanes). kColumns: of the values, per thread of a warp.
template <uint32_t kType, int kColumns>
__global__ void AttendKernel(AttendArgs a) {
  __shared__ float queries[kVectors][kChunk];
  __shared__ float keys[kTile][kChunk + 1];
  __shared__ float weights[kVectors][kTile];
  __shared__ int64_t key_at[kTile], value_at[kTile];
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
    limits[me] = me < tile.count ? a.keys[tile.row + (tile.pair + me) / a.group] : 0;
  }
  __syncthreads();
  const int* pages = At<int>(a.pages) + tile.pages;
  float sum[kPerWarp][kColumns], largest[kPerWarp], total[kPerWarp];
  int limit[kPerWarp];
#pragma unroll
  for (int v = 0; v < kPerWarp; ++v) {
    limit[v] = limits[warp * kPerWarp + v];
    largest[v] = -Infinity();
    total[v] = 0;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) sum[v][c] = 0;
  }
  // After a split the next one of this lane.
  constexpr int64_t kOthers = int64_t{kLanes - 1} * kSplit;
  for (int64_t key = begin; key < most; key += (key + kTile) % kSplit == 0 ? kTile + kOthers : kTile) {
    const int tile_keys = static_cast<int>(most - key < kTile ? most - key : kTile);
    if (me < tile_keys) {
      const int64_t page = pages[(key + me) / a.page_tokens], slot = (key + me) % a.page_tokens;
      key_at[me] = page * a.k.stride[0] + head * a.k.stride[1] + slot * a.k.stride[2];
      value_at[me] = page * a.v.stride[0] + head * a.v.stride[1] + slot * a.v.stride[2];
    }
    float score[kPerWarp];
#pragma unroll
    for (int v = 0; v < kPerWarp; ++v) score[v] = 0;
    for (int64_t chunk = 0; chunk < a.width; chunk += kChunk) {
      const int columns = static_cast<int>(a.width - chunk < kChunk ? a.width - chunk : kChunk);
      __syncthreads();  // key_at is written; the chunk before is read
      for (int i = me; i < tile.count * kChunk; i += kBlockThreads) {
        const int v = i / kChunk, column = i % kChunk;
        const int64_t pair = tile.pair + v;
        if (column < columns) {
          queries[v][column] = At<float>(a.q, tile.row + pair / a.group,
                                         head * a.group + pair % a.group)[chunk + column];
        }
      }
      for (int i = me; i < tile_keys * kChunk; i += kBlockThreads) {
        const int k = i / kChunk, column = i % kChunk;
        if (column < columns) {
          keys[k][column] = LoadPlain<kType>(a.k.data + key_at[k], chunk + column);
        }
      }
      __syncthreads();
      for (int i = 0; i < columns; ++i) {
        const float k = keys[lane][i];
#pragma unroll
        for (int v = 0; v < kPerWarp; ++v) {
          score[v] = fmaf(queries[warp * kPerWarp + v][i], k, score[v]);
        }
      }
    }
#pragma unroll
    for (int v = 0; v < kPerWarp; ++v) {
      const bool visible = key + lane < limit[v];
      const float s = visible ? score[v] * a.scale : -Infinity();
      const float now = fmaxf(largest[v], WarpMax(s));
      // Nothing but -inf so far weighs nothing; a NaN makes the weight a NaN.
      const float weight = !visible || s == -Infinity() ? 0.0f : expf(s - now);
      const float shrink = largest[v] == now ? 1.0f : expf(largest[v] - now);
      total[v] = total[v] * shrink + WarpSum(weight);
      largest[v] = now;
      weights[warp * kPerWarp + v][lane] = weight;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sum[v][c] *= shrink;
    }
    __syncwarp();
    for (int k = 0; k < tile_keys; ++k) {
      const unsigned char* row = a.v.data + value_at[k];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        const int64_t column = lane + c * kWarp;
        if (column >= a.value_width) continue;
        const float value = LoadPlain<kType>(row, column);
#pragma unroll
        for (int v = 0; v < kPerWarp; ++v) {
          // A key that the row does not see must not be multiplied by zero: it may be a NaN.
          if (key + k < limit[v]) {
            sum[v][c] = fmaf(weights[warp * kPerWarp + v][k], value, sum[v][c]);
          }
        }
      }
    }
    __syncthreads();  // key_at, value_at and weights are read
  }
#pragma unroll
  for (int v = 0; v < kPerWarp; ++v) {
    const int vector = warp * kPerWarp + v;
    if (vector >= tile.count || begin >= limit[v]) continue;
    float* partial = PartialOf(a, blockIdx.x, head, gridDim.y, vector, blockIdx.z);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int64_t column = lane + c * kWarp;
      if (column < a.value_width) partial[column] = sum[v][c];
    }
    if (lane == 0) {
      partial[a.value_width] = largest[v];
      partial[a.value_width + 1] = total[v];
    }
  }
}

// Grid: (tiles, key heads, kVectors): the lanes of one pair, in order.
__global__ void CombineKernel(AttendArgs a) {
  const int64_t tile_index = a.first_tile + blockIdx.x;
  if (tile_index >= *a.tile_count) return;
  const PairTile tile = a.tiles[tile_index];
  const int vector = static_cast<int>(blockIdx.z);
  if (vector >= tile.count) return;
  const int64_t head = blockIdx.y, pair = tile.pair + vector, row = tile.row + pair / a.group;
  const int64_t splits = (a.keys[row] + kSplit - 1) / kSplit, w = a.value_width;
  const int64_t lanes = splits < kLanes ? splits : kLanes;
  const float* first = PartialOf(a, blockIdx.x, head, gridDim.y, vector, 0);
  float largest = -Infinity();
  for (int64_t s = 0; s < lanes; ++s) largest = fmaxf(largest, first[s * (w + 2) + w]);
  float* out = At<float>(a.out, row, head * a.group + pair % a.group);
  for (int64_t column = threadIdx.x; column < w; column += blockDim.x) {
    float sum = 0, total = 0;
    for (int64_t s = 0; s < lanes; ++s) {
      const float* partial = first + s * (w + 2);
      const float weight = partial[w] == largest ? 1.0f : expf(partial[w] - largest);
      sum = fmaf(partial[column], weight, sum);
      total = fmaf(partial[w + 1], weight, total);
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

struct Attention {
  View q, k, v, out;
  uint32_t type;
  int64_t rows, heads, kv_heads, width, value_width, cache_pages;
  float scale;
  const rsn_ragged& ragged;
};

void Attend(Context& c, const Attention& n) {
  const rsn_ragged& g = n.ragged;
  const int64_t sequences = g.row_begin.shape[0] - 1, group = n.heads / n.kv_heads;
  if (n.rows == 0 || n.heads == 0 || n.value_width == 0) return;
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

// -------- latent attention --------------------------------------------------------------------------

struct RopePartArgs {
  View from, to;
  int64_t rows, heads, latent, rope;
};
__global__ void RopePartKernel(RopePartArgs a) {
  const int64_t per_row = a.heads * a.rope;
  for (int64_t n = GlobalThread(); n < a.rows * per_row; n += GlobalThreads()) {
    const int64_t t = n / per_row, h = n % per_row / a.rope, i = n % a.rope;
    At<float>(a.to, t, h)[a.latent + i] = At<float>(a.from, t, h)[i];
  }
}

View DenseHeads(float* data, int64_t heads, int64_t width) {
  View v{};
  v.data = reinterpret_cast<unsigned char*>(data);
  v.stride[1] = width * static_cast<int64_t>(sizeof(float));
  v.stride[0] = heads * v.stride[1];
  return v;
}

// out[t, h] = weight[h] in[t, h]
struct HeadProduct {
  const rsn_tensor& weight;  // (heads, outputs, width)
  int64_t rows;
  View in, out;
};
void MultiplyHeads(Context& c, const HeadProduct& n) {
  Product p{.weight = ViewOf(n.weight),
            .type = TypeOf(n.weight),
            .rows = n.rows,
            .batch = n.weight.shape[0],
            .outputs = n.weight.shape[1],
            .width = n.weight.shape[2],
            .in = {},
            .out = n.out};
  p.in.plain = n.in;
  if (QuantizesActivations(p.type)) Quantize(c, n.in, p.rows, p.batch, p.width, p.in);
  Multiply(c, p);
}

}  // namespace

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

// Absorbed: w_k goes into the query, the cache row is key and value of all heads, w_v comes after.
void Run(Context& c, const rsn_mla_attention& a) {
  const int64_t rows = a.q_nope.shape[0], heads = a.q_nope.shape[1];
  const int64_t latent = a.w_k.shape[1], rope = a.q_rope.shape[2], width = latent + rope;
  if (rows == 0 || heads == 0) return;
  const View q = DenseHeads(c.Take<float>(rows * heads * width), heads, width);
  const View mixed = DenseHeads(c.Take<float>(rows * heads * latent), heads, latent);
  MultiplyHeads(c, {.weight = a.w_k, .rows = rows, .in = ViewOf(a.q_nope), .out = q});
  const RopePartArgs part{ViewOf(a.q_rope), q, rows, heads, latent, rope};
  Launch(c, {.x = Blocks(rows * heads * rope)}, RopePartKernel, part);
  const View cache = ViewOf(a.cache);
  Attend(c, {.q = q,
             .k = cache,
             .v = cache,
             .out = mixed,
             .type = a.cache.dtype,
             .rows = rows,
             .heads = heads,
             .kv_heads = 1,
             .width = width,
             .value_width = latent,
             .cache_pages = a.cache.shape[0],
             .scale = a.scale,
             .ragged = a.ragged});
  MultiplyHeads(c, {.weight = a.w_v, .rows = rows, .in = mixed, .out = ViewOf(a.out)});
}

}  // namespace raison::cuda
