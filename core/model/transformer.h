// The forward pass, written once for a ragged step over the back-end table, in the papers' order.
// No device, no dtype and no batch size is asked for here. Used by one thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "core/backend/queue.h"
#include "core/kv/kv_cache.h"
#include "core/model/activations.h"
#include "core/model/config.h"
#include "core/model/step.h"
#include "core/model/step_buffer.h"
#include "core/model/weights.h"

namespace raison {

class Transformer {
 public:
  struct Parts {
    std::shared_ptr<Device> device;
    const Config* config = nullptr;
    const Weights* weights = nullptr;
    KvCache* cache = nullptr;
    StepLimits limits;
    bool exact = false;  // one form of MLA for every number of rows
  };
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(const Parts& parts);

  const StepLimits& limits() const { return limits_; }

  // Runs the step and fills one LogitRow for every row whose logits are wanted, in order. `stop` is
  // asked between layers; when it says so the step ends with CANCELLED and the sequences' newest
  // positions hold nothing usable.
  absl::Status Run(const Step& step, const std::function<bool()>& stop,
                   std::vector<LogitRow>* logits);

  // After Run: a whole raw row of logits (vocabulary), row counted among the wanted ones.
  absl::Status FetchLogits(uint32_t logit_row, std::vector<float>* out);
  // After Run: what row `row` of the step routed to, one entry per MoE layer.
  absl::Status FetchRouting(uint32_t first_row, uint32_t rows,
                            std::vector<std::vector<RoutedRow>>* out);

  // Steps that were replayed from a recording (for tests and `bench`).
  uint64_t replayed() const { return replayed_; }

 private:
  Transformer() = default;
  void Forward(const std::function<bool()>& stop);
  void Attention(uint32_t layer);
  void MultiHeadLatentAttention(uint32_t layer);
  void Ffn(const FfnWeights& w);
  void Moe(uint32_t layer);
  void Logits();
  Tensor Step(const Tensor& activation) const;  // this step's rows of it
  absl::Status ReadLogits(std::vector<LogitRow>* out);

  std::shared_ptr<Device> device_;
  std::unique_ptr<Queue> queue_;
  bool exact_ = false;
  const Config* config_ = nullptr;
  const Weights* weights_ = nullptr;
  KvCache* cache_ = nullptr;
  StepLimits limits_;
  StepBuffer step_;
  Activations act_;
  std::map<uint32_t, Recording> recordings_;  // of decode steps, by number of sequences
  uint64_t replayed_ = 0;
  bool stopped_ = false;
};

}  // namespace raison
