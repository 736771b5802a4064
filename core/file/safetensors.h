// The header of one safetensors file, checked against the file: offsets tile the data buffer
// without hole or overlap and have exactly the bytes that dtype and shape need. Only F32, F16 and
// BF16 are given out; a tensor of another dtype keeps its name and is refused by who wants it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/status.h"

namespace raison {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;           // "BF16"
  std::vector<int64_t> shape;  // outermost first; empty: a scalar
  absl::Span<const std::byte> bytes;
};

absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensors(absl::Span<const std::byte> file,
                                                               const std::string& name);

}  // namespace raison
