// The back ends by name. Built-in ones are listed here; a plug-in is added by its path.
#pragma once

#include <string>
#include <vector>

#include "core/base/status.h"
#include "raison/backend.h"

namespace raison {

using BackendOpenFunction = int32_t (*)(const rsn_backend_host*, rsn_backend*);

// The names that Device::Open takes, best first.
std::vector<std::string> BackendNames();

// Fills the table of the named back end. Errors: NOT_FOUND names what exists.
absl::StatusOr<BackendOpenFunction> FindBackend(const std::string& name);

// Adds a back end of this process (the tests' `far`). Names are unique.
absl::Status RegisterBackend(const std::string& name, BackendOpenFunction open);

}  // namespace raison
