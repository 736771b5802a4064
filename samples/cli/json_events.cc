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

const char* SourceName(int32_t source) {
  static constexpr const char* kNames[] = {"sampled", "forced", "injected", "prompt"};
  return NameOf(source, kNames);
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

Json Place(const char* name, const Event& event) {
  Json json = Begin(name);
  json["position"] = event.position;
  json["microseconds"] = event.microseconds;
  return json;
}

Json Alternatives(const Model& model, const Event& event) {
  Json list = Json::array();
  for (size_t i = 0; i < event.alternatives.size(); ++i) {
    list.push_back({{"token", event.alternatives[i]},
                    {"text", model.TokenText(event.alternatives[i])},
                    {"logprob", Number(event.alternative_logprobs[i])}});
  }
  return list;
}

Json Experts(const Event& event) {
  Json list = Json::array();
  for (size_t i = 0; i < event.experts.size(); ++i) {
    list.push_back({{"layer", event.expert_layers[i]},
                    {"expert", event.experts[i]},
                    {"weight", Number(event.expert_weights[i])}});
  }
  return list;
}

Json TokenJson(const Model& model, const Event& event) {
  Json json = Place("token", event);
  json["channel"] = ChannelName(event.channel);
  json["step"] = event.step;
  json["token"] = event.token;
  json["text"] = event.text;
  json["source"] = SourceName(event.source);
  json["rank"] = event.rank;
  json["logprob"] = Number(event.logprob);
  json["entropy"] = Number(event.entropy);
  json["sampled_logprob"] = Number(event.sampled_logprob);
  if (!event.alternatives.empty()) json["alternatives"] = Alternatives(model, event);
  if (!event.experts.empty()) json["experts"] = Experts(event);
  return json;
}

Json StepJson(const Event& event, const Session& session, const ModelInfo& info, bool experts) {
  const Step step = session.Step(static_cast<size_t>(event.step));
  Json json = Place("step_end", event);
  json["step"] = step.index;
  json["id"] = step.id;
  json["parent"] = step.parent;
  json["branch"] = step.branch;
  json["marker"] = MarkerName(step.marker);
  json["forced"] = (step.flags & RSN_STEP_FORCED) != 0;
  json["begin"] = step.begin;
  json["end"] = step.end;
  json["rewind"] = step.rewind;
  json["begin_seconds"] = step.begin_seconds;
  json["end_seconds"] = step.end_seconds;
  json["mean_logprob"] = Number(step.mean_logprob);
  json["lowest_logprob"] = Number(step.lowest_logprob);
  json["mean_entropy"] = Number(step.mean_entropy);
  json["confidence"] = Number(step.confidence);
  json["text"] = step.text;
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

const char* ChannelName(int32_t channel) {
  static constexpr const char* kNames[] = {"prompt", "thinking", "answer", "control"};
  return NameOf(channel, kNames);
}

const char* ThinkEndName(int32_t reason) {
  static constexpr const char* kNames[] = {"none",   "model",  "soft_budget", "hard_budget",
                                           "caller", "length", "end_of_text"};
  return NameOf(reason, kNames);
}

const char* DoneName(int32_t reason) {
  static constexpr const char* kNames[] = {
      "none",         "end",       "stop_string", "length_thinking", "length_answer",
      "context_full", "cancelled", "stopped",     "unclosed",        "failed"};
  return NameOf(reason, kNames);
}

const char* NoticeName(int32_t reason) {
  static constexpr const char* kNames[] = {
      "none",         "soft_budget", "hard_budget", "answer_reserve", "minimum",
      "end_thinking", "injected",    "rewound",     "stopped",        "cancelled", "placed"};
  return NameOf(reason, kNames);
}

const char* MarkerName(int32_t marker) {
  static constexpr const char* kNames[] = {"plain", "check", "correction", "conclusion"};
  return NameOf(marker, kNames);
}

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
  Json json;
  switch (event.kind) {
    case RSN_EVENT_PROGRESS:
      json = Place("progress", event);
      json["done"] = event.done;
      json["total"] = event.total;
      json["cached"] = event.cached;
      break;
    case RSN_EVENT_TOKEN:
      json = TokenJson(model_, event);
      break;
    case RSN_EVENT_STEP_BEGIN:
      json = Place("step_begin", event);
      json["step"] = event.step;
      break;
    case RSN_EVENT_STEP_END: {
      const ModelInfo info = model_.Info();
      const bool experts =
          info.experts > 0 && (session_.EffectiveOptions().trace & RSN_TRACE_EXPERTS) != 0;
      json = StepJson(event, session_, info, experts);
      break;
    }
    case RSN_EVENT_THINK_BEGIN:
      json = Place("think_begin", event);
      break;
    case RSN_EVENT_THINK_END:
      json = Place("think_end", event);
      json["reason"] = ThinkEndName(event.reason);
      break;
    case RSN_EVENT_NOTICE:
      json = Place("notice", event);
      json["reason"] = NoticeName(event.reason);
      json["text"] = event.text;
      break;
    case RSN_EVENT_DONE:
      json = Place("done", event);
      json["reason"] = DoneName(event.reason);
      if (event.reason == RSN_DONE_FAILED) {
        json["status"] = StatusName(event.status);
        json["error"] = event.text;
      } else {
        json["answer"] = event.text;
        json["step"] = event.step;
      }
      break;
    default:
      return "";
  }
  return Line(json);
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
