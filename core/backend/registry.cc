#include "core/backend/registry.h"

#include <mutex>

#include "absl/strings/str_join.h"
#include "core/backend/cpu/cpu_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "core/base/os/files.h"

namespace raison {
namespace {

std::mutex& RegistryMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

std::vector<Backend>& Registered() {
  static auto* backends = new std::vector<Backend>{{"cpu", &OpenCpuBackend, ""},
                                                   {"reference", &OpenReferenceBackend, ""}};
  return *backends;
}

std::vector<Backend> ListBuiltIn() {
  std::lock_guard lock(RegistryMutex());
  return Registered();
}

}  // namespace

std::string FallbackBackend() { return ListBuiltIn().front().name; }

std::vector<Backend> ListBackends(const std::string& backend_path) {
  std::vector<Backend> backends = ListBuiltIn();
  for (Plugin& plugin : FindPlugins(backend_path)) {
    bool taken = false;
    for (const Backend& b : backends) taken |= b.name == plugin.name;
    if (!taken) backends.push_back({std::move(plugin.name), nullptr, std::move(plugin.file)});
  }
  return backends;
}

absl::Status CheckBackendPath(const std::string& backend_path) {
  if (backend_path.empty()) return absl::OkStatus();
  RSN_RETURN_IF_ERROR(CheckPlace(backend_path));
  if (!IsFile(backend_path)) return absl::OkStatus();
  const Plugin plugin = FindPlugins(backend_path).front();  // that place is the first
  for (const Backend& b : ListBackends("")) {
    if (!b.IsPlugin() && b.name == plugin.name) {
      return absl::UnavailableError(absl::StrCat("the library has a back end ", b.name,
                                                 " of its own: ", backend_path,
                                                 " must have another name"));
    }
  }
  return OpenPlugin(plugin).status();
}

absl::StatusOr<Backend> FindBackend(const std::string& name, const std::string& backend_path) {
  std::vector<Backend> backends = ListBackends(backend_path);
  for (Backend& b : backends) {
    if (b.name != name) continue;
    if (b.IsPlugin()) {
      RSN_ASSIGN_OR_RETURN(b.open, OpenPlugin({b.name, b.file}));
    }
    return std::move(b);
  }
  const auto append_name = [](std::string* out, const Backend& b) { *out += b.name; };
  return absl::UnavailableError(absl::StrCat(
      "there is no device \"", name, "\"; known: ", absl::StrJoin(backends, ", ", append_name)));
}

absl::Status RegisterBackend(const std::string& name, BackendOpenFunction open) {
  std::lock_guard lock(RegistryMutex());
  for (const Backend& b : Registered()) {
    if (b.name == name) return absl::AlreadyExistsError(absl::StrCat("device ", name, " exists"));
  }
  Registered().push_back({name, open, ""});
  return absl::OkStatus();
}

}  // namespace raison
