// One view over every container a model comes in: a GGUF file (or its splits), a GGUF in memory, a
// Hugging Face folder. Tensors have their GGUF names whatever the container; headers are checked
// completely when opened, so that every span lies inside its file and has exactly the bytes that
// dtype and shape need. Knows no architecture: the model layer compares shapes with its config.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "core/base/dtype.h"
#include "core/base/os/mapped_file.h"
#include "core/base/status.h"
#include "core/file/gguf_metadata.h"

namespace raison {

struct StoredTensor {
  std::string name;  // "blk.0.attn_q.weight"
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost first: (n), (out, in) or (experts, out, in)
  // One span, or one per expert where the container keeps experts apart: parts[e] is (out, in).
  // No alignment is promised.
  std::vector<absl::Span<const std::byte>> parts;

  int64_t elements() const;
  uint64_t bytes() const;
};

// The same fault with the path of the file or folder in its sentence: what parses a header, a config
// or a vocabulary knows keys and fields, not always where they come from.
absl::Status NamingFile(const std::string& path, const absl::Status& status);
template <typename T>
absl::StatusOr<T> NamingFile(const std::string& path, absl::StatusOr<T> result) {
  if (result.ok()) return result;
  return NamingFile(path, result.status());
}

class Checkpoint {
 public:
  enum class Format { kGguf, kHuggingFace };

  // A .gguf file, any file of a split GGUF, or a folder with config.json and safetensors.
  static absl::StatusOr<std::shared_ptr<Checkpoint>> Open(const std::string& path,
                                                          LoadMode mode = LoadMode::kMap,
                                                          const LoadProgress& progress = {});
  // `gguf` is borrowed: it must stay unchanged for as long as the checkpoint lives.
  static absl::StatusOr<std::shared_ptr<Checkpoint>> FromMemory(absl::Span<const std::byte> gguf);

  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  Format format() const { return format_; }
  const std::string& path() const { return path_; }  // "memory" for FromMemory
  uint64_t file_bytes() const { return file_bytes_; }
  std::string Description() const;  // "GGUF v3, 2 files" / "Hugging Face folder, 3 files"

  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* Find(std::string_view gguf_name) const;
  // After a repack: gives the tensor's whole pages back. Its bytes must not be read any more where
  // the file was opened with kCopy. Does nothing for FromMemory.
  void Release(const StoredTensor& tensor) const;
  // The same for a part of one tensor's bytes.
  void Release(absl::Span<const std::byte> part) const;

  // kGguf; otherwise nullptr.
  const GgufMetadata* gguf() const { return gguf_.get(); }
  // After how many elements the values of every matrix begin again, says a GGUF in memory in its key
  // raison.repeat_elements: weights for timing. 0: it does not say, or is a file. Not verified here.
  int64_t repeat_elements() const { return repeat_elements_; }

  // kHuggingFace; nullptr where the folder has no such file. All are JSON objects.
  const nlohmann::json* config_json() const { return config_.get(); }
  const nlohmann::json* generation_config_json() const { return generation_config_.get(); }
  const nlohmann::json* tokenizer_config_json() const { return tokenizer_config_.get(); }
  // kHuggingFace: the text of tokenizer.json, not parsed; empty where there is none.
  const std::string& tokenizer_json_text() const { return tokenizer_json_; }

  // Jinja sources by name; the usual one is "default". Either container.
  const std::map<std::string, std::string>& chat_templates() const { return chat_templates_; }
  const std::string* chat_template(const std::string& name = "default") const;

 private:
  friend class GgufOpener;
  friend class HuggingFaceOpener;
  Checkpoint();
  absl::Status BuildIndex();

  Format format_ = Format::kGguf;
  std::string path_;
  std::string container_;  // "GGUF v3"
  uint64_t file_bytes_ = 0;
  int64_t repeat_elements_ = 0;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::vector<StoredTensor> tensors_;
  absl::flat_hash_map<std::string_view, size_t> index_;  // into tensors_
  std::unique_ptr<GgufMetadata> gguf_;
  std::unique_ptr<nlohmann::json> config_, generation_config_, tokenizer_config_;
  std::string tokenizer_json_;
  std::map<std::string, std::string> chat_templates_;
};

}  // namespace raison
