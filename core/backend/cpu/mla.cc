// Multi-head latent attention: which form each sequence takes, and the absorbed form, where w_k goes
// into the query, the cache row is key and value of all heads at once and w_v comes after the
// softmax.
#include "core/backend/cpu/mla.h"

#include <algorithm>

#include "core/backend/cpu/matmul.h"
#include "core/backend/cpu/ops.h"

namespace raison::cpu {
namespace {

// out[t, h, :] = weight[h] in[t, h, :] for `rows` rows; pointers by function.
struct HeadProduct {
  const rsn_tensor& weight;  // (heads, out, in)
  int64_t rows;
  const float* in;    // (rows, heads, ...)
  int64_t in_row;     // floats between rows
  int64_t in_head;    // floats between heads
  float* out;         // (rows, heads, ...)
  int64_t out_row;
  int64_t out_head;
};

absl::Status Multiply(const Context& context, const HeadProduct& p) {
  const int64_t heads = p.weight.shape[0];
  const bool quantized = QuantizesActivations(p.weight.dtype);
  RSN_ASSIGN_OR_RETURN(
      const Activations acts,
      Activations::Make(context, heads * p.rows, p.weight.shape[2], quantized, [&](int64_t i) {
        return p.in + i % p.rows * p.in_row + i / p.rows * p.in_head;
      }));
  GroupScratch* scratch = TakeGroupScratch(context);
  const int64_t block = TokenBlock(p.weight.shape[2], quantized);
  return context.ForEach(heads, [&](int64_t h, uint32_t worker) {
    const Matrix m = Matrix::Of(p.weight, h);
    for (int64_t t0 = 0; t0 < p.rows; t0 += block) {
      const int64_t tokens = std::min(block, p.rows - t0);
      for (int64_t g = 0; g < m.groups(); ++g) {
        MultiplyGroup(context.kernels(), m, g, acts.row(h * p.rows + t0), tokens, scratch[worker]);
        const int64_t n = std::min<int64_t>(kGroupRows, m.rows - g * kGroupRows);
        for (int64_t t = 0; t < tokens; ++t) {
          const float* sums = scratch[worker].sums + t * kGroupRows;
          float* out = p.out + (t0 + t) * p.out_row + h * p.out_head + g * kGroupRows;
          std::copy(sums, sums + n, out);
        }
      }
    }
  });
}

// The step's rows [begin, end): whole sequences.
absl::Status AttendAbsorbed(const Context& context, const Sequences& sequences,
                            const rsn_mla_attention& a, int64_t begin, int64_t end) {
  const int64_t heads = a.q_nope.shape[1];
  const int64_t latent = a.w_k.shape[1], rope = a.q_rope.shape[2];
  const int64_t width = latent + rope;
  if (begin == end) return absl::OkStatus();
  rsn_tensor values = a.cache;
  values.shape[3] = latent;

  // Rows are taken some at a time, so that the queries in latent space (heads * 576 floats a row)
  // stay in the cache and their memory does not grow with the prompt.
  constexpr int64_t kRowsAtATime = 32;
  const int64_t most = std::min(end - begin, kRowsAtATime);
  auto* q = context.scratch.Take<float>(most * heads * width);     // (most, heads, latent + rope)
  auto* out = context.scratch.Take<float>(most * heads * latent);  // (most, heads, latent)
  for (int64_t first = begin; first < end; first += most) {
    const int64_t n = std::min(most, end - first);
    RSN_RETURN_IF_ERROR(Multiply(context, {.weight = a.w_k,
                                           .rows = n,
                                           .in = F32At(a.q_nope, first),
                                           .in_row = a.q_nope.stride[0] / 4,
                                           .in_head = a.q_nope.stride[1] / 4,
                                           .out = q,
                                           .out_row = heads * width,
                                           .out_head = width}));
    for (int64_t t = 0; t < n; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        float* to = q + (t * heads + h) * width;
        context.kernels().scale(to, a.scale, to, latent);
        context.kernels().scale(F32At(a.q_rope, first + t, h), a.scale, to + latent, rope);
      }
    }
    RSN_RETURN_IF_ERROR(Attend(context, sequences,
                               {.keys = a.cache,
                                .values = values,
                                .page_tokens = a.ragged.page_tokens,
                                .group = heads,
                                .first_row = first,
                                .rows = n,
                                .q = q,
                                .out = out,
                                .out_row = heads * latent,
                                .out_head = latent}));
    RSN_RETURN_IF_ERROR(Multiply(context, {.weight = a.w_v,
                                           .rows = n,
                                           .in = out,
                                           .in_row = heads * latent,
                                           .in_head = latent,
                                           .out = F32At(a.out, first),
                                           .out_row = a.out.stride[0] / 4,
                                           .out_head = a.out.stride[1] / 4}));
  }
  return absl::OkStatus();
}

// Rows of a sequence from which expanding is faster. By counting, a key's expansion costs what 170
// rows save (2 * 512 * 128 multiplications against 768 a row); tests/bench/cpu_bench finds the forms
// equal at 150 to 160 rows, at 512 keys and at 4,096.
constexpr int64_t kExpandRows = 160;

bool Expands(const rsn_mla_attention& a, const Sequences::One& sequence) {
  return a.form == 0 ? sequence.rows >= kExpandRows : a.form == 2;
}

}  // namespace

absl::Status Run(const Context& context, const rsn_mla_attention& a) {
  const int64_t rows = a.q_nope.shape[0];
  if (rows == 0 || a.q_nope.shape[1] == 0) return absl::OkStatus();
  RSN_ASSIGN_OR_RETURN(const Sequences sequences,
                       Sequences::Read(context, a.ragged, rows, a.cache.shape[0]));
  auto* expanding = context.scratch.Take<const Sequences::One*>(sequences.count);
  size_t count = 0;
  int64_t begin = 0;  // of the absorbing sequences that wait
  for (int64_t s = 0; s < sequences.count; ++s) {
    const Sequences::One& one = sequences.one[s];
    if (one.rows == 0 || !Expands(a, one)) continue;
    RSN_RETURN_IF_ERROR(AttendAbsorbed(context, sequences, a, begin, one.first_row));
    expanding[count++] = &one;
    begin = one.first_row + one.rows;
  }
  RSN_RETURN_IF_ERROR(AttendAbsorbed(context, sequences, a, begin, rows));
  return AttendExpanded(context, {expanding, count}, a);
}

}  // namespace raison::cpu
