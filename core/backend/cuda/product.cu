#include "core/backend/cuda/product.h"

#include "core/backend/cuda/blocks.h"
#include "core/backend/cuda/chunk.h"
#include "core/backend/cuda/ops.h"

namespace raison::cuda {
namespace {

constexpr int kWarps = kBlockThreads / kWarp;

// -------- activations to int8 -----------------------------------------------------------------------

// One warp per block of 32. step = largest / 127; a block below 1e-35 is zero, one with a NaN or an
// infinity has the step NaN.
__device__ void QuantizeBlock(float x, int64_t block, int8_t* codes, float* steps, int* sums) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float most = WarpMax(fabsf(x));
  const bool finite = __all_sync(kAllLanes, fabsf(x) < Infinity()) != 0;
  const bool zero = most < 1e-35f;
  const float inverse = zero ? 0.0f : 127.0f / most;
  const int code = finite ? static_cast<int>(rintf(x * inverse)) : 0;
  codes[block * 32 + lane] = static_cast<int8_t>(code);
  const int sum = WarpSum(code);
  if (lane == 0) {
    steps[block] = finite ? (zero ? 0.0f : most / 127.0f) : QuietNaN();
    sums[block] = sum;
  }
}

struct QuantizeArgs {
  View in;
  int64_t rows, batch, blocks;
  int8_t* codes;
  float* steps;
  int* sums;
};
__global__ void QuantizeKernel(QuantizeArgs a) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (n >= a.rows * a.batch * a.blocks) return;
  const int64_t row = n / a.blocks;
  const float* in = At<float>(a.in, row / a.batch, row % a.batch) + n % a.blocks * 32;
  QuantizeBlock(in[threadIdx.x % kWarp], n, a.codes, a.steps, a.sums);
}

struct GatedArgs {
  Gated in;
  int64_t blocks;  // of 32 columns
  int8_t* codes;
  float* steps;
  int* sums;
};
__global__ void QuantizeGatedKernel(GatedArgs a) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (n >= *a.in.count * a.blocks) return;
  const int64_t i = n * 32 + threadIdx.x % kWarp;
  const float x = Silu(a.in.gate[i]) * a.in.up[i];
  if (a.in.plain != nullptr) a.in.plain[i] = x;
  QuantizeBlock(x, n, a.codes, a.steps, a.sums);
}
__global__ void GateKernel(Gated in, int64_t width) {
  const int64_t n = GlobalThread();
  if (n < *in.count * width) in.plain[n] = Silu(in.gate[n]) * in.up[n];
}

void TakeCodes(Context& c, int64_t rows, int64_t width, int8_t*& codes, float*& steps, int*& sums) {
  codes = c.Take<int8_t>(rows * width);
  steps = c.Take<float>(rows * (width / 32));
  sums = c.Take<int>(rows * (width / 32));
}

// -------- the products ------------------------------------------------------------------------------

// Products of one launch: the first, and what the others have of their own. A small one alone would
// leave most of the card idle for as long as a large one takes.
struct Other {
  View weight, out;
  const float* bias;
  int64_t outputs, first;  // the first of its blocks of threads
};
struct Joined {
  Product p;
  int others;
  Other other[kMostJoined - 1];
};

// What one warp works on: up to kTokens rows of activations and one output.
struct Work {
  const unsigned char* weight;  // the output's row
  View out;
  const float* bias;
  int64_t output;
  int count;      // tokens in use
  int64_t first;  // row of `out` of token 0; with groups the sorted index
  int64_t batch;
};

// False where there is nothing to do: for a whole warp, mostly for a whole block.
template <int kTokens>
__device__ bool FindWork(const Joined& a, Work& w) {
  const Product& p = a.p;
  View weight = p.weight;
  int64_t outputs = p.outputs, block = blockIdx.x;
  w.out = p.out;
  w.bias = p.bias;
#pragma unroll
  for (int i = 0; i < kMostJoined - 1; ++i) {
    const Other& o = a.other[i];
    if (i >= a.others || blockIdx.x < o.first) continue;
    weight = o.weight, w.out = o.out, w.bias = o.bias, outputs = o.outputs;
    block = blockIdx.x - o.first;
  }
  w.output = block * kWarps + threadIdx.x / kWarp;
  if (w.output >= outputs) return false;
  if (p.groups.tiles != nullptr) {
    if (static_cast<int>(blockIdx.y) >= *p.groups.tile_count) return false;
    const ExpertTile tile = p.groups.tiles[blockIdx.y];
    w.weight = At<unsigned char>(weight, tile.slot, w.output);
    w.count = tile.count;
    w.first = tile.first;
    w.batch = 0;
    return true;
  }
  w.batch = blockIdx.z;
  w.weight = At<unsigned char>(weight, w.batch, w.output);
  w.first = static_cast<int64_t>(blockIdx.y) * kTokens;
  const int64_t left = p.rows - w.first;
  w.count = static_cast<int>(left < kTokens ? left : kTokens);
  return w.count > 0;
}

// The row of activations of token t of the work.
__device__ inline int64_t InputRow(const Product& p, const Work& w, int t) {
  if (p.groups.tiles == nullptr) return w.first + t;
  return p.groups.used == 0 ? w.first + t : p.groups.sorted[w.first + t] / p.groups.used;
}

// chains: (kTokens, kChains) of this warp in shared memory. Lane t adds token t's in order.
template <int kTokens, int kChains>
__device__ void Store(const Product& p, const Work& w, const float* chains) {
  __syncwarp();
  const int t = static_cast<int>(threadIdx.x) % kWarp;
  if (t >= w.count) return;
  float y = 0;
  for (int i = 0; i < kChains; ++i) y += chains[t * kChains + i];
  float* out = At<float>(w.out, w.first + t, w.batch) + w.output;
  if (w.bias != nullptr) y += w.bias[w.output];
  *out = p.accumulate ? *out + y : y;
}

// A block of 32 per lane; four neighbouring lanes go on with one run's chain, one after another.
template <uint32_t kType, int kTokens>
__global__ void QuantizedKernel(Joined a) {
  __shared__ float chains[kWarps][kTokens][kRuns];
  const Product& p = a.p;
  Work w;
  if (!FindWork<kTokens>(a, w)) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int four = lane / 4 * 4;
  const int blocks = static_cast<int>(p.width / 32);
  int64_t at[kTokens];  // the tokens' first blocks
  float chain[kTokens];
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    at[t] = (InputRow(p, w, t < w.count ? t : 0) * p.batch + w.batch) * blocks;
    chain[t] = 0;
  }
  for (int first = 0; first < blocks; first += kWarp) {
    // Behind the end the last block again, for nothing: without a branch all loads go out at once.
    const int b = first + lane < blocks ? first + lane : blocks - 1;
    const Whole q = Block<kType>::LoadWhole(w.weight, b);
    const Scale s = Block<kType>::ScaleOf(w.weight, b);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      if (kTokens > 1 && t >= w.count) continue;
      const int4* x = reinterpret_cast<const int4*>(p.in.codes + (at[t] + b) * 32);
      const int4 low = x[0], high = x[1];
      const float step = p.in.steps[at[t] + b];
      const int first_half = __dp4a(
          q.word[3], low.w,
          __dp4a(q.word[2], low.z, __dp4a(q.word[1], low.y, __dp4a(q.word[0], low.x, 0))));
      const int second_half = __dp4a(
          q.word[7], high.w,
          __dp4a(q.word[6], high.z, __dp4a(q.word[5], high.y, __dp4a(q.word[4], high.x, 0))));
      float value = s.d * static_cast<float>(first_half * q.scale[0] + second_half * q.scale[1]);
      if constexpr (Block<kType>::kHasMinimum) {
        value -= s.minimum * static_cast<float>(s.minimum_scale * p.in.sums[at[t] + b]);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float next = __shfl_sync(kAllLanes, fmaf(step, value, chain[t]), four + i);
        if (first + four + i < blocks) chain[t] = next;
      }
    }
  }
  if (lane % 4 == 0) {
#pragma unroll
    for (int t = 0; t < kTokens; ++t) chains[warp][t][lane / 4] = chain[t];
  }
  Store<kTokens, kRuns>(p, w, chains[warp][0]);
}

// Eight neighbouring elements of a plain row; kAligned: by loads of 16 bytes.
template <uint32_t kType, bool kAligned>
__device__ void LoadPiece(const unsigned char* row, int64_t i, float (&x)[8]) {
  if constexpr (!kAligned) {
    for (int k = 0; k < 8; ++k) x[k] = LoadPlain<kType>(row, i + k);
  } else if constexpr (kType == RSN_DTYPE_F32) {
    const float4 a = reinterpret_cast<const float4*>(row)[i / 4];
    const float4 b = reinterpret_cast<const float4*>(row)[i / 4 + 1];
    x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
    x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
  } else {
    const uint4 v = reinterpret_cast<const uint4*>(row)[i / 8];
    const unsigned words[4] = {v.x, v.y, v.z, v.w};
    for (int k = 0; k < 8; ++k) {
      const uint16_t bits = static_cast<uint16_t>(words[k / 2] >> 16 * (k % 2));
      x[k] = kType == RSN_DTYPE_F16 ? HalfToFloat(bits) : BFloatToFloat(bits);
    }
  }
}

template <uint32_t kType, int kTokens, bool kAligned>
__global__ void PlainKernel(Joined a) {
  __shared__ float chains[kWarps][kTokens][kWarp];
  const Product& p = a.p;
  Work w;
  if (!FindWork<kTokens>(a, w)) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const float* x[kTokens];
  float chain[kTokens];
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    x[t] = At<float>(p.in.plain, InputRow(p, w, t < w.count ? t : 0), w.batch);
    chain[t] = 0;
  }
  for (int64_t i = lane * 8; i < p.width; i += kWarp * 8) {
    if (i + 8 <= p.width) {
      float weight[8];
      LoadPiece<kType, kAligned>(w.weight, i, weight);
#pragma unroll
      for (int t = 0; t < kTokens; ++t) {
        if (t >= w.count) continue;
        float in[8];
        LoadPiece<RSN_DTYPE_F32, kAligned>(reinterpret_cast<const unsigned char*>(x[t]), i, in);
        for (int k = 0; k < 8; ++k) chain[t] = fmaf(weight[k], in[k], chain[t]);
      }
    } else {
      for (int64_t k = i; k < p.width; ++k) {
        const float weight = LoadPlain<kType>(w.weight, k);
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
          if (t < w.count) chain[t] = fmaf(weight, x[t][k], chain[t]);
        }
      }
    }
  }
#pragma unroll
  for (int t = 0; t < kTokens; ++t) chains[warp][t][lane] = chain[t];
  Store<kTokens, kWarp>(p, w, chains[warp][0]);
}

template <uint32_t kType, int kTokens>
void LaunchProduct(Context& c, const Product* products, int count) {
  const Product& p = products[0];
  const bool grouped = p.groups.tiles != nullptr;
  Joined a{.p = p, .others = count - 1, .other = {}};
  bool aligned = LiesAt(p.weight, 16) && LiesAt(p.in.plain, 16);
  int64_t blocks = DivideUp(p.outputs, kWarps);
  for (int i = 1; i < count; ++i) {
    const Product& o = products[i];
    a.other[i - 1] = {o.weight, o.out, o.bias, o.outputs, blocks};
    aligned = aligned && LiesAt(o.weight, 16);
    blocks += DivideUp(o.outputs, kWarps);
  }
  const Grid grid{.x = blocks,
                  .y = grouped ? p.groups.capacity : DivideUp(p.rows, kTokens),
                  .z = grouped ? 1 : p.batch};
  if constexpr (!IsPlain(kType)) {
    Launch(c, grid, QuantizedKernel<kType, kTokens>, a);
  } else if (aligned) {
    Launch(c, grid, PlainKernel<kType, kTokens, true>, a);
  } else {
    Launch(c, grid, PlainKernel<kType, kTokens, false>, a);
  }
}

}  // namespace

bool QuantizesActivations(uint32_t weight_type) { return !IsPlain(weight_type); }

void Quantize(Context& c, const View& in, int64_t rows, int64_t batch, int64_t width,
              Activations& to) {
  QuantizeArgs a{in, rows, batch, width / 32, nullptr, nullptr, nullptr};
  TakeCodes(c, rows * batch, width, a.codes, a.steps, a.sums);
  Launch(c, {.x = DivideUp(rows * batch * a.blocks, kWarps)}, QuantizeKernel, a);
  to.codes = a.codes;
  to.steps = a.steps;
  to.sums = a.sums;
}

void QuantizeGated(Context& c, const Gated& in, int64_t rows, int64_t width, Activations& to) {
  GatedArgs a{in, width / 32, nullptr, nullptr, nullptr};
  TakeCodes(c, rows, width, a.codes, a.steps, a.sums);
  Launch(c, {.x = DivideUp(rows * a.blocks, kWarps)}, QuantizeGatedKernel, a);
  to.codes = a.codes;
  to.steps = a.steps;
  to.sums = a.sums;
}

void GateOnly(Context& c, const Gated& in, int64_t rows, int64_t width) {
  Launch(c, {.x = DivideUp(rows * width, kBlockThreads)}, GateKernel, in, width);
}

void Multiply(Context& c, const Product& p) { MultiplyJoined(c, &p, 1); }

void MultiplyJoined(Context& c, const Product* products, int count) {
  const Product& p = products[0];
  const int64_t tokens = p.groups.tiles != nullptr ? p.tokens : p.rows;
  if (tokens > kMostTokens) {
    for (int i = 0; i < count; ++i) MultiplyTiles(c, products[i]);
    return;
  }
  ForType(p.type, [&](auto type) {
    constexpr uint32_t kType = decltype(type)::value;
    if (tokens <= 1) return LaunchProduct<kType, 1>(c, products, count);
    if (tokens <= 2) return LaunchProduct<kType, 2>(c, products, count);
    if (tokens <= 4) return LaunchProduct<kType, 4>(c, products, count);
    LaunchProduct<kType, kMostTokens>(c, products, count);
  });
}

namespace {

// Of a product, the rows [first, first + count) by the kernels above.
void MultiplyRows(Context& c, Product p, int64_t first, int64_t count) {
  if (count == 0) return;
  const int64_t skipped = first * p.batch;
  p.rows = count;
  p.in.plain.data += first * p.in.plain.stride[0];
  p.out.data += first * p.out.stride[0];
  if (p.in.codes != nullptr) {
    p.in.codes += skipped * p.width;
    p.in.steps += skipped * (p.width / 32);
    p.in.sums += skipped * (p.width / 32);
  }
  Multiply(c, p);
}

}  // namespace

void Run(Context& c, const rsn_matmul& a) {
  const bool batched = a.in.rank == 3;
  const int64_t rows = a.in.shape[0], batch = batched ? a.in.shape[1] : 1;
  const int64_t width = a.in.shape[a.in.rank - 1];
  if (rows == 0 || batch == 0) return;
  Product products[kMostJoined];
  bool dense[kMostJoined];
  const std::vector<ChunkRows> chunks = ChunksOf(c, a);
  int64_t alone = rows;  // rows that are in no chunk
  for (const ChunkRows& chunk : chunks) alone -= chunk.count;
  Activations in{};
  in.plain = ViewOf(a.in);
  ChunkMemory memory;
  bool quantized = false;
  for (uint32_t j = 0; j < a.terms; ++j) {
    const rsn_matmul_term& term = a.term[j];
    Product& p = products[j];
    p = {.weight = ViewOf(term.weight),
         .type = TypeOf(term.weight),
         .rows = rows,
         .batch = batch,
         .outputs = term.out.shape[a.in.rank - 1],
         .width = width,
         .in = in,
         .out = ViewOf(term.out)};
    if (!batched) p.weight.stride[1] = std::exchange(p.weight.stride[0], 0);
    if (term.bias.buffer != nullptr) p.bias = reinterpret_cast<float*>(ViewOf(term.bias).data);
    p.accumulate = a.accumulate != 0;
    dense[j] = !chunks.empty() && IsDense(c, p);
    if (dense[j]) TakeMemory(c, p, memory);
    quantized = quantized || (QuantizesActivations(p.type) && (!dense[j] || alone > 0));
  }
  if (quantized) Quantize(c, in.plain, rows, batch, width, in);
  for (Product& p : products) p.in = in;
  for (uint32_t j = 0; j < a.terms; ++j) {
    if (!dense[j]) {
      const uint32_t first = j;
      while (j + 1 < a.terms && !dense[j + 1] && products[j + 1].type == products[first].type) ++j;
      MultiplyJoined(c, products + first, static_cast<int>(j + 1 - first));
      continue;
    }
    int64_t done = 0;
    for (const ChunkRows& chunk : chunks) {
      MultiplyRows(c, products[j], done, chunk.first - done);
      done = chunk.first + chunk.count;
    }
    MultiplyRows(c, products[j], done, rows - done);
  }
  if (memory.row_exponents == nullptr) return;
  for (const ChunkRows& chunk : chunks) {
    CutRows(c, in.plain, chunk, width, memory);
    for (uint32_t j = 0; j < a.terms; ++j) {
      if (dense[j]) MultiplyChunk(c, products[j], chunk, memory);
    }
  }
}

}  // namespace raison::cuda
