// The two readers behind ReadConfig, and the checks that both share.
#pragma once

#include "core/file/checkpoint.h"
#include "core/model/config.h"

namespace raison {

// Bounds for numbers from files: above every published model, small enough that products of any
// three fit in 64 bits.
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
inline constexpr int64_t kMaxWidth = int64_t{1} << 20;
inline constexpr int64_t kMaxBlocks = 1024;
inline constexpr int64_t kMaxHeads = 4096;
inline constexpr int64_t kMaxExperts = 4096;
inline constexpr int64_t kMaxContext = int64_t{1} << 24;  // step buffers are sized by it

absl::StatusOr<Config> ReadHuggingFaceConfig(const Checkpoint& checkpoint);
absl::StatusOr<Config> ReadGgufConfig(const Checkpoint& checkpoint);

// Divisibility, ranges and contradictions that do not depend on the container.
absl::Status CheckConfig(const Config& config, const std::string& file);

}  // namespace raison
