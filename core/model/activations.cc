#include "core/model/activations.h"

#include <algorithm>

namespace raison {

absl::StatusOr<Activations> Activations::Create(Device& device, const Config& c,
                                                const StepLimits& limits) {
  Activations a;
  const int64_t rows = limits.rows, logit_rows = limits.logit_rows;
  absl::Status status;
  const auto make = [&](Tensor& t, std::initializer_list<int64_t> shape,
                        DType dtype = DType::kF32) {
    if (!status.ok()) return;
    const uint64_t bytes = TensorBytes(DenseTensor(nullptr, 0, dtype, shape));
    auto buffer = device.NewBuffer(bytes);
    if (!buffer.ok()) {
      status = buffer.status();
      return;
    }
    t = buffer->View(dtype, shape);
    a.buffers.push_back(*std::move(buffer));
  };

  const MlaConfig& m = c.mla;
  const int64_t heads = c.num_attention_heads;
  const int64_t q_dim = c.IsMla() ? m.qk_nope_head_dim + m.qk_rope_head_dim : c.head_dim;
  const int64_t value_dim = c.IsMla() ? m.v_head_dim : c.head_dim;
  make(a.x, {rows, c.hidden_size});
  make(a.h, {rows, c.hidden_size});
  make(a.rope, {rows, c.rope.dimension / 2, 2});
  make(a.q, {rows, heads * q_dim});
  if (c.IsMla()) {
    if (m.q_lora_rank > 0) make(a.q_latent, {rows, m.q_lora_rank});
    make(a.kv_latent, {rows, int64_t{m.kv_lora_rank} + m.qk_rope_head_dim});
  } else {
    make(a.k, {rows, int64_t{c.num_key_value_heads} * c.head_dim});
    make(a.v, {rows, int64_t{c.num_key_value_heads} * c.head_dim});
  }
  make(a.attended, {rows, heads * value_dim});

  int64_t width = 0;
  a.expert_ids.resize(c.num_hidden_layers);
  a.expert_weights.resize(c.num_hidden_layers);
  for (uint32_t l = 0; l < c.num_hidden_layers; ++l) {
    if (!c.IsMoeLayer(l)) {
      width = std::max<int64_t>(width, c.intermediate_size);
      continue;
    }
    width = std::max<int64_t>(width, int64_t{c.moe.n_shared_experts} * c.moe.moe_intermediate_size);
    make(a.expert_ids[l], {rows, c.moe.num_experts_per_tok}, DType::kI32);
    make(a.expert_weights[l], {rows, c.moe.num_experts_per_tok});
  }
  if (width > 0) {
    make(a.gate, {rows, width});
    make(a.up, {rows, width});
  }
  if (c.moe.n_routed_experts > 0) make(a.router, {rows, c.moe.n_routed_experts});

  make(a.last, {logit_rows, c.hidden_size});
  make(a.logits, {logit_rows, c.vocab_size});
  make(a.records, {logit_rows, 8});
  const int64_t top = std::min(kTopCandidates, c.vocab_size);
  make(a.top_ids, {logit_rows, top}, DType::kI32);
  make(a.top_values, {logit_rows, top});
  make(a.top_raw, {logit_rows, top});
  if (!status.ok()) return status;
  return a;
}

absl::Status Activations::AddComposedMla(Device& device, const Config& c,
                                         const StepLimits& limits) {
  const auto make = [&](Tensor& t, int64_t width) -> absl::Status {
    const int64_t rows = limits.rows, heads = c.num_attention_heads;
    RSN_ASSIGN_OR_RETURN(Buffer buffer,
                         device.NewBuffer(static_cast<uint64_t>(rows * heads * width) * 4));
    t = buffer.View(DType::kF32, {rows, heads, width});
    buffers.push_back(std::move(buffer));
    return absl::OkStatus();
  };
  RSN_RETURN_IF_ERROR(make(mla_query, int64_t{c.mla.kv_lora_rank} + c.mla.qk_rope_head_dim));
  return make(mla_latent, c.mla.kv_lora_rank);
}

Buffer& Activations::BufferOf(const Tensor& tensor) {
  return *std::find_if(buffers.begin(), buffers.end(),
                       [&](const Buffer& b) { return b.get() == tensor.buffer; });
}

}  // namespace raison
