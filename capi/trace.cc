// The noun "session": what it holds. Steps, tokens, texts, counts.
#include "capi/generate_options.h"
#include "capi/session_use.h"
#include "capi/structs.h"
#include "capi/text.h"

namespace raison::capi {
namespace {

template <typename Body>
rsn_status Read(const rsn_session* session, Body body) {
  return Guard([&]() -> rsn_status {
    SessionUse use;
    RSN_CAPI_RETURN_IF_ERROR(use.Enter(session, SessionUse::Kind::kInside));
    return body(*session->session);
  });
}

rsn_status CheckNotNull(const char* name, const void* pointer) {
  return pointer != nullptr ? RSN_OK : FailWith(RSN_ERR_ARGUMENT, name, ": NULL");
}

rsn_status FindStep(const Session& session, size_t index, const StepRecord** out) {
  const absl::Span<const StepRecord> steps = session.steps();
  if (index >= steps.size()) {
    return FailWith(RSN_ERR_ARGUMENT, "step ", index, " of ", steps.size());
  }
  *out = &steps[index];
  return RSN_OK;
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_session_running(const rsn_session* session, int32_t* running) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("running", running));
    *running = s.running() ? 1 : 0;
    return RSN_OK;
  });
}

rsn_status rsn_session_position(const rsn_session* session, int64_t* position) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("position", position));
    *position = s.position();
    return RSN_OK;
  });
}

rsn_status rsn_session_step_count(const rsn_session* session, size_t* count) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("count", count));
    *count = s.steps().size();
    return RSN_OK;
  });
}

rsn_status rsn_session_step(const rsn_session* session, size_t index, rsn_step* step) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_step", step));
    const raison::StepRecord* record;
    RSN_CAPI_RETURN_IF_ERROR(FindStep(s, index, &record));
    rsn_step value = Defaults<rsn_step>();
    value.index = static_cast<int32_t>(index);
    value.id = record->id;
    value.parent = record->parent;
    value.channel = RSN_CHANNEL_THINKING;
    value.marker = record->marker;
    value.flags = record->flags;
    value.branch = record->branch;
    LendText(record->text, &value.text, &value.text_size);
    value.begin = value.rewind = record->begin;
    value.end = record->end;
    value.begin_seconds = record->begin_seconds;
    value.end_seconds = record->end_seconds;
    value.mean_logprob = record->mean_logprob;
    value.lowest_logprob = record->lowest_logprob;
    value.mean_entropy = record->mean_entropy;
    value.confidence = record->confidence;
    WriteStruct(value, step);
    return RSN_OK;
  });
}

rsn_status rsn_session_step_experts(const rsn_session* session, size_t index, uint32_t* counts,
                                    size_t capacity, size_t* count) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(counts, capacity, count));
    const raison::StepRecord* record;
    RSN_CAPI_RETURN_IF_ERROR(FindStep(s, index, &record));
    if (s.model().config().moe.n_routed_experts == 0) {
      return Fail(RSN_ERR_UNSUPPORTED, "a dense model has no experts");
    }
    if (!s.options()->trace_experts) {
      return Fail(RSN_ERR_STATE, "the request did not ask for RSN_TRACE_EXPERTS");
    }
    return WriteArray(record->expert_counts.data(), record->expert_counts.size(), counts, capacity,
                      count);
  });
}

rsn_status rsn_session_token(const rsn_session* session, int64_t position, rsn_token* token) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_token", token));
    const std::vector<raison::TokenRecord>& records = s.records();
    if (position < 0 || position >= s.position()) {
      return FailWith(RSN_ERR_ARGUMENT, "position ", position, " of ", s.position());
    }
    const raison::TokenRecord& r = records[static_cast<size_t>(position)];
    rsn_token value = Defaults<rsn_token>();
    value.token = r.token;
    value.position = position;
    value.microseconds = r.microseconds;
    LendText(s.model().tokenizer().TokenBytes(r.token), &value.text, &value.text_size);
    value.step = r.step;
    value.channel = static_cast<int32_t>(r.channel);
    value.source = static_cast<int32_t>(r.source);
    value.rank = r.rank;
    value.logprob = r.logprob;
    value.entropy = r.entropy;
    value.sampled_logprob = r.sampled_logprob;
    value.branch = r.branch;
    value.alternative_count = r.alternatives.size();
    if (value.alternative_count > 0) {
      value.alternatives = r.alternatives.data();
      value.alternative_logprobs = r.alternative_logprobs.data();
    }
    value.expert_count = r.experts.size();
    if (value.expert_count > 0) {
      value.expert_layers = r.expert_layers.data();
      value.experts = r.experts.data();
      value.expert_weights = r.expert_weights.data();
    }
    WriteStruct(value, token);
    return RSN_OK;
  });
}

rsn_status rsn_session_text(const rsn_session* session, int32_t channel, const char** text,
                            size_t* text_size) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("text", text));
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("text_size", text_size));
    if (channel != RSN_CHANNEL_THINKING && channel != RSN_CHANNEL_ANSWER) {
      return FailWith(RSN_ERR_ARGUMENT, "channel ", channel,
                      " is neither RSN_CHANNEL_THINKING nor RSN_CHANNEL_ANSWER");
    }
    std::string& kept = session->texts[channel - RSN_CHANNEL_THINKING];
    kept = s.ChannelText(static_cast<raison::Channel>(channel));
    LendText(kept, text, text_size);
    return RSN_OK;
  });
}

rsn_status rsn_session_answer(const rsn_session* session, const char** text, size_t* text_size,
                              int32_t* step) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("text", text));
    RSN_CAPI_RETURN_IF_ERROR(CheckNotNull("text_size", text_size));
    int32_t stated = -1;
    session->answer = s.Answer(&stated);
    LendText(session->answer, text, text_size);
    if (step != nullptr) *step = stated;
    return RSN_OK;
  });
}

rsn_status rsn_session_logits(rsn_session* session, float* logits, size_t capacity,
                              size_t* count) {
  return Read(session, [&](raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(logits, capacity, count));
    // Asking for the size computes nothing.
    const size_t size = s.model().config().vocab_size;
    if (capacity < size) return WriteArray<float>(nullptr, size, logits, capacity, count);
    const auto row = s.Logits();
    if (!row.ok()) return Fail(row.status(), Doing::kRunning);
    return WriteArray(row->data(), row->size(), logits, capacity, count);
  });
}

rsn_status rsn_session_usage(const rsn_session* session, rsn_usage* usage) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_usage", usage));
    const raison::Usage own = s.GetUsage();
    rsn_usage value = Defaults<rsn_usage>();
    value.prompt_tokens = own.prompt_tokens;
    value.cached_tokens = own.cached_tokens;
    value.thinking_tokens = own.thinking_tokens;
    value.answer_tokens = own.answer_tokens;
    value.forced_tokens = own.forced_tokens;
    value.discarded_tokens = own.discarded_tokens;
    value.passes = own.passes;
    value.prompt_seconds = own.prompt_seconds;
    value.thinking_seconds = own.thinking_seconds;
    value.answer_seconds = own.answer_seconds;
    value.total_seconds = own.total_seconds;
    WriteStruct(value, usage);
    return RSN_OK;
  });
}

rsn_status rsn_session_generate_options(const rsn_session* session, rsn_generate_options* options) {
  return Read(session, [&](const raison::Session& s) -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_generate_options", options));
    if (s.options() == nullptr) return Fail(RSN_ERR_STATE, "the session had no request yet");
    WriteStruct(EffectiveOptions(*session, *s.options()), options);
    return RSN_OK;
  });
}

}  // extern "C"
