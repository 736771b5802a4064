// Finds the file of the built-in model. Knows its name and where installed trees keep it; does not
// open it.
#pragma once

#include <string>

#include "core/base/status.h"

namespace raison {

// RAISON_MODEL_PATH (a file, or a folder that holds it), beside the library, ../share/raison.
// NOT_FOUND names every place that was looked at.
absl::StatusOr<std::string> FindBuiltinModel();

}  // namespace raison
