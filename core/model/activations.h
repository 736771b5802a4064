// The moving state of one step on the device: one buffer per name, made once for the largest step.
#pragma once

#include <vector>

#include "core/backend/device.h"
#include "core/model/config.h"
#include "core/model/step_buffer.h"

namespace raison {

// The candidates of a row that come back from the device; filters that need more fetch the row.
inline constexpr uint32_t kTopCandidates = 128;

// The most columns of gate and up that a layer has: those of its dense feed-forward or shared experts.
int64_t WidestFeedForward(const Config& config);

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
  Tensor last;        // (logit rows, hidden)
  Tensor logits;      // (logit rows, vocabulary)
  // What the host reads of a step. The views lie behind one another for as many rows as the step has,
  // so that one copy brings them all.
  Tensor routing;     // of every MoE layer: the ids, the weights
  Tensor results;     // of the logit rows: records, candidates
  std::vector<Buffer> buffers;

  struct Routing {
    Tensor ids;      // i32 (rows, used)
    Tensor weights;  // f32 (rows, used)
  };
  Routing RoutingOf(uint32_t layer, uint32_t rows) const;
  struct Results {
    Tensor records;     // (logit rows, 8): rsn_logit_record
    Tensor top_ids;     // i32 (logit rows, candidates)
    Tensor top_values;  // (logit rows, candidates)
    Tensor top_raw;     // (logit rows, candidates)
  };
  Results ResultsOf(uint32_t logit_rows) const;

  static absl::StatusOr<Activations> Create(Device& device, const Config& config,
                                            const StepLimits& limits);
  // Adds what composed latent attention needs.
  absl::Status AddComposedMla(Device& device, const Config& config, const StepLimits& limits);
  // The buffer behind a view, for uploads and downloads.
  Buffer& BufferOf(const Tensor& tensor);

 private:
  int64_t experts_used_ = 0, candidates_ = 0;
  std::vector<uint32_t> moe_layers_before_;  // (layers)
};

}  // namespace raison
