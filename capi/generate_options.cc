#include "capi/generate_options.h"

#include <cmath>

#include "capi/structs.h"
#include "capi/text.h"
#include "core/model/text/json_text.h"

namespace raison::capi {
namespace {

// Bounds of what is allocated for a caller's arrays: above any vocabulary, above any use.
constexpr size_t kMaxLogitBias = size_t{1} << 22;
constexpr size_t kMaxStop = 4096;

rsn_status CheckEnum(const char* name, int32_t value, int32_t last) {
  if (value >= 0 && value <= last) return RSN_OK;
  return FailWith(RSN_ERR_ARGUMENT, name, " = ", value, ": wanted 0..", last);
}

void TakeFloat(float value, std::optional<double>* to) {
  if (!std::isnan(value)) *to = value;
}

rsn_status ReadLogitBias(const rsn_generate_options& o, std::optional<std::vector<LogitBias>>* to) {
  if (o.logit_bias_count == 0) return RSN_OK;
  if (o.logit_bias_tokens == nullptr || o.logit_bias == nullptr) {
    return FailWith(RSN_ERR_ARGUMENT, "logit_bias_count = ", o.logit_bias_count,
                    ", but an array is NULL");
  }
  if (o.logit_bias_count > kMaxLogitBias) {
    return FailWith(RSN_ERR_ARGUMENT, "logit_bias_count = ", o.logit_bias_count, ": at most ",
                    kMaxLogitBias);
  }
  to->emplace().reserve(o.logit_bias_count);
  for (size_t i = 0; i < o.logit_bias_count; ++i) {
    (*to)->push_back({o.logit_bias_tokens[i], o.logit_bias[i]});
  }
  return RSN_OK;
}

rsn_status ReadStop(const rsn_generate_options& o, std::vector<std::string>* to) {
  if (o.stop_count == 0) return RSN_OK;
  if (o.stop == nullptr) {
    return FailWith(RSN_ERR_ARGUMENT, "stop_count = ", o.stop_count, ", but stop is NULL");
  }
  if (o.stop_count > kMaxStop) {
    return FailWith(RSN_ERR_ARGUMENT, "stop_count = ", o.stop_count, ": at most ", kMaxStop);
  }
  to->reserve(o.stop_count);
  for (size_t i = 0; i < o.stop_count; ++i) {
    std::string_view text;
    const size_t size = o.stop_sizes == nullptr ? RSN_NUL : o.stop_sizes[i];
    RSN_CAPI_RETURN_IF_ERROR(ReadText("stop", o.stop[i], size, &text));
    RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("stop", text));
    to->emplace_back(text);
  }
  return RSN_OK;
}

}  // namespace

rsn_status ReadGenerateOptions(const rsn_generate_options* options, GenerateOptions* out) {
  rsn_generate_options o;
  RSN_CAPI_RETURN_IF_ERROR(ReadStruct("rsn_generate_options", options, &o));
  RSN_CAPI_RETURN_IF_ERROR(CheckEnum("thinking", o.thinking, RSN_THINKING_OFF));
  RSN_CAPI_RETURN_IF_ERROR(CheckEnum("release", o.release, RSN_RELEASE_STEP));
  RSN_CAPI_RETURN_IF_ERROR(CheckEnum("sampling_order", o.sampling_order, RSN_ORDER_LLAMA_CPP));
  if ((o.trace & ~uint32_t{RSN_TRACE_EXPERTS | RSN_TRACE_PROMPT}) != 0) {
    return FailWith(RSN_ERR_ARGUMENT, "trace = ", o.trace, ": has unknown bits");
  }
  if (o.reserved != 0) return Fail(RSN_ERR_ARGUMENT, "rsn_generate_options.reserved is not 0");
  RSN_CAPI_RETURN_IF_ERROR(ReadLogitBias(o, &out->sampling.logit_bias));
  RSN_CAPI_RETURN_IF_ERROR(ReadStop(o, &out->stop));
  std::string_view continuation, arguments;
  RSN_CAPI_RETURN_IF_ERROR(
      ReadOptionalText("continuation", o.continuation, o.continuation_size, &continuation));
  RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("continuation", continuation));
  RSN_CAPI_RETURN_IF_ERROR(ReadOptionalText("template_arguments", o.template_arguments,
                                            o.template_arguments_size, &arguments));
  if (!arguments.empty()) {
    RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("template_arguments", arguments));
    const auto json = ParseJson(arguments, "template_arguments");
    if (!json.ok()) {
      const absl::string_view why = json.status().message();
      return Fail(RSN_ERR_TEXT, std::string_view(why.data(), why.size()));
    }
    if (!json->is_object()) return Fail(RSN_ERR_TEXT, "template_arguments: not a JSON object");
  }

  out->max_tokens = o.max_tokens;
  out->branch = o.branch;
  out->thinking = static_cast<ThinkingMode>(o.thinking);
  TakeFloat(o.temperature, &out->sampling.temperature);
  TakeFloat(o.top_p, &out->sampling.top_p);
  TakeFloat(o.min_p, &out->sampling.min_p);
  TakeFloat(o.repetition_penalty, &out->sampling.repetition_penalty);
  TakeFloat(o.presence_penalty, &out->sampling.presence_penalty);
  TakeFloat(o.frequency_penalty, &out->sampling.frequency_penalty);
  if (o.top_k != RSN_UNSET) out->sampling.top_k = o.top_k;
  if (o.penalty_last_n != RSN_UNSET) out->sampling.penalty_last_n = o.penalty_last_n;
  out->sampling.seed = o.seed;
  out->sampling.order = static_cast<SamplingOrder>(o.sampling_order);
  out->release_steps = o.release == RSN_RELEASE_STEP;
  out->think_budget_soft = o.think_budget_soft;
  out->think_budget_hard = o.think_budget_hard;
  out->think_minimum = o.think_minimum;
  out->answer_reserve = o.answer_reserve;
  out->trace_experts = (o.trace & RSN_TRACE_EXPERTS) != 0;
  out->trace_prompt = (o.trace & RSN_TRACE_PROMPT) != 0;
  if (continuation.data() != nullptr) out->continuation = std::string(continuation);
  out->template_arguments = std::string(arguments);
  out->alternatives = o.alternatives == RSN_UNSET ? 0 : o.alternatives;
  out->exclude_first_token = o.exclude_first_token != 0;
  out->continue_last = o.continue_last != 0;
  out->wait_ms = o.wait_ms == RSN_UNSET ? kDefaultWaitMs : o.wait_ms;
  return RSN_OK;
}

rsn_generate_options EffectiveOptions(const rsn_session& session, const ResolvedOptions& options) {
  rsn_generate_options o = Defaults<rsn_generate_options>();
  o.max_tokens = options.max_tokens;
  o.branch = options.branch;
  o.thinking = static_cast<int32_t>(options.thinking);
  o.temperature = static_cast<float>(options.chain.temperature);
  o.top_p = static_cast<float>(options.chain.top_p);
  o.min_p = static_cast<float>(options.chain.min_p);
  o.repetition_penalty = static_cast<float>(options.chain.repetition_penalty);
  o.presence_penalty = static_cast<float>(options.chain.presence_penalty);
  o.frequency_penalty = static_cast<float>(options.chain.frequency_penalty);
  o.top_k = options.chain.top_k;
  o.penalty_last_n = options.chain.penalty_last_n;
  o.seed = options.chain.seed;
  o.sampling_order = static_cast<int32_t>(options.chain.order);
  session.logit_bias_tokens.clear();
  session.logit_bias.clear();
  for (const LogitBias& bias : options.chain.logit_bias) {
    session.logit_bias_tokens.push_back(bias.id);
    session.logit_bias.push_back(bias.bias);
  }
  o.logit_bias_count = session.logit_bias.size();
  if (o.logit_bias_count > 0) {
    o.logit_bias_tokens = session.logit_bias_tokens.data();
    o.logit_bias = session.logit_bias.data();
  }
  session.stop.clear();
  session.stop_sizes.clear();
  for (const std::string& text : options.stop) {
    session.stop.push_back(text.data());
    session.stop_sizes.push_back(text.size());
  }
  o.stop_count = session.stop.size();
  if (o.stop_count > 0) {
    o.stop = session.stop.data();
    o.stop_sizes = session.stop_sizes.data();
  }
  o.release = options.release_steps ? RSN_RELEASE_STEP : RSN_RELEASE_TOKEN;
  o.think_budget_soft = options.think_budget_soft;
  o.think_budget_hard = options.think_budget_hard;
  o.think_minimum = options.think_minimum;
  o.answer_reserve = options.answer_reserve;
  if (options.trace_experts) o.trace |= RSN_TRACE_EXPERTS;
  if (options.trace_prompt) o.trace |= RSN_TRACE_PROMPT;
  LendText(options.continuation, &o.continuation, &o.continuation_size);
  if (!options.template_arguments.empty()) {
    LendText(options.template_arguments, &o.template_arguments, &o.template_arguments_size);
  }
  o.alternatives = options.alternatives;
  o.exclude_first_token = options.exclude_first_token;
  o.continue_last = options.continue_last;
  o.wait_ms = options.wait_ms;
  return o;
}

}  // namespace raison::capi
