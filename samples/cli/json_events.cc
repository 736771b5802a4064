#include "samples/cli/json_events.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace raison::cli {
namespace {

using Json = nlohmann::ordered_json;

template <size_t kCount>
const char* NameOf(int32_t number, const char* const (&names)[kCount]) {
  return number >= 0 && static_cast<size_t>(number) < kCount ? names[number] : "unknown";
}

// JSON has no NaN; seven digits say all that a float knows.
Json Number(float value) {
  if (!std::isfinite(value)) return nullptr;
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.7g", static_cast<double>(value));
  return std::strtod(digits, nullptr);
}

// The library's C strings may hold bytes that are no UTF-8 (pieces of tokens): U+FFFD for those.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json Begin(const char* event) { return {{"v", kTraceVersion}, {"event", event}}; }

// The library's object, with what is known here only: the texts of alternatives.
Json TokenJson(const Model& model, const Event& event) {
  Json json = Json::parse(ToJson(event));
  if (event.alternatives.empty()) return json;
  Json list = Json::array();
  for (size_t i = 0; i < event.alternatives.size(); ++i) {
    list.push_back({{"token", event.alternatives[i]},
                    {"text", model.TokenText(event.alternatives[i])},
                    {"logprob", Number(event.alternative_logprobs[i])}});
  }
  json["alternatives"] = std::move(list);
  return json;
}

// The event's place, then the step's own numbers.
Json StepJson(const Event& event, const Session& session, const ModelInfo& info, bool experts) {
  Json json = Json::parse(ToJson(event));
  json.erase("text");
  const Json step = Json::parse(ToJson(session.Step(static_cast<size_t>(event.step))));
  for (const auto& [key, value] : step.items()) {
    if (key != "discarded" && key != "open") json[key] = value;  // an ended step is neither
  }
  if (!experts) return json;
  const std::vector<uint32_t> counts = session.StepExperts(static_cast<size_t>(event.step));
  Json layers = Json::array();
  for (size_t at = 0; at + info.experts <= counts.size(); at += info.experts) {
    layers.push_back(
        std::vector<uint32_t>(counts.begin() + at, counts.begin() + at + info.experts));
  }
  json["experts"] = std::move(layers);
  return json;
}

Json OptionsJson(const GenerateOptions& o) {
  static constexpr const char* kThinking[] = {"auto", "on", "off"};
  return {{"seed", o.seed},
          {"branch", o.branch},
          {"temperature", Number(o.temperature)},
          {"top_p", Number(o.top_p)},
          {"top_k", o.top_k},
          {"min_p", Number(o.min_p)},
          {"repetition_penalty", Number(o.repetition_penalty)},
          {"presence_penalty", Number(o.presence_penalty)},
          {"frequency_penalty", Number(o.frequency_penalty)},
          {"max_tokens", o.max_tokens},
          {"stop", o.stop},
          {"thinking", NameOf(o.thinking, kThinking)},
          {"think_budget_soft", o.think_budget_soft},
          {"think_budget_hard", o.think_budget_hard},
          {"think_minimum", o.think_minimum},
          {"answer_reserve", o.answer_reserve},
          {"alternatives", o.alternatives}};
}

}  // namespace

std::string JsonEvents::RequestLine(const std::string& question) const {
  const ModelInfo info = model_.Info();
  Json json = Begin("request");
  json["raison"] = VersionText();
  json["model"] = {{"name", info.name},     {"architecture", info.architecture},
                   {"type", info.type},     {"parameters", info.parameters},
                   {"layers", info.layers}, {"experts", info.experts},
                   {"device", info.device}};
  json["question"] = question;
  json["options"] = OptionsJson(session_.EffectiveOptions());
  return Line(json);
}

std::string JsonEvents::EventLine(const Event& event) const {
  switch (event.kind) {
    case RSN_EVENT_TOKEN:
      return Line(TokenJson(model_, event));
    case RSN_EVENT_STEP_END: {
      const ModelInfo info = model_.Info();
      const bool experts =
          info.experts > 0 && (session_.EffectiveOptions().trace & RSN_TRACE_EXPERTS) != 0;
      return Line(StepJson(event, session_, info, experts));
    }
    case RSN_EVENT_PROGRESS:
    case RSN_EVENT_STEP_BEGIN:
    case RSN_EVENT_THINK_BEGIN:
    case RSN_EVENT_THINK_END:
    case RSN_EVENT_NOTICE:
    case RSN_EVENT_DONE:
      return ToJson(event) + "\n";
    default:
      return "";
  }
}

std::string JsonEvents::UsageLine() const {
  const Usage u = session_.Usage();
  Json json = Begin("usage");
  json["prompt_tokens"] = u.prompt_tokens;
  json["cached_tokens"] = u.cached_tokens;
  json["thinking_tokens"] = u.thinking_tokens;
  json["answer_tokens"] = u.answer_tokens;
  json["forced_tokens"] = u.forced_tokens;
  json["discarded_tokens"] = u.discarded_tokens;
  json["passes"] = u.passes;
  json["prompt_seconds"] = u.prompt_seconds;
  json["thinking_seconds"] = u.thinking_seconds;
  json["answer_seconds"] = u.answer_seconds;
  json["total_seconds"] = u.total_seconds;
  return Line(json);
}

}  // namespace raison::cli
