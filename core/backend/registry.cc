#include "core/backend/registry.h"

#include <mutex>

#include "absl/strings/str_join.h"
#include "core/backend/cpu/cpu_backend.h"
#include "core/backend/reference/reference_backend.h"

namespace raison {
namespace {

struct Entry {
  std::string name;
  BackendOpenFunction open;
};

std::mutex& RegistryMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

std::vector<Entry>& Entries() {
  static auto* entries =
      new std::vector<Entry>{{"cpu", &OpenCpuBackend}, {"reference", &OpenReferenceBackend}};
  return *entries;
}

}  // namespace

std::vector<std::string> BackendNames() {
  std::lock_guard lock(RegistryMutex());
  std::vector<std::string> names;
  for (const Entry& e : Entries()) names.push_back(e.name);
  return names;
}

absl::StatusOr<BackendOpenFunction> FindBackend(const std::string& name) {
  {
    std::lock_guard lock(RegistryMutex());
    for (const Entry& e : Entries()) {
      if (e.name == name) return e.open;
    }
  }
  return absl::NotFoundError(absl::StrCat("there is no device \"", name, "\"; known: ",
                                          absl::StrJoin(BackendNames(), ", ")));
}

absl::Status RegisterBackend(const std::string& name, BackendOpenFunction open) {
  std::lock_guard lock(RegistryMutex());
  for (const Entry& e : Entries()) {
    if (e.name == name) return absl::AlreadyExistsError(absl::StrCat("device ", name, " exists"));
  }
  Entries().push_back({name, open});
  return absl::OkStatus();
}

}  // namespace raison
