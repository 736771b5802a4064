// mla_attention: the latent cache's rows are keys and values of all heads.
#include "core/backend/cuda/attend.h"
#include "core/backend/cuda/ops.h"
#include "core/backend/cuda/product.h"

namespace raison::cuda {
namespace {

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
