// Entering a session: one thread at a time, and inside its callback only what raison.h allows there.
// A second thread gets a status, not a race.
#pragma once

#include <utility>

#include "capi/handles.h"

namespace raison::capi {

class SessionUse {
 public:
  enum class Kind {
    kCall,    // not inside a callback
    kInside,  // getters and steering: also inside the callback of rsn_session_run()
  };

  SessionUse() = default;
  ~SessionUse() { Leave(); }
  SessionUse(const SessionUse&) = delete;
  SessionUse& operator=(const SessionUse&) = delete;
  SessionUse(SessionUse&& other) noexcept
      : session_(std::exchange(other.session_, nullptr)) {}

  // The handle is checked first. On success the session is this thread's until Leave.
  rsn_status Enter(const rsn_session* session, Kind kind) {
    RSN_CAPI_RETURN_IF_ERROR(CheckHeader(
        "session", session == nullptr ? nullptr : &session->header, kSessionMagic));
    const uintptr_t self = Self();
    uintptr_t nobody = 0;
    if (session->owner.compare_exchange_strong(nobody, self, std::memory_order_acquire)) {
      session_ = session;
      return RSN_OK;
    }
    if (nobody != self) return Fail(RSN_ERR_BUSY, "another thread is using this session");
    if (!session->in_callback) {
      return Fail(RSN_ERR_ARGUMENT, "the same session stands twice in the array");
    }
    if (kind == Kind::kInside) return RSN_OK;
    return Fail(RSN_ERR_STATE,
                "inside the session's callback only getters, steering, rewind, fork and cancel are "
                "legal");
  }

  void Leave() {
    if (session_ != nullptr) session_->owner.store(0, std::memory_order_release);
    session_ = nullptr;
  }

  // True if this very thread is inside the session already.
  static bool IsOwner(const rsn_session* session) {
    return session->owner.load(std::memory_order_relaxed) == Self();
  }

 private:
  static uintptr_t Self() {
    static thread_local char mark;
    return reinterpret_cast<uintptr_t>(&mark);
  }

  const rsn_session* session_ = nullptr;
};

}  // namespace raison::capi
