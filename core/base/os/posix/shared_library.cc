#include "core/base/os/shared_library.h"

#include <dlfcn.h>

namespace raison {

absl::StatusOr<SharedLibrary> SharedLibrary::Open(const std::string& path) {
  // RTLD_NOW: a need that cannot be met is reported here, not by a crash in the middle of a pass.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return absl::UnavailableError(why != nullptr ? why : path + ": does not load");
  }
  return SharedLibrary(handle);
}

void* SharedLibrary::Find(const char* symbol) const { return dlsym(handle_, symbol); }

}  // namespace raison
