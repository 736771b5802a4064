// The nouns "session" and "sessions": life, requests and events.
#include "capi/generate_options.h"
#include "capi/session_use.h"
#include "capi/structs.h"
#include "capi/text.h"
#include "capi/tokens.h"

namespace raison::capi {
namespace {

// Lends the handle's latest event to the caller.
rsn_event Lend(const Event& e) {
  rsn_event out = Defaults<rsn_event>();
  out.kind = static_cast<int32_t>(e.kind);
  out.reason = e.reason;
  out.status = ToStatus(e.status, Doing::kRunning);
  out.position = e.position;
  out.microseconds = e.microseconds;
  LendText(e.text, &out.text, &out.text_size);
  out.step = e.step;
  out.channel = static_cast<int32_t>(e.channel);
  out.done = e.done;
  out.total = e.total;
  out.cached = e.cached;
  if (e.kind != EventKind::kToken) return out;
  const TokenRecord& r = e.record;
  out.token = r.token;
  out.source = static_cast<int32_t>(r.source);
  out.rank = r.rank;
  out.logprob = r.logprob;
  out.entropy = r.entropy;
  out.sampled_logprob = r.sampled_logprob;
  out.alternative_count = r.alternatives.size();
  if (out.alternative_count > 0) {
    out.alternatives = r.alternatives.data();
    out.alternative_logprobs = r.alternative_logprobs.data();
  }
  out.expert_count = r.experts.size();
  if (out.expert_count > 0) {
    out.expert_layers = r.expert_layers.data();
    out.experts = r.experts.data();
    out.expert_weights = r.expert_weights.data();
  }
  return out;
}

// Advances the session by one event, which stays in the handle. A failed request is an event and a
// status.
rsn_status Advance(rsn_session* session, bool* has_event) {
  absl::StatusOr<Event> event = session->session->Next();
  *has_event = event.ok();
  if (!event.ok()) return Fail(event.status(), Doing::kRunning);
  session->event = *std::move(event);
  if (session->event.status.ok()) return RSN_OK;
  return Fail(session->event.status, Doing::kRunning);
}

template <typename Start>
rsn_status StartRequest(rsn_session* session, const rsn_generate_options* options, Start start) {
  SessionUse use;
  RSN_CAPI_RETURN_IF_ERROR(use.Enter(session, SessionUse::Kind::kCall));
  GenerateOptions own;
  RSN_CAPI_RETURN_IF_ERROR(ReadGenerateOptions(options, &own));
  const absl::Status status = start(*session->session, own);
  return status.ok() ? RSN_OK : Fail(status, Doing::kTemplating);
}

// What the callback's return value asks for. Steering that comes too late is not an error.
rsn_status Steer(rsn_session* session, int32_t wish) {
  absl::Status status;
  switch (wish) {
    case RSN_CONTINUE:
      return RSN_OK;
    case RSN_END_THINKING:
      status = session->session->EndThinking();
      break;
    case RSN_STOP:
      status = session->session->Stop();
      break;
    default:
      return FailWith(RSN_ERR_ARGUMENT, "the callback returned ", wish,
                      ", which is none of RSN_CONTINUE, RSN_END_THINKING, RSN_STOP");
  }
  if (status.ok() || status.code() == absl::StatusCode::kFailedPrecondition) return RSN_OK;
  return Fail(status, Doing::kRunning);
}

class InCallback {
 public:
  explicit InCallback(rsn_session* session) : session_(session) { session_->in_callback = true; }
  ~InCallback() { session_->in_callback = false; }

 private:
  rsn_session* session_;
};

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_session_new(rsn_session** out, rsn_model* model,
                           const rsn_session_options* options) {
  return Guard([&]() -> rsn_status {
    if (out == nullptr) return Fail(RSN_ERR_ARGUMENT, "out: NULL");
    *out = nullptr;
    RSN_CAPI_RETURN_IF_ERROR(
        CheckHeader("model", model == nullptr ? nullptr : &model->header, kModelMagic));
    rsn_session_options own;
    RSN_CAPI_RETURN_IF_ERROR(ReadStruct("rsn_session_options", options, &own));
    auto handle = std::make_unique<rsn_session>();
    handle->loaded = model->loaded;
    auto scheduler = handle->loaded->SharedScheduler();
    if (!scheduler.ok()) return Fail(scheduler.status(), Doing::kReading);
    auto session = raison::Session::Create(*std::move(scheduler), own.context_length);
    if (!session.ok()) return Fail(session.status(), Doing::kReading);
    handle->session = *std::move(session);
    *out = handle.release();
    return RSN_OK;
  });
}

void rsn_session_free(rsn_session* session) {
  if (session == nullptr) return;
  // In use, by its own callback or by another thread: leaking it is the lesser harm.
  SessionUse use;
  if (session->header.magic != kSessionMagic || SessionUse::IsOwner(session) ||
      use.Enter(session, SessionUse::Kind::kCall) != RSN_OK) {
    return;
  }
  use.Leave();
  if (!MayFree(&session->header, kSessionMagic)) return;
  Guard([&]() -> rsn_status {
    delete session;
    return RSN_OK;
  });
}

rsn_status rsn_session_prompt(rsn_session* session, const rsn_messages* messages,
                              const rsn_generate_options* options) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckHeader(
        "messages", messages == nullptr ? nullptr : &messages->header, kMessagesMagic));
    return StartRequest(session, options,
                        [&](raison::Session& s, const raison::GenerateOptions& own) {
                          return s.Prompt(messages->list, own);
                        });
  });
}

rsn_status rsn_session_ask(rsn_session* session, const char* text, size_t text_size,
                           const rsn_generate_options* options) {
  return Guard([&]() -> rsn_status {
    std::string_view question;
    RSN_CAPI_RETURN_IF_ERROR(ReadText("text", text, text_size, &question));
    RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("text", question));
    return StartRequest(session, options,
                        [&](raison::Session& s, const raison::GenerateOptions& own) {
                          return s.Prompt({{"user", std::string(question), ""}}, own);
                        });
  });
}

rsn_status rsn_session_prompt_text(rsn_session* session, const char* text, size_t text_size,
                                   uint32_t flags, const rsn_generate_options* options) {
  return Guard([&]() -> rsn_status {
    std::string_view prompt;
    RSN_CAPI_RETURN_IF_ERROR(ReadText("text", text, text_size, &prompt));
    RSN_CAPI_RETURN_IF_ERROR(CheckHeader(
        "session", session == nullptr ? nullptr : &session->header, kSessionMagic));
    raison::EncodeOptions encode;
    RSN_CAPI_RETURN_IF_ERROR(
        ReadTokenizeFlags(session->session->model().tokenizer(), flags, &encode));
    return StartRequest(session, options,
                        [&](raison::Session& s, const raison::GenerateOptions& own) {
                          return s.PromptText(prompt, encode, own);
                        });
  });
}

rsn_status rsn_session_next(rsn_session* session, rsn_event* event) {
  return Guard([&]() -> rsn_status {
    SessionUse use;
    RSN_CAPI_RETURN_IF_ERROR(use.Enter(session, SessionUse::Kind::kCall));
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_event", event));
    bool has_event;
    const rsn_status status = Advance(session, &has_event);
    if (has_event) WriteStruct(Lend(session->event), event);
    return status;
  });
}

rsn_status rsn_session_run(rsn_session* session, rsn_event_callback callback, void* user_data) {
  return Guard([&]() -> rsn_status {
    SessionUse use;
    RSN_CAPI_RETURN_IF_ERROR(use.Enter(session, SessionUse::Kind::kCall));
    while (true) {
      bool has_event;
      const rsn_status status = Advance(session, &has_event);
      if (!has_event) return status;
      const bool done = session->event.kind == raison::EventKind::kDone;
      if (callback != nullptr) {
        const rsn_event event = Lend(session->event);
        int32_t wish;
        {
          InCallback inside(session);
          wish = callback(session, &event, user_data);
        }
        RSN_CAPI_RETURN_IF_ERROR(Steer(session, wish));
      }
      // A rewind on DONE makes the run go on.
      if (done && !session->session->running()) return status;
    }
  });
}

rsn_status rsn_sessions_next(rsn_session* const* sessions, size_t count, size_t* which,
                             rsn_event* event) {
  return Guard([&]() -> rsn_status {
    if (sessions == nullptr && count > 0) return Fail(RSN_ERR_ARGUMENT, "sessions: NULL");
    if (which == nullptr) return Fail(RSN_ERR_ARGUMENT, "which: NULL");
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_event", event));
    if (count == 0) {
      *which = 0;
      WriteStruct(Defaults<rsn_event>(), event);
      return RSN_OK;
    }
    if (count > PTRDIFF_MAX / sizeof(void*)) return FailWith(RSN_ERR_ARGUMENT, "count = ", count);
    std::vector<SessionUse> uses;
    std::vector<raison::Session*> own;
    for (size_t i = 0; i < count; ++i) {
      uses.emplace_back();
      RSN_CAPI_RETURN_IF_ERROR(uses.back().Enter(sessions[i], SessionUse::Kind::kCall));
      own.push_back(sessions[i]->session.get());
    }
    auto next = raison::Session::NextOfMany(own, which);
    if (!next.ok()) return Fail(next.status(), Doing::kRunning);
    if (*which >= count) {
      WriteStruct(Defaults<rsn_event>(), event);
      return RSN_OK;
    }
    rsn_session* session = sessions[*which];
    session->event = *std::move(next);
    WriteStruct(Lend(session->event), event);
    return RSN_OK;
  });
}

}  // extern "C"
