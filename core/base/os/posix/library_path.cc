#include "core/base/os/library_path.h"

#include <dlfcn.h>

#include <climits>
#include <cstdlib>

namespace raison {

std::string LibraryFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&LibraryFolder), &info) == 0 ||
      info.dli_fname == nullptr) {
    return std::string();
  }
  // Links are followed: libraison.so.0 in a package may be a link into another folder.
  char resolved[PATH_MAX];
  std::string path =
      realpath(info.dli_fname, resolved) != nullptr ? resolved : info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

std::string EnvironmentVariable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string CacheFolder() {
  if (const std::string cache = EnvironmentVariable("XDG_CACHE_HOME"); !cache.empty()) {
    return cache + "/raison";
  }
  const std::string home = EnvironmentVariable("HOME");
  return home.empty() ? home : home + "/.cache/raison";
}

}  // namespace raison
