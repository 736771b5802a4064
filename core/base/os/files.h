// Small files read whole, folders listed, and files written so that a reader never sees half of
// one (temporary name in the same folder, then rename). Refuses files above the caller's limit.
// Paths are UTF-8 on every system; Windows takes both of its separators.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "core/base/status.h"

namespace raison {

// Between the places of a variable like PATH.
#if defined(_WIN32)
inline constexpr char kPathListSeparator = ';';
#else
inline constexpr char kPathListSeparator = ':';
#endif

bool IsFile(const std::string& path);
bool IsFolder(const std::string& path);
std::string JoinPath(std::string_view folder, std::string_view name);
// Last component without trailing separators: "a/b/" gives "b".
std::string BaseName(std::string_view path);
std::string FolderOf(std::string_view path);
// Plain names of the regular files of a folder, sorted.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& folder);
absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t limit);

class AtomicFile {
 public:
  static absl::StatusOr<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without Commit the temporary file is removed

  absl::Status Write(const void* data, size_t size);
  uint64_t written() const { return written_; }
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int descriptor)
      : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

  std::string path_, temporary_;
  int descriptor_ = -1;
  uint64_t written_ = 0;
};

}  // namespace raison
