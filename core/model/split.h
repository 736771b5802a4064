// How a request shares layers or experts out to devices: "cuda:0=20,cpu". Refuses empty names and
// numbers that do not add up; which devices there are, others know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace raison {

struct SplitPart {
  std::string device;
  std::optional<uint32_t> count;  // none: as many as fit; of the last part: the rest
};

struct SplitRequest {
  std::string option;  // "device"
  std::string text;
  uint32_t total = 0;  // that the parts share
  std::string things;  // "layers"
  std::string owner;   // "the model": what has them
};

absl::StatusOr<std::vector<SplitPart>> ParseSplit(const SplitRequest& request);

}  // namespace raison
