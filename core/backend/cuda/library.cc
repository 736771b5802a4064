#include "core/backend/cuda/library.h"

#include <dlfcn.h>

namespace raison::cuda {

Library Library::Open(const std::vector<Candidate>& candidates) {
  Library library;
  for (const Candidate& c : candidates) {
    // Once it is in the process, what needs it by name has it; so it stays.
    if (!c.loads_first.empty()) dlopen(c.loads_first.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const handle = dlopen(c.file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* const why = dlerror();
      // Of many places the loader's own path tells most.
      const bool plain = c.file.find('/') == std::string::npos;
      if (plain || library.problem_.empty()) library.problem_ = why != nullptr ? why : c.file;
      continue;
    }
    library.handle_ = std::shared_ptr<void>(handle, [](void* h) { dlclose(h); });
    library.file_ = c.file;
    library.problem_.clear();
    return library;
  }
  return library;
}

void* Library::Symbol(const char* name) {
  void* const symbol = handle_ != nullptr ? dlsym(handle_.get(), name) : nullptr;
  if (symbol == nullptr && handle_ != nullptr) problem_ = file_ + " has no function " + name;
  return symbol;
}

}  // namespace raison::cuda
