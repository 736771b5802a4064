#include "core/base/os/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/os/descriptor.h"

namespace raison {
namespace {

#if defined(_WIN32)
constexpr std::string_view kSeparators = "/\\";
#else
constexpr std::string_view kSeparators = "/";
#endif

bool IsSeparator(char c) { return kSeparators.find(c) != kSeparators.npos; }

std::string_view TrimSeparators(std::string_view path) {
  while (path.size() > 1 && IsSeparator(path.back())) path.remove_suffix(1);
  return path;
}

}  // namespace

std::string JoinPath(std::string_view folder, std::string_view name) {
  if (folder.empty()) return std::string(name);
  return absl::StrCat(folder, IsSeparator(folder.back()) ? "" : "/", name);
}

std::string BaseName(std::string_view path) {
  path = TrimSeparators(path);
  const size_t slash = path.find_last_of(kSeparators);
  return std::string(slash == path.npos || path.size() == 1 ? path : path.substr(slash + 1));
}

std::string FolderOf(std::string_view path) {
  path = TrimSeparators(path);
  const size_t slash = path.find_last_of(kSeparators);
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, std::max<size_t>(slash, 1)));
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t limit) {
  const int file = descriptor::OpenForReading(path);
  if (file < 0) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened: ", strerror(errno)));
  const int64_t size = descriptor::SizeOf(file);
  absl::Status status;
  std::string text;
  if (size < 0) {
    status = absl::FailedPreconditionError(absl::StrCat(path, ": is not a regular file"));
  } else if (static_cast<uint64_t>(size) > limit) {
    status = absl::InvalidArgumentError(
        absl::StrCat(path, ": has ", size, " bytes, more than the limit of ", limit));
  } else {
    text.resize(static_cast<size_t>(size));
    size_t done = 0;
    while (done < text.size()) {
      const int64_t got = descriptor::Read(file, text.data() + done, text.size() - done);
      if (got <= 0) {
        status = absl::DataLossError(absl::StrCat(path, ": cannot be read to its end"));
        break;
      }
      done += static_cast<size_t>(got);
    }
  }
  descriptor::Close(file);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  std::string temporary;
  const int file = descriptor::CreateBeside(path, &temporary);
  if (file < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": no file can be made beside it: ", strerror(errno)));
  }
  return AtomicFile(path, std::move(temporary), file);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      written_(other.written_) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  descriptor::Close(descriptor_);
  descriptor::Remove(temporary_);
}

absl::Status AtomicFile::Write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const int64_t put = descriptor::Write(descriptor_, from, size);
    if (put <= 0) {
      return absl::ResourceExhaustedError(absl::StrCat(path_, ": cannot write: ", strerror(errno)));
    }
    from += put;
    size -= static_cast<size_t>(put);
    written_ += static_cast<uint64_t>(put);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  std::string why;
  if (!descriptor::Close(std::exchange(descriptor_, -1))) {
    why = strerror(errno);
  } else {
    why = descriptor::Rename(temporary_, path_);
  }
  if (why.empty()) return absl::OkStatus();
  descriptor::Remove(temporary_);
  return absl::ResourceExhaustedError(absl::StrCat(path_, ": cannot be completed: ", why));
}

}  // namespace raison
