// absl::Status for everything that can fail, and the two macros that pass one on.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#define RSN_RETURN_IF_ERROR(expr)                       \
  do {                                                  \
    if (absl::Status rsn_status_ = (expr); !rsn_status_.ok()) return rsn_status_; \
  } while (false)

#define RSN_CONCAT_INNER_(a, b) a##b
#define RSN_CONCAT_(a, b) RSN_CONCAT_INNER_(a, b)
// RSN_ASSIGN_OR_RETURN(auto x, F()): binds the value or returns the error.
#define RSN_ASSIGN_OR_RETURN(lhs, expr) RSN_ASSIGN_OR_RETURN_(RSN_CONCAT_(rsn_or_, __LINE__), lhs, expr)
#define RSN_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  lhs = *std::move(tmp)
