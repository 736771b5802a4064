// How each container becomes a Checkpoint; used by checkpoint.cc only.
#pragma once

#include <memory>
#include <string>

#include "core/file/checkpoint.h"
#include "core/file/gguf_parse.h"

namespace raison {

class GgufOpener {
 public:
  static absl::StatusOr<std::shared_ptr<Checkpoint>> Open(const std::string& path, LoadMode mode,
                                                          const LoadProgress& progress);
  static absl::StatusOr<std::shared_ptr<Checkpoint>> FromMemory(absl::Span<const std::byte> gguf);

 private:
  static std::shared_ptr<Checkpoint> Begin(const std::string& path, GgufHeader header);
  static absl::Status AddTensors(Checkpoint& checkpoint, std::vector<GgufTensor> tensors);
  static absl::Status AddSplits(Checkpoint& checkpoint, const std::string& path, LoadMode mode,
                                const LoadProgress& progress);
  static absl::Status Finish(Checkpoint& checkpoint);
};

class HuggingFaceOpener {
 public:
  static absl::StatusOr<std::shared_ptr<Checkpoint>> Open(const std::string& folder, LoadMode mode,
                                                          const LoadProgress& progress);

 private:
  static absl::Status ReadTexts(Checkpoint& checkpoint);
  static absl::Status ReadChatTemplates(Checkpoint& checkpoint);
  static absl::Status ReadShards(Checkpoint& checkpoint, LoadMode mode,
                                 const LoadProgress& progress);
};

}  // namespace raison
