#include "core/session/options.h"

#include <algorithm>
#include <cmath>

namespace raison {
namespace {

absl::Status CheckRange(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " = ", value, ": wanted ", low, "..", high));
}

absl::Status CheckOptional(const char* name, int32_t value) {
  return value == kUnset ? absl::OkStatus() : CheckRange(name, value, 0, INT32_MAX);
}

SamplingOverrides Recommended(const RecommendedSampling& file) {
  SamplingOverrides out;
  const auto take = [](float value, std::optional<double>* to) {
    if (!std::isnan(value)) *to = value;
  };
  take(file.temperature, &out.temperature);
  take(file.top_p, &out.top_p);
  take(file.min_p, &out.min_p);
  take(file.repetition_penalty, &out.repetition_penalty);
  if (file.top_k >= 0) out.top_k = file.top_k;
  return out;
}

}  // namespace

absl::StatusOr<ResolvedOptions> Resolve(const GenerateOptions& options, const Model& model,
                                        int32_t context_length) {
  ResolvedOptions out{options, {}};
  out.chain = MergeSampling(Recommended(model.recommended_sampling()), options.sampling);
  RSN_RETURN_IF_ERROR(Validate(out.chain, model.config().vocab_size));
  if (options.max_tokens != kUnset) {
    RSN_RETURN_IF_ERROR(CheckRange("max_tokens", options.max_tokens, 1, INT32_MAX));
  }
  RSN_RETURN_IF_ERROR(CheckOptional("branch", options.branch));
  RSN_RETURN_IF_ERROR(CheckOptional("think_budget_soft", options.think_budget_soft));
  RSN_RETURN_IF_ERROR(CheckOptional("think_budget_hard", options.think_budget_hard));
  RSN_RETURN_IF_ERROR(CheckOptional("think_minimum", options.think_minimum));
  RSN_RETURN_IF_ERROR(CheckOptional("answer_reserve", options.answer_reserve));
  RSN_RETURN_IF_ERROR(CheckRange("alternatives", options.alternatives, 0, kMaxAlternatives));
  RSN_RETURN_IF_ERROR(CheckRange("wait_ms", options.wait_ms, 0, INT32_MAX));
  RSN_RETURN_IF_ERROR(CheckRange("thinking", static_cast<int32_t>(options.thinking), 0, 2));
  for (const std::string& stop : options.stop) {
    if (stop.empty()) return absl::InvalidArgumentError("stop: an empty text stops nothing");
  }
  if (options.think_minimum != kUnset && options.think_budget_hard != kUnset &&
      options.think_minimum > options.think_budget_hard) {
    return absl::InvalidArgumentError(absl::StrCat("think_minimum = ", options.think_minimum,
                                                   " is above think_budget_hard = ",
                                                   options.think_budget_hard));
  }
  if (options.think_minimum != kUnset && options.continuation.empty()) {
    return absl::InvalidArgumentError("continuation: think_minimum needs a text to go on with");
  }
  if (options.trace_experts && model.config().moe.n_routed_experts == 0) {
    out.trace_experts = false;  // a dense model has none: nothing is recorded
  }
  if (out.answer_reserve == kUnset) {
    const int32_t room =
        options.max_tokens == kUnset ? context_length : std::min(options.max_tokens, context_length);
    out.answer_reserve = std::min(kDefaultAnswerReserve, room / 4);
  }
  return out;
}

BudgetPolicy NewBudget(const ResolvedOptions& options, int64_t room) {
  const auto optional = [](int32_t value) {
    return value == kUnset ? std::nullopt : std::optional<int64_t>(value);
  };
  if (options.max_tokens != kUnset) room = std::min<int64_t>(room, options.max_tokens);
  return BudgetPolicy({.soft = optional(options.think_budget_soft),
                       .hard = optional(options.think_budget_hard),
                       .minimum = optional(options.think_minimum),
                       .answer_reserve = optional(options.answer_reserve)},
                      room);
}

}  // namespace raison
