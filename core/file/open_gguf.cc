// GGUF from a path, from its split files, or from memory.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "core/base/os/files.h"
#include "core/file/open.h"

namespace raison {
namespace {

constexpr int64_t kMaxSplits = 9999;  // more than any published model; the format writes %05d
constexpr size_t kMaxTemplate = size_t{1} << 20;

// "<prefix>-00002-of-00003.gguf": number 1-based.
struct SplitName {
  std::string prefix;
  int number = 0, count = 0;
};

std::string SplitPath(const std::string& prefix, int number, int count) {
  char tail[32];
  std::snprintf(tail, sizeof tail, "-%05d-of-%05d.gguf", number, count);
  return prefix + tail;
}

bool ParseSplitName(const std::string& path, SplitName& name) {
  constexpr size_t kTail = sizeof("-00001-of-00003.gguf") - 1;
  if (path.size() <= kTail) return false;
  const std::string_view tail = std::string_view(path).substr(path.size() - kTail);
  if (!absl::SimpleAtoi(tail.substr(1, 5), &name.number) ||
      !absl::SimpleAtoi(tail.substr(10, 5), &name.count)) {
    return false;
  }
  name.prefix = path.substr(0, path.size() - kTail);
  return name.number >= 1 && name.number <= name.count && name.count <= kMaxSplits &&
         SplitPath(name.prefix, name.number, name.count) == path;
}

}  // namespace

std::shared_ptr<Checkpoint> GgufOpener::Begin(const std::string& path, GgufHeader header) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->format_ = Checkpoint::Format::kGguf;
  checkpoint->path_ = path;
  checkpoint->container_ = absl::StrCat("GGUF v", header.version);
  checkpoint->gguf_ = std::make_unique<GgufMetadata>(std::move(header.metadata));
  return checkpoint;
}

absl::Status GgufOpener::AddTensors(Checkpoint& checkpoint, std::vector<GgufTensor> tensors) {
  for (GgufTensor& tensor : tensors) {
    checkpoint.tensors_.push_back({.name = std::move(tensor.name),
                                   .dtype = tensor.dtype,
                                   .shape = std::move(tensor.shape),
                                   .parts = {tensor.bytes}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Checkpoint>> GgufOpener::Open(const std::string& path, LoadMode mode,
                                                             const LoadProgress& progress) {
  SplitName name;
  const bool split = ParseSplitName(path, name);
  const std::string first = split ? SplitPath(name.prefix, 1, name.count) : path;
  RSN_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, MappedFile::Open(first, mode, progress));
  RSN_ASSIGN_OR_RETURN(GgufHeader header, ParseGguf(file->bytes(), BaseName(first)));
  std::vector<GgufTensor> tensors = std::move(header.tensors);
  std::shared_ptr<Checkpoint> checkpoint = Begin(first, std::move(header));
  checkpoint->file_bytes_ = file->bytes().size();
  checkpoint->files_.push_back(std::move(file));
  RSN_RETURN_IF_ERROR(AddTensors(*checkpoint, std::move(tensors)));
  RSN_RETURN_IF_ERROR(AddSplits(*checkpoint, first, mode, progress));
  RSN_RETURN_IF_ERROR(Finish(*checkpoint));
  return checkpoint;
}

absl::StatusOr<std::shared_ptr<Checkpoint>> GgufOpener::FromMemory(
    absl::Span<const std::byte> gguf) {
  RSN_ASSIGN_OR_RETURN(GgufHeader header, ParseGguf(gguf, "memory"));
  std::vector<GgufTensor> tensors = std::move(header.tensors);
  std::shared_ptr<Checkpoint> checkpoint = Begin("memory", std::move(header));
  checkpoint->file_bytes_ = gguf.size();
  RSN_ASSIGN_OR_RETURN(const int64_t count, checkpoint->gguf_->GetInt("split.count", 0, 65535, 0));
  if (count > 1) {
    return absl::UnimplementedError(
        absl::StrCat("memory: is one of ", count, " split files; give their path instead"));
  }
  RSN_ASSIGN_OR_RETURN(checkpoint->repeat_elements_,
                       checkpoint->gguf_->GetInt("raison.repeat_elements", 1, INT64_MAX, 0));
  RSN_RETURN_IF_ERROR(AddTensors(*checkpoint, std::move(tensors)));
  RSN_RETURN_IF_ERROR(Finish(*checkpoint));
  return checkpoint;
}

absl::Status GgufOpener::AddSplits(Checkpoint& checkpoint, const std::string& path, LoadMode mode,
                                   const LoadProgress& progress) {
  RSN_ASSIGN_OR_RETURN(const int64_t count,
                       checkpoint.gguf_->GetInt("split.count", 0, kMaxSplits, 0));
  if (count <= 1) return absl::OkStatus();
  SplitName name;
  if (!ParseSplitName(path, name) || name.count != count) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": says that it is one of ", count,
        " split files, but its name does not end in -00001-of-NNNNN.gguf with that number"));
  }
  for (int i = 0; i < count; ++i) {
    const std::string part = SplitPath(name.prefix, i + 1, name.count);
    const GgufMetadata* metadata = checkpoint.gguf_.get();
    GgufHeader header{.metadata = GgufMetadata("")};
    if (i > 0) {
      RSN_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                           MappedFile::Open(part, mode, progress));
      RSN_ASSIGN_OR_RETURN(header, ParseGguf(file->bytes(), BaseName(part)));
      checkpoint.file_bytes_ += file->bytes().size();
      checkpoint.files_.push_back(std::move(file));
      RSN_RETURN_IF_ERROR(AddTensors(checkpoint, std::move(header.tensors)));
      metadata = &header.metadata;
    }
    RSN_RETURN_IF_ERROR(metadata->GetInt("split.no", i, i).status());
    RSN_RETURN_IF_ERROR(metadata->GetInt("split.count", count, count).status());
  }
  const int64_t tensors = static_cast<int64_t>(checkpoint.tensors_.size());
  return checkpoint.gguf_->GetInt("split.tensors.count", tensors, tensors, tensors).status();
}

absl::Status GgufOpener::Finish(Checkpoint& checkpoint) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  for (const auto& [key, value] : checkpoint.gguf_->values()) {
    if (!std::string_view(key).starts_with(kKey) || key == "tokenizer.chat_templates") continue;
    if (key.size() > kKey.size() && key[kKey.size()] != '.') continue;
    RSN_ASSIGN_OR_RETURN(const std::string_view text, checkpoint.gguf_->GetString(key));
    if (text.size() > kMaxTemplate) {
      return checkpoint.gguf_->Wrong(key, value, absl::StrCat("at most ", kMaxTemplate, " bytes"));
    }
    const std::string name =
        key.size() == kKey.size() ? "default" : key.substr(kKey.size() + 1);
    checkpoint.chat_templates_[name] = std::string(text);
  }
  return checkpoint.BuildIndex();
}

}  // namespace raison
