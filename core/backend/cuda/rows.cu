// Operations that treat each row by itself: embed, gather, norm, rotation, activation, cache writes.
#include <algorithm>

#include "core/backend/cuda/blocks.h"
#include "core/backend/cuda/ops.h"

namespace raison::cuda {
namespace {

struct EmbedArgs {
  View table, tokens, out;
  int64_t rows, width, vocabulary;
  Fault* fault;
};
template <uint32_t kType>
__global__ void EmbedKernel(EmbedArgs a) {
  const int64_t t = blockIdx.x;
  const int64_t token = At<int>(a.tokens)[t];
  if (!InRange(a.fault, FaultKind::kToken, t, token, a.vocabulary)) return;
  const unsigned char* row = At<unsigned char>(a.table, token);
  float* out = At<float>(a.out, t);
  for (int64_t i = threadIdx.x; i < a.width; i += blockDim.x) out[i] = LoadElement<kType>(row, i);
}

struct GatherArgs {
  View in, index, out;
  int64_t in_rows, width;
  Fault* fault;
};
__global__ void GatherKernel(GatherArgs a) {
  const int64_t i = blockIdx.x;
  const int64_t from = At<int>(a.index)[i];
  if (!InRange(a.fault, FaultKind::kRowIndex, i, from, a.in_rows)) return;
  const float* in = At<float>(a.in, from);
  float* out = At<float>(a.out, i);
  for (int64_t k = threadIdx.x; k < a.width; k += blockDim.x) out[k] = in[k];
}

struct NormArgs {
  View in, weight, out;
  int64_t heads, width;
  float epsilon;
};
// A long row is spread over more threads: their number, and with it the sum's order, is the width's.
constexpr int kWideThreads = 512;
constexpr int64_t kWideRow = 1024;
__global__ void NormKernel(NormArgs a) {
  __shared__ float sums[kWideThreads / kWarp];
  const int64_t t = blockIdx.x / a.heads, h = blockIdx.x % a.heads;
  const float* in = At<float>(a.in, t, h);
  const float* weight = At<float>(a.weight);
  float* out = At<float>(a.out, t, h);
  float sum = 0;
  for (int64_t i = threadIdx.x; i < a.width; i += blockDim.x) sum = fmaf(in[i], in[i], sum);
  sum = BlockSum(sum, sums);
  const float scale = 1.0f / sqrtf(sum / static_cast<float>(a.width) + a.epsilon);
  for (int64_t i = threadIdx.x; i < a.width; i += blockDim.x) out[i] = in[i] * scale * weight[i];
}

struct RopeTableArgs {
  View positions, frequencies, out;
  int64_t rows, pairs;
  float magnitude;
};
__global__ void RopeTableKernel(RopeTableArgs a) {
  for (int64_t n = GlobalThread(); n < a.rows * a.pairs; n += GlobalThreads()) {
    const int64_t t = n / a.pairs, i = n % a.pairs;
    const float* parts = At<float>(a.frequencies, i);  // {hi, lo}
    const double frequency = static_cast<double>(parts[0]) + static_cast<double>(parts[1]);
    const double angle = static_cast<double>(At<int>(a.positions)[t]) * frequency;
    float* out = At<float>(a.out, t, i);
    out[0] = static_cast<float>(cos(angle) * static_cast<double>(a.magnitude));
    out[1] = static_cast<float>(sin(angle) * static_cast<double>(a.magnitude));
  }
}

struct RopeArgs {
  View table, x;
  int64_t rows, heads, pairs;
  bool interleaved;
};
__global__ void RopeKernel(RopeArgs a) {
  const int64_t per_row = a.heads * a.pairs;
  for (int64_t n = GlobalThread(); n < a.rows * per_row; n += GlobalThreads()) {
    const int64_t t = n / per_row, h = n % per_row / a.pairs, i = n % a.pairs;
    const float* turn = At<float>(a.table, t, i);  // {cos, sin}
    float* x = At<float>(a.x, t, h);
    float& first = x[a.interleaved ? 2 * i : i];
    float& second = x[a.interleaved ? 2 * i + 1 : i + a.pairs];
    const float u = first, v = second;
    first = u * turn[0] - v * turn[1];
    second = v * turn[0] + u * turn[1];
  }
}

struct SiluArgs {
  View gate, up, out;
  int64_t rows, width;
};
__global__ void SiluKernel(SiluArgs a) {
  for (int64_t n = GlobalThread(); n < a.rows * a.width; n += GlobalThreads()) {
    const int64_t t = n / a.width, i = n % a.width;
    At<float>(a.out, t)[i] = Silu(At<float>(a.gate, t)[i]) * At<float>(a.up, t)[i];
  }
}

struct KvWriteArgs {
  View in, slots, cache;
  int64_t rows, heads, width, page_tokens, pages;
  Fault* fault;
};
template <uint32_t kType>
__global__ void KvWriteKernel(KvWriteArgs a) {
  const int64_t t = blockIdx.x / a.heads, h = blockIdx.x % a.heads;
  const int64_t slot = At<int>(a.slots)[t];
  if (!InRange(a.fault, FaultKind::kSlot, t, slot, a.pages * a.page_tokens)) return;
  const float* in = At<float>(a.in, t, h);
  unsigned char* out =
      At<unsigned char>(a.cache, slot / a.page_tokens, h, slot % a.page_tokens);
  for (int64_t i = threadIdx.x; i < a.width; i += blockDim.x) {
    if constexpr (kType == RSN_DTYPE_F32) {
      reinterpret_cast<float*>(out)[i] = in[i];
    } else if constexpr (kType == RSN_DTYPE_F16) {
      reinterpret_cast<uint16_t*>(out)[i] = FloatToHalf(in[i]);
    } else {
      reinterpret_cast<uint16_t*>(out)[i] = FloatToBFloat(in[i]);
    }
  }
}

struct KvCopyArgs {
  View cache, from, to;
  int64_t count, pages;
  unsigned page, per_head, width;  // in Ts: of a page, of a head in it, of a row
  Fault* fault;
};
// Grid: (pieces of a page, pairs of pages). T: an element, or 16 bytes of them.
template <typename T>
__global__ void KvCopyKernel(KvCopyArgs a) {
  for (int64_t c = blockIdx.y; c < a.count; c += gridDim.y) {
    const int64_t from = At<int>(a.from)[c], to = At<int>(a.to)[c];
    if (!InRange(a.fault, FaultKind::kPageFrom, c, from, a.pages) ||
        !InRange(a.fault, FaultKind::kPageTo, c, to, a.pages) || from == to) {
      continue;
    }
    for (int64_t n = GlobalThread(); n < a.page; n += GlobalThreads()) {
      const unsigned at = static_cast<unsigned>(n);
      const unsigned h = at / a.per_head, t = at % a.per_head / a.width, i = at % a.width;
      At<T>(a.cache, to, h, t)[i] = At<T>(a.cache, from, h, t)[i];
    }
  }
}

}  // namespace

void Run(Context& c, const rsn_embed& a) {
  const EmbedArgs k{ViewOf(a.table),     ViewOf(a.tokens), ViewOf(a.out),
                    a.tokens.shape[0],   a.table.shape[1], a.table.shape[0],
                    c.fault};
  if (k.width == 0) return;
  ForType(TypeOf(a.table),
          [&](auto type) { Launch(c, {.x = k.rows}, EmbedKernel<decltype(type)::value>, k); });
}

void Run(Context& c, const rsn_gather_rows& a) {
  const GatherArgs k{ViewOf(a.in),   ViewOf(a.index), ViewOf(a.out),
                     a.in.shape[0], a.in.shape[1],   c.fault};
  if (k.width == 0) return;
  Launch(c, {.x = a.index.shape[0]}, GatherKernel, k);
}

void Run(Context& c, const rsn_rms_norm& a) {
  const NormArgs k{ViewOf(a.in),
                   ViewOf(a.weight),
                   ViewOf(a.out),
                   a.in.rank == 3 ? a.in.shape[1] : 1,
                   a.in.shape[a.in.rank - 1],
                   a.epsilon};
  if (k.width == 0) return;
  Launch(c,
         {.x = a.in.shape[0] * k.heads,
          .threads = k.width >= kWideRow ? kWideThreads : kBlockThreads},
         NormKernel, k);
}

void Run(Context& c, const rsn_rope_table& a) {
  const RopeTableArgs k{ViewOf(a.positions), ViewOf(a.frequencies),  ViewOf(a.out),
                        a.positions.shape[0], a.frequencies.shape[0], a.magnitude};
  Launch(c, {.x = Blocks(k.rows * k.pairs)}, RopeTableKernel, k);
}

void Run(Context& c, const rsn_rope& a) {
  const RopeArgs k{ViewOf(a.table), ViewOf(a.x),      a.x.shape[0],
                   a.x.shape[1],    a.table.shape[1], a.interleaved != 0};
  Launch(c, {.x = Blocks(k.rows * k.heads * k.pairs)}, RopeKernel, k);
}

void Run(Context& c, const rsn_silu_mul& a) {
  const SiluArgs k{ViewOf(a.gate), ViewOf(a.up), ViewOf(a.out), a.gate.shape[0], a.gate.shape[1]};
  Launch(c, {.x = Blocks(k.rows * k.width)}, SiluKernel, k);
}

void Run(Context& c, const rsn_kv_write& a) {
  const KvWriteArgs k{ViewOf(a.in),     ViewOf(a.slots),  ViewOf(a.cache),  a.in.shape[0],
                      a.in.shape[1],    a.in.shape[2],    a.cache.shape[2], a.cache.shape[0],
                      c.fault};
  if (k.width == 0) return;
  const Grid grid{.x = k.rows * k.heads};
  switch (a.cache.dtype) {
    case RSN_DTYPE_F32: return Launch(c, grid, KvWriteKernel<RSN_DTYPE_F32>, k);
    case RSN_DTYPE_F16: return Launch(c, grid, KvWriteKernel<RSN_DTYPE_F16>, k);
    default: return Launch(c, grid, KvWriteKernel<RSN_DTYPE_BF16>, k);
  }
}

void Run(Context& c, const rsn_kv_copy_page& a) {
  const View cache = ViewOf(a.cache);
  const int64_t size = a.cache.dtype == RSN_DTYPE_F32 ? 4 : 2, row = a.cache.shape[3] * size;
  const int64_t piece = row % 16 == 0 && LiesAt(cache, 16) ? 16 : size;
  const int64_t width = row / piece, per_head = a.cache.shape[2] * width;
  const KvCopyArgs k{.cache = cache,
                     .from = ViewOf(a.from),
                     .to = ViewOf(a.to),
                     .count = a.from.shape[0],
                     .pages = a.cache.shape[0],
                     .page = static_cast<unsigned>(a.cache.shape[1] * per_head),
                     .per_head = static_cast<unsigned>(per_head),
                     .width = static_cast<unsigned>(width),
                     .fault = c.fault};
  const Grid grid{.x = Blocks(k.page), .y = std::min<int64_t>(k.count, 65535)};
  switch (piece) {
    case 16: return Launch(c, grid, KvCopyKernel<uint4>, k);
    case 4: return Launch(c, grid, KvCopyKernel<float>, k);
    default: return Launch(c, grid, KvCopyKernel<uint16_t>, k);
  }
}

}  // namespace raison::cuda
