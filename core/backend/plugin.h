// Plug-ins: back ends in shared libraries of their own, named libraison-NAME.so (on Windows
// raison-NAME.dll). They are sought in the folder (or the very file) that the caller names, then in
// those of RAISON_BACKEND_PATH, then beside this library; the first of a name counts. Refuses a
// file without the two symbols, one that was built for another version of the table, and one whose
// name could not stand in a list of devices.
#pragma once

#include <string>
#include <vector>

#include "core/base/status.h"
#include "raison/backend.h"

namespace raison {

using BackendOpenFunction = int32_t (*)(const rsn_backend_host*, rsn_backend*);

struct Plugin {
  std::string name;  // "vulkan", of libraison-vulkan.so; a file given by its path may have any name
  std::string file;
};

// What lies in the places above, best place first, by name within a place; nothing is opened.
std::vector<Plugin> FindPlugins(const std::string& backend_path);

// UNAVAILABLE: the place, a folder or a file, is not there, or the folder has no file named so.
absl::Status CheckPlace(const std::string& place);

struct WrongPlace {
  std::string place, problem;
};
// Those of RAISON_BACKEND_PATH that CheckPlace refuses.
std::vector<WrongPlace> WrongPlacesOfTheEnvironment();

// Opens the library, or finds it open already. UNAVAILABLE says why it cannot be used.
absl::StatusOr<BackendOpenFunction> OpenPlugin(const Plugin& plugin);

}  // namespace raison
