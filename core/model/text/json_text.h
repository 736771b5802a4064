// JSON from files and callers, parsed without exceptions and with a bounded depth.
#pragma once

#include <string_view>

#include "core/base/status.h"
#include "nlohmann/json.hpp"

namespace raison {

// `what` names the text in errors. Nesting deeper than 256 is refused: later walks are recursive.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view what);
// The same, keeping the order of object members (for small objects: look-up is linear).
absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(std::string_view text,
                                                        std::string_view what);

}  // namespace raison
