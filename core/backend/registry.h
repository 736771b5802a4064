// The back ends by name: those inside the library, those a program adds, and plug-ins.
#pragma once

#include <string>
#include <vector>

#include "core/backend/plugin.h"
#include "core/base/status.h"

namespace raison {

struct Backend {
  std::string name;
  BackendOpenFunction open = nullptr;  // of a plug-in: NULL until OpenPlugin
  std::string file;                    // of a plug-in

  bool IsPlugin() const { return !file.empty(); }
};

// The back end that is always there and runs every model: what is taken where nothing better is.
std::string FallbackBackend();

// Built-in ones first, FallbackBackend() at their head. Opens no plug-in.
std::vector<Backend> ListBackends(const std::string& backend_path);

// Whether a path that a program names has plug-ins: a folder has a file named as one, a file is one
// whose name the library's own back ends do not have. UNAVAILABLE says what is wrong. Empty is
// fine.
absl::Status CheckBackendPath(const std::string& backend_path);

// The named back end, its `open` filled in. UNAVAILABLE names what exists, or says why a plug-in
// cannot be used.
absl::StatusOr<Backend> FindBackend(const std::string& name, const std::string& backend_path);

// Adds a back end of this process (the tests' `far`). Names are unique.
absl::Status RegisterBackend(const std::string& name, BackendOpenFunction open);

}  // namespace raison
