// moe_route, and moe_experts as products over tokens sorted by expert. Who goes where is found out
// on the device: the host launches grids of the largest size that can be needed.
#include "core/backend/cuda/ops.h"
#include "core/backend/cuda/product.h"

namespace raison::cuda {
namespace {

// -------- routing -----------------------------------------------------------------------------------

struct RouteArgs {
  View logits, ids, weights;
  const float* bias;
  int experts, used, groups, groups_used;
  bool sigmoid, sum_of_two, masked_are_zero, normalize;
  float scale;
};

__device__ inline float RankOf(float v) { return v != v ? -Infinity() : v; }  // NaN last
// Better: larger, then the lower index.
__device__ inline bool IsBetter(float a, int i, float b, int j) {
  return a > b || (a == b && i < j);
}

__host__ __device__ constexpr int MaskWords(int experts) { return (experts + kWarp - 1) / kWarp; }

// One block per row. Scores are formed in f64 and rounded once, as they decide which experts run.
__global__ void RouteKernel(RouteArgs a) {
  __shared__ double sums[kBlockThreads / kWarp];
  __shared__ float maxima[kBlockThreads / kWarp];
  float* const scores = reinterpret_cast<float*>(DynamicShared());  // (experts)
  float* const choice = scores + a.experts;                         // (experts)
  float* const group_scores = choice + a.experts;                   // (groups)
  const int64_t t = blockIdx.x;
  const int me = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  const float* logits = At<float>(a.logits, t);
  if (a.sigmoid) {
    for (int e = me; e < a.experts; e += step) {
      scores[e] = static_cast<float>(1.0 / (1.0 + exp(-static_cast<double>(logits[e]))));
    }
  } else {
    float most = -Infinity();
    for (int e = me; e < a.experts; e += step) most = fmaxf(most, logits[e]);
    const double largest = static_cast<double>(BlockMax(most, maxima));
    double sum = 0;
    for (int e = me; e < a.experts; e += step) sum += exp(static_cast<double>(logits[e]) - largest);
    sum = BlockSum(sum, sums);
    for (int e = me; e < a.experts; e += step) {
      scores[e] = static_cast<float>(exp(static_cast<double>(logits[e]) - largest) / sum);
    }
  }
  for (int e = me; e < a.experts; e += step) {  // each thread its own scores
    choice[e] = a.bias != nullptr ? scores[e] + a.bias[e] : scores[e];
  }
  __syncthreads();
  if (a.groups > 1) {
    const int members = a.experts / a.groups;
    for (int g = me; g < a.groups; g += step) {
      float best = -Infinity(), second = -Infinity();
      for (int e = g * members; e < (g + 1) * members; ++e) {
        const float v = RankOf(choice[e]);
        if (v > best) {
          second = best;
          best = v;
        } else if (v > second) {
          second = v;
        }
      }
      group_scores[g] = a.sum_of_two ? best + second : best;
    }
    __syncthreads();
    for (int e = me; e < a.experts; e += step) {
      const int g = e / members;
      int better = 0;
      for (int other = 0; other < a.groups; ++other) {
        better += IsBetter(RankOf(group_scores[other]), other, RankOf(group_scores[g]), g);
      }
      if (better >= a.groups_used) choice[e] = a.masked_are_zero ? 0.0f : -Infinity();
    }
    __syncthreads();
  }
  // Chosen: fewer than `used` are better. A bit for each expert, which gives the place among the chosen.
  unsigned* const masks = reinterpret_cast<unsigned*>(group_scores + a.groups);  // (MaskWords)
  int* const chosen = reinterpret_cast<int*>(masks + MaskWords(a.experts));      // (used)
  for (int first = 0; first < a.experts; first += step) {
    const int e = first + me;
    int better = a.used;
    if (e < a.experts) {
      better = 0;
      const float mine = RankOf(choice[e]);
      for (int other = 0; other < a.experts && better < a.used; ++other) {
        better += IsBetter(RankOf(choice[other]), other, mine, e);
      }
    }
    const unsigned mask = __ballot_sync(kAllLanes, better < a.used);
    if (e < a.experts && e % kWarp == 0) masks[e / kWarp] = mask;
  }
  __syncthreads();
  for (int e = me; e < a.experts; e += step) {
    const unsigned bit = 1u << e % kWarp, mask = masks[e / kWarp];
    if ((mask & bit) == 0) continue;
    int place = __popc(mask & (bit - 1));
    for (int m = 0; m < e / kWarp; ++m) place += __popc(masks[m]);
    chosen[place] = e;
  }
  __syncthreads();
  double sum = 0;
  for (int i = 0; i < a.used; ++i) sum += static_cast<double>(scores[chosen[i]]);
  const double divisor = a.normalize ? sum + 1e-20 : 1.0;
  int* ids = At<int>(a.ids, t);
  float* weights = At<float>(a.weights, t);
  for (int i = me; i < a.used; i += step) {
    ids[i] = chosen[i];
    weights[i] = static_cast<float>(static_cast<double>(scores[chosen[i]]) / divisor *
                                    static_cast<double>(a.scale));
  }
}

// -------- experts -----------------------------------------------------------------------------------

constexpr int kSortThreads = 256;

struct SortArgs {
  View ids, slots;
  int64_t rows;
  int used, experts, stacked, tokens;  // tokens: of a tile
  int* cursor;        // (stacked): pairs of each slot, then where its next one goes
  int* at;            // (rows * used): a pair's sorted place, -1: computed elsewhere
  int* sorted;        // (rows * used): pairs by slot
  int* order;         // (rows * used): a row's places by ascending expert
  ExpertTile* tiles;
  int* counts;        // {tiles, pairs}
  Fault* fault;
};

// The sum of all earlier threads' values, and the total.
__device__ int BlockScan(int v, int* shared, int& total) {
  const int me = static_cast<int>(threadIdx.x);
  __syncthreads();
  shared[me] = v;
  __syncthreads();
  for (int by = 1; by < kSortThreads; by *= 2) {
    const int other = me >= by ? shared[me - by] : 0;
    __syncthreads();
    shared[me] += other;
    __syncthreads();
  }
  total = shared[kSortThreads - 1];
  return me > 0 ? shared[me - 1] : 0;
}

// One block: histogram, scan, scatter.
__global__ void SortKernel(SortArgs a) {
  __shared__ int scan[kSortThreads];
  const int me = static_cast<int>(threadIdx.x);
  const int64_t pairs = a.rows * a.used;
  const int* slots = At<int>(a.slots);  // (experts)
  for (int s = me; s < a.stacked; s += kSortThreads) a.cursor[s] = 0;
  __syncthreads();
  for (int64_t p = me; p < pairs; p += kSortThreads) {
    const int* ids = At<int>(a.ids, p / a.used);
    const int i = static_cast<int>(p % a.used), id = ids[i];
    int slot = -1;
    if (InRange(a.fault, FaultKind::kExpert, p, id, a.experts)) {
      slot = slots[id];
      if (slot < -1 || slot >= a.stacked) {
        Report(a.fault, FaultKind::kExpertSlot, id, slot, a.stacked);
        slot = -1;
      }
    }
    a.at[p] = slot;
    if (slot >= 0) atomicAdd(&a.cursor[slot], 1);
    int earlier = 0;
    for (int j = 0; j < a.used; ++j) earlier += ids[j] < id || (ids[j] == id && j < i);
    a.order[p - i + earlier] = i;
  }
  __syncthreads();
  const int per_thread = (a.stacked + kSortThreads - 1) / kSortThreads;
  const int begin = me * per_thread;
  const int end = begin + per_thread < a.stacked ? begin + per_thread : a.stacked;
  int my_pairs = 0, my_tiles = 0;
  for (int s = begin; s < end; ++s) {
    my_pairs += a.cursor[s];
    my_tiles += (a.cursor[s] + a.tokens - 1) / a.tokens;
  }
  int all_pairs, all_tiles;
  int pair = BlockScan(my_pairs, scan, all_pairs);
  int tile = BlockScan(my_tiles, scan, all_tiles);
  for (int s = begin; s < end; ++s) {
    const int count = a.cursor[s];
    for (int first = 0; first < count; first += a.tokens) {
      const int left = count - first;
      a.tiles[tile++] = {s, pair + first, left < a.tokens ? left : a.tokens};
    }
    a.cursor[s] = pair;
    pair += count;
  }
  if (me == 0) {
    a.counts[0] = all_tiles;
    a.counts[1] = all_pairs;
  }
  __syncthreads();
  // The order of a slot's pairs is left to chance: a pair's arithmetic does not depend on it.
  for (int64_t p = me; p < pairs; p += kSortThreads) {
    if (a.at[p] < 0) continue;
    const int place = atomicAdd(&a.cursor[a.at[p]], 1);
    a.at[p] = place;
    a.sorted[place] = static_cast<int>(p);
  }
}

struct AddArgs {
  View weights, out;
  const float* results;  // (pairs, width), sorted
  const int* at;
  const int* order;
  int64_t rows, width;
  int used;
  bool accumulate;
};
__global__ void AddKernel(AddArgs a) {
  for (int64_t n = GlobalThread(); n < a.rows * a.width; n += GlobalThreads()) {
    const int64_t t = n / a.width, o = n % a.width;
    float* out = At<float>(a.out, t) + o;
    const float* weights = At<float>(a.weights, t);
    float sum = a.accumulate ? *out : 0.0f;
    for (int k = 0; k < a.used; ++k) {
      const int i = a.order[t * a.used + k], at = a.at[t * a.used + i];
      if (at >= 0) sum = fmaf(weights[i], a.results[at * a.width + o], sum);
    }
    *out = sum;
  }
}

// Tiles of several tokens pay where an expert has several: from a few rows on.
int TokensOfTile(int64_t rows, int64_t per_expert) {
  if (per_expert > kMostTokens) return kTileTokens;
  return rows == 1 ? 1 : rows <= 4 ? 2 : rows <= 16 ? 4 : kMostTokens;
}

View DenseRows(const float* data, int64_t width) {
  View v{};
  v.data = reinterpret_cast<unsigned char*>(const_cast<float*>(data));
  v.stride[0] = width * static_cast<int64_t>(sizeof(float));
  return v;
}

}  // namespace

void Run(Context& c, const rsn_moe_route& a) {
  RouteArgs k{};
  k.logits = ViewOf(a.logits);
  k.ids = ViewOf(a.ids);
  k.weights = ViewOf(a.weights);
  if (a.bias.buffer != nullptr) k.bias = reinterpret_cast<const float*>(ViewOf(a.bias).data);
  k.experts = static_cast<int>(a.logits.shape[1]);
  k.used = static_cast<int>(a.ids.shape[1]);
  k.groups = static_cast<int>(a.groups);
  k.groups_used = static_cast<int>(a.groups_used);
  k.sigmoid = a.scoring == 1;
  k.sum_of_two = a.group_rule == 1;
  k.masked_are_zero = a.masked_are_zero != 0;
  k.normalize = a.normalize != 0;
  k.scale = a.scale;
  // scores, choice and a bit of every expert, scores of every group, the chosen
  const size_t shared =
      static_cast<size_t>(2 * k.experts + k.groups + MaskWords(k.experts) + k.used) * sizeof(float);
  Launch(c, {.x = a.logits.shape[0], .shared = shared}, RouteKernel, k);
}

void Run(Context& c, const rsn_moe_experts& a) {
  const int64_t rows = a.in.shape[0], width = a.in.shape[1], inner = a.gate.shape[1];
  const int64_t stacked = a.gate.shape[0], used = a.ids.shape[1], pairs = rows * used;
  if (rows == 0 || width == 0) return;
  const int tokens = TokensOfTile(rows, stacked > 0 ? pairs / stacked : 0);
  // Every slot that has pairs may leave one tile unfilled.
  const int64_t capacity = pairs < stacked ? pairs : pairs / tokens + stacked;
  AddArgs add{.weights = ViewOf(a.weights),
              .out = ViewOf(a.out),
              .results = nullptr,
              .at = nullptr,
              .order = nullptr,
              .rows = rows,
              .width = width,
              .used = static_cast<int>(used),
              .accumulate = a.accumulate != 0};
  if (pairs > 0 && stacked > 0 && inner > 0) {
    SortArgs sort{.ids = ViewOf(a.ids),
                  .slots = ViewOf(a.slots),
                  .rows = rows,
                  .used = static_cast<int>(used),
                  .experts = static_cast<int>(a.slots.shape[0]),
                  .stacked = static_cast<int>(stacked),
                  .tokens = tokens,
                  .cursor = c.Take<int>(stacked),
                  .at = c.Take<int>(pairs),
                  .sorted = c.Take<int>(pairs),
                  .order = c.Take<int>(pairs),
                  .tiles = c.Take<ExpertTile>(capacity),
                  .counts = c.Take<int>(2),
                  .fault = c.fault};
    Launch(c, {.threads = kSortThreads}, SortKernel, sort);
    Activations in{}, hidden{};
    in.plain = ViewOf(a.in);
    if (QuantizesActivations(a.gate.dtype) || QuantizesActivations(a.up.dtype)) {
      Quantize(c, in.plain, rows, 1, width, in);
    }
    float* const gate = c.Take<float>(pairs * inner);    // (pairs, inner)
    float* const up = c.Take<float>(pairs * inner);      // (pairs, inner)
    float* const results = c.Take<float>(pairs * width);  // (pairs, width)
    Product p{.weight = ViewOf(a.gate),
              .type = TypeOf(a.gate),
              .rows = pairs,
              .batch = 1,
              .outputs = inner,
              .width = width,
              .in = in,
              .out = DenseRows(gate, inner)};
    p.tokens = tokens;
    p.groups = {.tiles = sort.tiles,
                .tile_count = sort.counts,
                .sorted = sort.sorted,
                .capacity = capacity,
                .used = static_cast<int>(used)};
    Product both[2] = {p, p};
    both[1].weight = ViewOf(a.up);
    both[1].type = TypeOf(a.up);
    both[1].out = DenseRows(up, inner);
    if (both[0].type == both[1].type) {
      MultiplyJoined(c, both, 2);
    } else {
      for (const Product& one : both) Multiply(c, one);
    }
    const Gated gated{.gate = gate, .up = up, .plain = gate, .count = sort.counts + 1};
    if (QuantizesActivations(a.down.dtype)) {
      QuantizeGated(c, gated, pairs, inner, hidden);
    } else {
      GateOnly(c, gated, pairs, inner);
    }
    hidden.plain = DenseRows(gate, inner);
    p.weight = ViewOf(a.down);
    p.type = TypeOf(a.down);
    p.outputs = width;
    p.width = inner;
    p.in = hidden;
    p.out = DenseRows(results, width);
    p.groups.used = 0;
    Multiply(c, p);
    add.results = results;
    add.at = sort.at;
    add.order = sort.order;
  } else {
    add.used = 0;
  }
  Launch(c, {.x = Blocks(rows * width)}, AddKernel, add);
}

}  // namespace raison::cuda
