// The header of one GGUF file (version 2 or 3, little-endian) turned into metadata and tensor
// descriptions. Every count, length, type, dimension and offset is checked against the bytes that
// are there before it is used; nothing is allocated from an unchecked number. Refuses arrays of
// arrays, duplicate names, overlapping tensors, unknown types, and relatives of GGUF by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/dtype.h"
#include "core/base/status.h"
#include "core/file/gguf_metadata.h"

namespace raison {

struct GgufTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;  // outermost first
  absl::Span<const std::byte> bytes;
};

struct GgufHeader {
  uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
};

absl::StatusOr<GgufHeader> ParseGguf(absl::Span<const std::byte> file, const std::string& name);

// rows * bytes of a row, by checked multiplication; an error names `what`.
absl::StatusOr<uint64_t> CheckedTensorBytes(const std::string& what, DType dtype,
                                            absl::Span<const int64_t> shape);

}  // namespace raison
