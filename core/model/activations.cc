#include "core/model/activations.h"

#include <algorithm>

namespace raison {
namespace {

// Views are as far apart as a device's widest loads.
constexpr int64_t kAlignedWords = 16;

// Words of a view of this many rows in a buffer that is read in one copy.
int64_t Words(int64_t rows, int64_t width) {
  return (rows * width + kAlignedWords - 1) / kAlignedWords * kAlignedWords;
}

// Words of 4 bytes, cut into views one after the other.
class Cutter {
 public:
  Cutter(const Tensor& whole, int64_t at) : whole_(whole), at_(at) {}
  Tensor Next(int64_t rows, int64_t width, DType dtype = DType::kF32) {
    const uint64_t offset = whole_.offset + static_cast<uint64_t>(at_) * 4;
    at_ += Words(rows, width);
    return DenseTensor(whole_.buffer, offset, dtype, {rows, width});
  }

 private:
  const Tensor& whole_;
  int64_t at_;
};

constexpr int64_t kRecordWords = sizeof(rsn_logit_record) / 4;

}  // namespace

int64_t WidestFeedForward(const Config& c) {
  int64_t width = 0;
  for (uint32_t l = 0; l < c.num_hidden_layers; ++l) {
    width = std::max(width, c.IsMoeLayer(l)
                                ? int64_t{c.moe.n_shared_experts} * c.moe.moe_intermediate_size
                                : int64_t{c.intermediate_size});
  }
  return width;
}

absl::StatusOr<Activations> Activations::Create(Device& device, const Config& c,
                                                const StepLimits& limits) {
  Activations a{};  // a view that is not made has no buffer
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

  int64_t moe_layers = 0;
  a.experts_used_ = c.moe.num_experts_per_tok;
  for (uint32_t l = 0; l < c.num_hidden_layers; ++l) {
    a.moe_layers_before_.push_back(static_cast<uint32_t>(moe_layers));
    if (c.IsMoeLayer(l)) ++moe_layers;
  }
  if (moe_layers > 0) make(a.routing, {2 * moe_layers * Words(rows, a.experts_used_)});
  if (const int64_t width = WidestFeedForward(c); width > 0) {
    make(a.gate, {rows, width});
    make(a.up, {rows, width});
  }
  if (c.moe.n_routed_experts > 0) make(a.router, {rows, c.moe.n_routed_experts});

  make(a.last, {logit_rows, c.hidden_size});
  make(a.logits, {logit_rows, c.vocab_size});
  a.candidates_ = std::min(kTopCandidates, c.vocab_size);
  make(a.results, {Words(logit_rows, kRecordWords) + 3 * Words(logit_rows, a.candidates_)});
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

Activations::Routing Activations::RoutingOf(uint32_t layer, uint32_t rows) const {
  Cutter cutter(routing, 2 * int64_t{moe_layers_before_[layer]} * Words(rows, experts_used_));
  Routing of;
  of.ids = cutter.Next(rows, experts_used_, DType::kI32);
  of.weights = cutter.Next(rows, experts_used_);
  return of;
}

Activations::Results Activations::ResultsOf(uint32_t logit_rows) const {
  Cutter cutter(results, 0);
  Results of;
  of.records = cutter.Next(logit_rows, kRecordWords);
  of.top_ids = cutter.Next(logit_rows, candidates_, DType::kI32);
  of.top_values = cutter.Next(logit_rows, candidates_);
  of.top_raw = cutter.Next(logit_rows, candidates_);
  return of;
}

Buffer& Activations::BufferOf(const Tensor& tensor) {
  return *std::find_if(buffers.begin(), buffers.end(),
                       [&](const Buffer& b) { return b.get() == tensor.buffer; });
}

}  // namespace raison
