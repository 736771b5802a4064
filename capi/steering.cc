// The noun "session": the verbs that steer a request.
#include "capi/generate_options.h"
#include "capi/session_use.h"
#include "capi/text.h"

namespace raison::capi {
namespace {

template <typename Verb>
rsn_status Steer(rsn_session* session, Doing doing, Verb verb) {
  SessionUse use;
  RSN_CAPI_RETURN_IF_ERROR(use.Enter(session, SessionUse::Kind::kInside));
  const absl::Status status = verb(*session->session);
  return status.ok() ? RSN_OK : Fail(status, doing);
}

rsn_status ReadSome(const rsn_generate_options* options, std::optional<GenerateOptions>* out) {
  if (options == nullptr) return RSN_OK;
  return ReadGenerateOptions(options, &out->emplace());
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_session_end_thinking(rsn_session* session) {
  return Guard([&]() -> rsn_status {
    return Steer(session, Doing::kRunning, [](raison::Session& s) { return s.EndThinking(); });
  });
}

rsn_status rsn_session_stop(rsn_session* session) {
  return Guard([&]() -> rsn_status {
    return Steer(session, Doing::kRunning, [](raison::Session& s) { return s.Stop(); });
  });
}

rsn_status rsn_session_inject(rsn_session* session, const char* text, size_t text_size) {
  return Guard([&]() -> rsn_status {
    std::string_view given;
    RSN_CAPI_RETURN_IF_ERROR(ReadText("text", text, text_size, &given));
    RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("text", given));
    return Steer(session, Doing::kRunning, [&](raison::Session& s) { return s.Inject(given); });
  });
}

rsn_status rsn_session_rewind(rsn_session* session, int64_t position,
                              const rsn_generate_options* options) {
  return Guard([&]() -> rsn_status {
    std::optional<raison::GenerateOptions> own;
    RSN_CAPI_RETURN_IF_ERROR(ReadSome(options, &own));
    return Steer(session, Doing::kReading,
                 [&](raison::Session& s) { return s.Rewind(position, own); });
  });
}

rsn_status rsn_session_fork(rsn_session** out, rsn_session* session,
                            const rsn_generate_options* options) {
  return Guard([&]() -> rsn_status {
    if (out == nullptr) return Fail(RSN_ERR_ARGUMENT, "out: NULL");
    *out = nullptr;
    SessionUse use;
    RSN_CAPI_RETURN_IF_ERROR(use.Enter(session, SessionUse::Kind::kInside));
    std::optional<raison::GenerateOptions> own;
    RSN_CAPI_RETURN_IF_ERROR(ReadSome(options, &own));
    auto handle = std::make_unique<rsn_session>();
    auto fork = session->session->Fork(own);
    if (!fork.ok()) return Fail(fork.status(), Doing::kReading);
    handle->loaded = session->loaded;
    handle->session = *std::move(fork);
    *out = handle.release();
    return RSN_OK;
  });
}

rsn_status rsn_session_cancel(rsn_session* session) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckHeader(
        "session", session == nullptr ? nullptr : &session->header, kSessionMagic));
    session->session->Cancel();
    return RSN_OK;
  });
}

}  // extern "C"
