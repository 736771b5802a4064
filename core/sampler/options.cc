#include "core/sampler/options.h"

#include <cmath>
#include <limits>

#include "core/base/status.h"

namespace raison {
namespace {

// Written so that NaN, which compares false with everything, is refused.
absl::Status CheckRange(std::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; it must lie in [", low, ", ", high, "]"));
}

}  // namespace

absl::StatusOr<SamplingOrder> ParseSamplingOrder(std::string_view name) {
  if (name == "hf") return SamplingOrder::kHuggingFace;
  if (name == "llama.cpp") return SamplingOrder::kLlamaCpp;
  return absl::InvalidArgumentError(
      absl::StrCat("sampling order is \"", name, "\"; it must be \"hf\" or \"llama.cpp\""));
}

absl::Status Validate(const SamplingOptions& o, int64_t vocab_size) {
  // Generous limits: beyond them a value is a mistake (a percentage, a swapped field), and inside
  // them no f32 or f64 expression of the chain overflows.
  constexpr double kMaxTemperature = 1000, kMaxPenalty = 1000;
  constexpr double kMinRepetition = 0.001;
  constexpr double kMaxCount = std::numeric_limits<int32_t>::max();
  RSN_RETURN_IF_ERROR(CheckRange("temperature", o.temperature, 0, kMaxTemperature));
  RSN_RETURN_IF_ERROR(CheckRange("top_k", o.top_k, 0, kMaxCount));
  if (!(o.top_p > 0 && o.top_p <= 1)) {  // as NaN is refused, so is 0: it would keep nothing
    return absl::InvalidArgumentError(
        absl::StrCat("top_p is ", o.top_p, "; it must lie in (0, 1]"));
  }
  RSN_RETURN_IF_ERROR(CheckRange("min_p", o.min_p, 0, 1));
  RSN_RETURN_IF_ERROR(
      CheckRange("repetition_penalty", o.repetition_penalty, kMinRepetition, kMaxPenalty));
  RSN_RETURN_IF_ERROR(
      CheckRange("presence_penalty", o.presence_penalty, -kMaxPenalty, kMaxPenalty));
  RSN_RETURN_IF_ERROR(
      CheckRange("frequency_penalty", o.frequency_penalty, -kMaxPenalty, kMaxPenalty));
  RSN_RETURN_IF_ERROR(CheckRange("penalty_last_n", o.penalty_last_n, 0, kMaxCount));
  for (size_t i = 0; i < o.logit_bias.size(); ++i) {
    const LogitBias& b = o.logit_bias[i];
    if (b.id < 0 || b.id >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "logit_bias[", i, "].id is ", b.id, "; the vocabulary has ", vocab_size, " tokens"));
    }
    if (std::isnan(b.bias) || b.bias == std::numeric_limits<float>::infinity()) {
      return absl::InvalidArgumentError(
          absl::StrCat("logit_bias[", i, "].bias is ", b.bias, "; it must be finite or -infinity"));
    }
  }
  switch (o.order) {
    case SamplingOrder::kHuggingFace:
    case SamplingOrder::kLlamaCpp:
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("order is ", static_cast<uint32_t>(o.order), "; it must be 0 or 1"));
}

SamplingOptions MergeSampling(const SamplingOverrides& file, const SamplingOverrides& request) {
  SamplingOptions out;
  if (!file.temperature && !file.top_k && !file.top_p && !file.min_p) {
    out.temperature = 0.6;  // DeepSeek-R1's README, usage recommendations
    out.top_p = 0.95;
  }
  for (const SamplingOverrides* from : {&file, &request}) {
    out.temperature = from->temperature.value_or(out.temperature);
    out.top_k = from->top_k.value_or(out.top_k);
    out.top_p = from->top_p.value_or(out.top_p);
    out.min_p = from->min_p.value_or(out.min_p);
    out.repetition_penalty = from->repetition_penalty.value_or(out.repetition_penalty);
    out.presence_penalty = from->presence_penalty.value_or(out.presence_penalty);
    out.frequency_penalty = from->frequency_penalty.value_or(out.frequency_penalty);
    out.penalty_last_n = from->penalty_last_n.value_or(out.penalty_last_n);
    out.seed = from->seed.value_or(out.seed);
    if (from->logit_bias) out.logit_bias = *from->logit_bias;
    out.order = from->order.value_or(out.order);
  }
  return out;
}

}  // namespace raison
