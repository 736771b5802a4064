// The moving state of one step on the device: one buffer per name, made once for the largest step.
#pragma once

#include <vector>

#include "core/backend/device.h"
#include "core/model/config.h"
#include "core/model/step_buffer.h"

namespace raison {

// The candidates of a row that come back from the device; filters that need more fetch the row.
inline constexpr uint32_t kTopCandidates = 128;

struct Activations {
  Tensor x;           // (rows, hidden): the residual stream
  Tensor h;           // (rows, hidden): normalised
  Tensor rope;        // (rows, pairs, 2)
  Tensor q;           // (rows, heads * (head_dim or nope + rope))
  Tensor k, v;        // (rows, kv_heads * head_dim)
  Tensor q_latent;    // (rows, q_lora_rank)
  Tensor kv_latent;   // (rows, kv_lora_rank + rope)
  // Only where a device composes latent attention:
  Tensor mla_query;   // (rows, heads, kv_lora_rank + rope): absorbed queries
  Tensor mla_latent;  // (rows, heads, kv_lora_rank): what was attended to
  Tensor attended;    // (rows, heads * (head_dim or v_head_dim))
  Tensor gate, up;    // (rows, widest feed-forward)
  Tensor router;      // (rows, experts)
  std::vector<Tensor> expert_ids;      // i32 (rows, used), one per layer; empty for dense layers
  std::vector<Tensor> expert_weights;  // f32 (rows, used), one per layer
  Tensor last;        // (logit rows, hidden)
  Tensor logits;      // (logit rows, vocabulary)
  Tensor records;     // (logit rows, 8): rsn_logit_record
  Tensor top_ids;     // i32 (logit rows, kTopCandidates)
  Tensor top_values;  // (logit rows, kTopCandidates)
  Tensor top_raw;     // (logit rows, kTopCandidates)
  std::vector<Buffer> buffers;

  static absl::StatusOr<Activations> Create(Device& device, const Config& config,
                                            const StepLimits& limits);
  // Adds what composed latent attention needs.
  absl::Status AddComposedMla(Device& device, const Config& config, const StepLimits& limits);
  // The buffer behind a view, for uploads and downloads.
  Buffer& BufferOf(const Tensor& tensor);
};

}  // namespace raison
