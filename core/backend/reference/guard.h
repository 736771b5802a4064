// The edge of a back end written in C++: no exception crosses the C table, a status becomes a
// negative rsn_status, and its sentence is kept for last_error.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "core/base/status.h"
#include "raison/backend.h"

namespace raison::reference {

inline std::string& ErrorText() {
  thread_local std::string text;
  return text;
}
inline const char* LastError() { return ErrorText().c_str(); }

// rsn_status of raison.h: argument, unsupported, memory, device, state, internal.
inline int32_t CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return -10;
    case absl::StatusCode::kUnimplemented:
      return -22;
    case absl::StatusCode::kResourceExhausted:
      return -30;
    case absl::StatusCode::kUnavailable:
      return -32;
    case absl::StatusCode::kFailedPrecondition:
      return -40;
    case absl::StatusCode::kCancelled:
      return -50;
    default:
      return -60;
  }
}

template <typename Body>
int32_t Guard(const Body& body) noexcept {
  try {
    try {
      const absl::Status status = body();
      if (!status.ok()) ErrorText() = std::string(status.message());
      return CodeOf(status);
    } catch (const std::bad_alloc&) {
      ErrorText() = "out of memory";
      return -30;
    } catch (const std::exception& e) {
      ErrorText() = e.what();
      return -60;
    }
  } catch (...) {  // not even the sentence could be kept
    return -60;
  }
}

// Writes the prefix that the caller knows.
inline int32_t WriteTable(rsn_backend table, rsn_backend* to) {
  const uint32_t size = to->struct_size;
  if (size < 2 * sizeof(uint32_t)) return -10;
  table.struct_size = size;
  std::memcpy(to, &table, std::min<size_t>(size, sizeof table));
  return 0;
}

inline absl::Status WriteInfo(rsn_device_info* to, const char* name, const char* description) {
  rsn_device_info info{};
  const uint32_t size = to->struct_size;
  if (size < sizeof size) return absl::InvalidArgumentError(absl::StrCat("struct_size is ", size));
  info.struct_size = size;
  std::strncpy(info.name, name, sizeof info.name - 1);
  std::strncpy(info.description, description, sizeof info.description - 1);
  std::memcpy(to, &info, std::min<size_t>(size, sizeof info));
  return absl::OkStatus();
}

}  // namespace raison::reference
