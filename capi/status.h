// Statuses and sentences at the boundary: the calling thread's last error, absl::Status as
// rsn_status, and the guard that lets no exception through. Knows no handle.
#pragma once

#include <cxxabi.h>

#include <exception>
#include <new>
#include <string_view>

#include "core/base/status.h"
#include "raison/raison.h"

namespace raison::capi {

// Keeps the sentence for rsn_last_error() and returns the status. What is not UTF-8, and control
// characters but newline and tab, become U+FFFD there.
rsn_status Fail(rsn_status status, std::string_view sentence) noexcept;

template <typename... Parts>
rsn_status FailWith(rsn_status status, const Parts&... parts) {
  return Fail(status, absl::StrCat(parts...));
}

// What the same absl code means depends on what was being done.
enum class Doing { kLoading, kTemplating, kRunning, kReading };
rsn_status ToStatus(const absl::Status& status, Doing doing) noexcept;
rsn_status Fail(const absl::Status& status, Doing doing) noexcept;

// Every entry is `return Guard([&]() -> rsn_status { ... })`.
template <typename Body>
rsn_status Guard(Body&& body) {
  try {
    return body();
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being cancelled by its owner: glibc ends the process if this is kept
  } catch (const std::bad_alloc&) {
    return Fail(RSN_ERR_MEMORY, "the system gave no memory");
  } catch (const std::exception& error) {
    return Fail(RSN_ERR_INTERNAL, error.what());
  } catch (...) {
    return Fail(RSN_ERR_INTERNAL, "an unknown exception inside the library");
  }
}

}  // namespace raison::capi

#define RSN_CAPI_RETURN_IF_ERROR(expr)                                 \
  do {                                                                 \
    if (rsn_status rsn_code_ = (expr); rsn_code_ != RSN_OK) return rsn_code_; \
  } while (false)
