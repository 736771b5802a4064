// Events and steps as JSON: the same bytes for every language. Pure functions of the caller's
// struct; the keys are those of docs/trace.schema.json. Refuses structs whose lists lie about
// themselves.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "capi/structs.h"
#include "capi/text.h"

namespace raison::capi {
namespace {

using Json = nlohmann::ordered_json;

// Raised together with the schema's, when a reader of the former lines would misread one.
constexpr int kVersion = 1;

template <size_t kCount>
const char* NameOf(int32_t number, const char* const (&names)[kCount]) {
  return number >= 0 && static_cast<size_t>(number) < kCount ? names[number] : "unknown";
}

constexpr const char* kKinds[] = {"none",        "progress",  "token",  "step_begin", "step_end",
                                  "think_begin", "think_end", "notice", "done"};
constexpr const char* kChannels[] = {"prompt", "thinking", "answer", "control"};
constexpr const char* kSources[] = {"sampled", "forced", "injected", "prompt"};
constexpr const char* kThinkEnds[] = {"none",   "model",  "soft_budget", "hard_budget",
                                      "caller", "length", "end_of_text"};
constexpr const char* kDones[] = {"none",          "end",          "stop_string", "length_thinking",
                                  "length_answer", "context_full", "cancelled",   "stopped",
                                  "unclosed",      "failed"};
constexpr const char* kNotices[] = {"none",    "soft_budget",  "hard_budget", "answer_reserve",
                                    "minimum", "end_thinking", "injected",    "rewound",
                                    "stopped", "cancelled",    "placed"};
constexpr const char* kMarkers[] = {"plain", "check", "correction", "conclusion"};

// JSON has no NaN; seven digits say all that a float knows.
Json Number(float value) {
  if (!std::isfinite(value)) return nullptr;
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.7g", static_cast<double>(value));
  return std::strtod(digits, nullptr);
}

Json Seconds(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string Text(const char* text, size_t size) {
  return text == nullptr ? std::string() : std::string(text, size);
}

void PutToken(const rsn_event& e, Json& json) {
  json["channel"] = NameOf(e.channel, kChannels);
  json["step"] = e.step;
  json["token"] = e.token;
  json["text"] = Text(e.text, e.text_size);
  json["source"] = NameOf(e.source, kSources);
  json["rank"] = e.rank;
  json["logprob"] = Number(e.logprob);
  json["entropy"] = Number(e.entropy);
  json["sampled_logprob"] = Number(e.sampled_logprob);
  for (size_t i = 0; i < e.alternative_count; ++i) {
    json["alternatives"].push_back(
        {{"token", e.alternatives[i]}, {"logprob", Number(e.alternative_logprobs[i])}});
  }
  for (size_t i = 0; i < e.expert_count; ++i) {
    json["experts"].push_back({{"layer", e.expert_layers[i]},
                               {"expert", e.experts[i]},
                               {"weight", Number(e.expert_weights[i])}});
  }
}

void PutDone(const rsn_event& e, Json& json) {
  json["reason"] = NameOf(e.reason, kDones);
  if (e.reason == RSN_DONE_FAILED) {
    json["status"] = rsn_status_name(e.status);
    json["error"] = Text(e.text, e.text_size);
  } else {
    json["answer"] = Text(e.text, e.text_size);
    json["step"] = e.step;
  }
}

Json ToJson(const rsn_event& e) {
  Json json = {{"v", kVersion},
               {"event", NameOf(e.kind, kKinds)},
               {"position", e.position},
               {"microseconds", e.microseconds}};
  switch (e.kind) {
    case RSN_EVENT_PROGRESS:
      json["done"] = e.done;
      json["total"] = e.total;
      json["cached"] = e.cached;
      break;
    case RSN_EVENT_TOKEN:
      PutToken(e, json);
      break;
    case RSN_EVENT_STEP_BEGIN:
      json["step"] = e.step;
      break;
    case RSN_EVENT_STEP_END:
      json["step"] = e.step;
      json["text"] = Text(e.text, e.text_size);
      break;
    case RSN_EVENT_THINK_END:
      json["reason"] = NameOf(e.reason, kThinkEnds);
      break;
    case RSN_EVENT_NOTICE:
      json["reason"] = NameOf(e.reason, kNotices);
      json["text"] = Text(e.text, e.text_size);
      break;
    case RSN_EVENT_DONE:
      PutDone(e, json);
      break;
    default:
      break;
  }
  return json;
}

Json ToJson(const rsn_step& s) {
  return {{"step", s.index},
          {"id", s.id},
          {"parent", s.parent},
          {"branch", s.branch},
          {"marker", NameOf(s.marker, kMarkers)},
          {"forced", (s.flags & RSN_STEP_FORCED) != 0},
          {"discarded", (s.flags & RSN_STEP_DISCARDED) != 0},
          {"open", (s.flags & RSN_STEP_OPEN) != 0},
          {"begin", s.begin},
          {"end", s.end},
          {"rewind", s.rewind},
          {"begin_seconds", Seconds(s.begin_seconds)},
          {"end_seconds", Seconds(s.end_seconds)},
          {"mean_logprob", Number(s.mean_logprob)},
          {"lowest_logprob", Number(s.lowest_logprob)},
          {"mean_entropy", Number(s.mean_entropy)},
          {"confidence", Number(s.confidence)},
          {"text", Text(s.text, s.text_size)}};
}

rsn_status CheckList(const char* name, size_t count, std::initializer_list<const void*> lists) {
  for (const void* list : lists) {
    if (list == nullptr && count > 0) {
      return FailWith(RSN_ERR_ARGUMENT, name, ": a list of ", count, " is NULL");
    }
  }
  return RSN_OK;
}

rsn_status CheckText(const char* text, size_t size) {
  return CheckList("text", size == RSN_NUL ? 1 : size, {text});
}

rsn_status Check(const rsn_event& e) {
  RSN_CAPI_RETURN_IF_ERROR(CheckText(e.text, e.text_size));
  RSN_CAPI_RETURN_IF_ERROR(
      CheckList("alternatives", e.alternative_count, {e.alternatives, e.alternative_logprobs}));
  return CheckList("experts", e.expert_count, {e.expert_layers, e.experts, e.expert_weights});
}

rsn_status Check(const rsn_step& s) { return CheckText(s.text, s.text_size); }

template <typename Struct>
rsn_status WriteJson(const char* name, const Struct* from, char* text, size_t capacity,
                     size_t* text_size) {
  return Guard([&]() -> rsn_status {
    if (from == nullptr) return FailWith(RSN_ERR_ARGUMENT, name, ": NULL");
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(text, capacity, text_size));
    Struct value;
    RSN_CAPI_RETURN_IF_ERROR(ReadStruct(name, from, &value));
    if (value.text != nullptr && value.text_size == RSN_NUL) {
      value.text_size = std::strlen(value.text);
    }
    RSN_CAPI_RETURN_IF_ERROR(Check(value));
    // A token's bytes may be a part of a code point: U+FFFD for those.
    const std::string line = ToJson(value).dump(-1, ' ', false, Json::error_handler_t::replace);
    return WriteArray(line.data(), line.size(), text, capacity, text_size);
  });
}

}  // namespace
}  // namespace raison::capi

extern "C" {

rsn_status rsn_event_json(const rsn_event* event, char* text, size_t capacity, size_t* text_size) {
  return raison::capi::WriteJson("rsn_event", event, text, capacity, text_size);
}

rsn_status rsn_step_json(const rsn_step* step, char* text, size_t capacity, size_t* text_size) {
  return raison::capi::WriteJson("rsn_step", step, text, capacity, text_size);
}

}  // extern "C"
