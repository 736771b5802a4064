#include "core/backend/plugin.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/os/files.h"
#include "core/base/os/library_path.h"
#include "core/base/os/shared_library.h"

namespace raison {
namespace {

constexpr absl::string_view kPrefix = "raison-";

// "vulkan" of "libraison-vulkan.so"; a file given by its path may have any name.
std::string NameOf(absl::string_view file) {
  file.remove_suffix(std::min(file.size(), kLibrarySuffix.size()));
  if (absl::ConsumePrefix(&file, kLibraryPrefix)) absl::ConsumePrefix(&file, kPrefix);
  return std::string(file);
}

bool IsPluginName(absl::string_view file) {
  return absl::ConsumePrefix(&file, kLibraryPrefix) && absl::StartsWith(file, kPrefix) &&
         absl::EndsWith(file, kLibrarySuffix);
}

void AddPlace(const std::string& place, std::vector<Plugin>& plugins) {
  std::vector<Plugin> found;
  if (IsFile(place)) {
    found.push_back({NameOf(BaseName(place)), place});
  } else if (IsFolder(place)) {
    const auto files = ListFiles(place);
    for (const std::string& file : files.ok() ? *files : std::vector<std::string>()) {
      if (IsPluginName(file)) found.push_back({NameOf(file), JoinPath(place, file)});
    }
  }
  for (Plugin& plugin : found) {
    const bool known = std::any_of(plugins.begin(), plugins.end(),
                                   [&](const Plugin& p) { return p.name == plugin.name; });
    if (!known) plugins.push_back(std::move(plugin));
  }
}

}  // namespace

std::vector<Plugin> FindPlugins(const std::string& backend_path) {
  std::vector<Plugin> plugins;
  if (!backend_path.empty()) AddPlace(backend_path, plugins);
  for (const absl::string_view place :
       absl::StrSplit(EnvironmentVariable("RAISON_BACKEND_PATH"), kPathListSeparator,
                      absl::SkipEmpty())) {
    AddPlace(std::string(place), plugins);
  }
  AddPlace(LibraryFolder(), plugins);
  return plugins;
}

absl::StatusOr<BackendOpenFunction> OpenPlugin(const Plugin& plugin) {
  // The system counts what is open: a second Open of one file finds the first.
  const auto library = SharedLibrary::Open(plugin.file);
  if (!library.ok()) {
    return absl::UnavailableError(
        absl::StrCat("back end ", plugin.name, ": ", library.status().message()));
  }
  const auto version =
      reinterpret_cast<decltype(&rsn_backend_version)>(library->Find("rsn_backend_version"));
  const auto open = reinterpret_cast<BackendOpenFunction>(library->Find("rsn_backend_open"));
  if (version == nullptr || open == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "back end ", plugin.name, ": ", plugin.file,
        " does not export rsn_backend_version and rsn_backend_open; it is no plug-in"));
  }
  if (const uint32_t built_for = version(); built_for != RSN_BACKEND_VERSION) {
    return absl::UnavailableError(absl::StrCat(
        "back end ", plugin.name, ": ", plugin.file, " was built for version ", built_for,
        " of the back-end table, this library has version ", RSN_BACKEND_VERSION));
  }
  return open;
}

}  // namespace raison
