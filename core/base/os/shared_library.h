// A shared library opened at run time. Never closed again: drivers keep threads and thread-local
// state in what they loaded. Refuses what the system refuses, in the system's own words.
#pragma once

#include <string>
#include <string_view>

#include "core/base/status.h"

namespace raison {

// Around the name of a plug-in's file: libraison-vulkan.so, raison-vulkan.dll.
#if defined(_WIN32)
inline constexpr std::string_view kLibraryPrefix = "";
inline constexpr std::string_view kLibrarySuffix = ".dll";
#else
inline constexpr std::string_view kLibraryPrefix = "lib";
inline constexpr std::string_view kLibrarySuffix = ".so";
#endif

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
