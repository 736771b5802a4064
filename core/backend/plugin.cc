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

bool IsPluginName(absl::string_view file) {
  return absl::ConsumePrefix(&file, kLibraryPrefix) && absl::StartsWith(file, kPrefix) &&
         absl::EndsWith(file, kLibrarySuffix);
}

// "vulkan" of "libraison-vulkan.so"; of another file all but the suffix.
std::string NameOf(absl::string_view file) {
  if (IsPluginName(file)) file.remove_prefix(kLibraryPrefix.size() + kPrefix.size());
  absl::ConsumeSuffix(&file, kLibrarySuffix);
  return std::string(file);
}

// What a device's name and a split are written with: "vulkan:0=20,cpu".
constexpr absl::string_view kReserved = ":,=";

std::vector<Plugin> PluginsOf(const std::string& place) {
  std::vector<Plugin> found;
  if (IsFile(place)) {
    found.push_back({NameOf(BaseName(place)), place});
  } else if (IsFolder(place)) {
    const auto files = ListFiles(place);
    for (const std::string& file : files.ok() ? *files : std::vector<std::string>()) {
      if (IsPluginName(file)) found.push_back({NameOf(file), JoinPath(place, file)});
    }
  }
  return found;
}

std::vector<std::string> PlacesOfTheEnvironment() {
  return absl::StrSplit(EnvironmentVariable("RAISON_BACKEND_PATH"), kPathListSeparator,
                        absl::SkipEmpty());
}

void AddPlace(const std::string& place, std::vector<Plugin>& plugins) {
  for (Plugin& plugin : PluginsOf(place)) {
    const bool known = std::any_of(plugins.begin(), plugins.end(),
                                   [&](const Plugin& p) { return p.name == plugin.name; });
    if (!known) plugins.push_back(std::move(plugin));
  }
}

}  // namespace

std::vector<Plugin> FindPlugins(const std::string& backend_path) {
  std::vector<Plugin> plugins;
  if (!backend_path.empty()) AddPlace(backend_path, plugins);
  for (const std::string& place : PlacesOfTheEnvironment()) AddPlace(place, plugins);
  AddPlace(LibraryFolder(), plugins);
  return plugins;
}

absl::Status CheckPlace(const std::string& place) {
  if (!PluginsOf(place).empty()) return absl::OkStatus();
  return absl::UnavailableError(
      IsFolder(place) ? absl::StrCat("the folder ", place, " has no plug-in: no file ",
                                     kLibraryPrefix, kPrefix, "NAME", kLibrarySuffix)
                      : absl::StrCat("there is no plug-in ", place, ": no such file or folder"));
}

std::vector<WrongPlace> WrongPlacesOfTheEnvironment() {
  std::vector<WrongPlace> wrong;
  for (const std::string& place : PlacesOfTheEnvironment()) {
    const absl::Status status = CheckPlace(place);
    if (!status.ok()) {
      wrong.push_back({place, absl::StrCat("RAISON_BACKEND_PATH: ", status.message())});
    }
  }
  return wrong;
}

absl::StatusOr<BackendOpenFunction> OpenPlugin(const Plugin& plugin) {
  if (plugin.name.empty() || plugin.name.find_first_of(kReserved) != std::string::npos) {
    return absl::UnavailableError(absl::StrCat(
        "back end ", plugin.name, ": ", plugin.file,
        " must have another name: that of a back end is not empty and has none of ", kReserved));
  }
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
