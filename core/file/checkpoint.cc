#include "core/file/checkpoint.h"

#include <nlohmann/json.hpp>

#include "core/base/os/files.h"
#include "core/file/open.h"

namespace raison {

int64_t StoredTensor::elements() const {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

uint64_t StoredTensor::bytes() const {
  uint64_t total = 0;
  for (const auto& part : parts) total += part.size();
  return total;
}

absl::Status NamingFile(const std::string& path, const absl::Status& status) {
  const absl::string_view said = status.message();
  const bool fault = !status.ok() && status.code() != absl::StatusCode::kCancelled;
  if (!fault || said.find(path) != said.npos) return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", said));
}

Checkpoint::Checkpoint() = default;
Checkpoint::~Checkpoint() = default;

absl::StatusOr<std::shared_ptr<Checkpoint>> Checkpoint::Open(const std::string& path, LoadMode mode,
                                                             const LoadProgress& progress) {
  return NamingFile(path, IsFolder(path) ? HuggingFaceOpener::Open(path, mode, progress)
                                         : GgufOpener::Open(path, mode, progress));
}

absl::StatusOr<std::shared_ptr<Checkpoint>> Checkpoint::FromMemory(
    absl::Span<const std::byte> gguf) {
  return GgufOpener::FromMemory(gguf);
}

absl::Status Checkpoint::BuildIndex() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!index_.emplace(tensors_[i].name, i).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, ": the tensor '", tensors_[i].name, "' appears in two files"));
    }
  }
  return absl::OkStatus();
}

const StoredTensor* Checkpoint::Find(std::string_view gguf_name) const {
  const auto it = index_.find(gguf_name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

void Checkpoint::Release(const StoredTensor& tensor) const {
  for (const auto& part : tensor.parts) Release(part);
}

void Checkpoint::Release(absl::Span<const std::byte> part) const {
  for (const auto& file : files_) {
    const auto bytes = file->bytes();
    if (part.data() >= bytes.data() && part.data() + part.size() <= bytes.data() + bytes.size()) {
      return file->Release(part);
    }
  }
}

std::string Checkpoint::Description() const {
  if (files_.size() <= 1) return container_;
  return absl::StrCat(container_, ", ", files_.size(), " files");
}

const std::string* Checkpoint::chat_template(const std::string& name) const {
  const auto it = chat_templates_.find(name);
  return it == chat_templates_.end() ? nullptr : &it->second;
}

}  // namespace raison
