// A read-only view of a whole file: mapped and shared with other processes, or copied into private
// memory. The size is taken once when the file is opened; a mapped file that another process then
// truncates can raise SIGBUS on access, which kCopy avoids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "core/base/status.h"

namespace raison {

enum class LoadMode { kMap, kCopy };
// Called with bytes done and in total; false cancels.
using LoadProgress = std::function<bool(uint64_t done, uint64_t total)>;

class MappedFile {
 public:
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path, LoadMode mode,
                                                          const LoadProgress& progress = {});
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  absl::Span<const std::byte> bytes() const { return {data_, size_}; }
  // Gives the whole pages inside `part` back to the system. Mapped bytes are read from the file
  // again on the next access; copied bytes are lost and must not be read any more.
  void Release(absl::Span<const std::byte> part) const;

 private:
  MappedFile(std::string path, LoadMode mode, std::byte* data, size_t size)
      : path_(std::move(path)), mode_(mode), data_(data), size_(size) {}

  std::string path_;
  LoadMode mode_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace raison
