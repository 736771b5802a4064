// A shared library opened at run time. Never closed again: drivers keep threads and thread-local
// state in what they loaded. Refuses what the system refuses, in the system's own words.
#pragma once

#include <string>

#include "core/base/status.h"

namespace raison {

class SharedLibrary {
 public:
  static absl::StatusOr<SharedLibrary> Open(const std::string& path);

  // The function or object of that name; NULL: there is none.
  void* Find(const char* symbol) const;

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}

  void* handle_;
};

}  // namespace raison
