// A Hugging Face folder written as one GGUF file with the field's standard keys and tensor names, so
// that other engines read it too: quantised by the usual presets, experts stacked, MLA in its split
// form, vocabulary and chat template inside. The file appears under its name only when complete.
#pragma once

#include <string>
#include <string_view>

#include "core/base/dtype.h"
#include "core/base/os/mapped_file.h"
#include "core/base/status.h"

namespace raison {

class Checkpoint;

struct ConvertOptions {
  std::string out_path;
  DType type = DType::kQ8_0;  // of the large matrices; kQ4_K and kQ5_K mean the "M" presets
  std::string name;           // general.name; empty: the folder's name
  bool keep_mtp = true;       // multi-token prediction blocks; llama.cpp ignores them
  uint32_t threads = 0;       // 0: as many as the process may use
  LoadProgress progress;      // bytes written and in total; false cancels
};

// f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q4_k q5_k q6_k, in either case.
absl::StatusOr<DType> ParseConvertType(std::string_view name);

absl::Status ConvertToGguf(const Checkpoint& in, const ConvertOptions& options);

}  // namespace raison
