// What a model is, in numbers for people: parameters, the ones that a token meets, the usual element
// type; and the plan, which says what lies where and how much memory it takes. Reads headers only.
#pragma once

#include <cstdint>
#include <string>

#include "core/model/model.h"

namespace raison {

struct ModelSummary {
  uint64_t parameters = 0;
  uint64_t active_parameters = 0;  // routed experts counted as often as a token uses them
  uint64_t embedding_parameters = 0;
  uint64_t weight_bytes = 0;
  std::string type;  // of the most weights
};
ModelSummary Summarize(const Model& model);

struct PlanRequest {
  uint32_t context_length = 0;  // 0: the sessions' default
  uint32_t sessions = 1;
};
struct Plan {
  struct Part {
    std::string device;
    std::string holds;  // "layers 0-3 and their cache, embedding"
  };
  std::vector<Part> parts;
  std::string why;  // who chose the devices
  uint32_t layers = 0;
  uint32_t context_length = 0;
  uint32_t sessions = 0;
  uint64_t weight_bytes = 0;
  uint64_t kv_bytes_per_token = 0;
  uint64_t kv_bytes = 0;  // of all sessions, filled
  uint64_t kv_limit = 0;  // 0: not loaded
  uint64_t work_bytes = 0;  // activations and logits of the largest step, an estimate
  uint64_t total_bytes = 0;
};
// For a model without its weights: where they would lie, were it loaded now.
absl::StatusOr<Plan> MakePlan(const Model& model, const PlanRequest& request);
std::string PlanText(const Plan& plan);
std::string PlanJson(const Plan& plan);

}  // namespace raison
