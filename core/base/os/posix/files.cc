#include "core/base/os/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace raison {
bool IsFile(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& folder) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) {
    return absl::NotFoundError(absl::StrCat(folder, ": cannot be listed: ", strerror(errno)));
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    if (IsFile(JoinPath(folder, entry->d_name))) names.emplace_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t limit) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened: ", strerror(errno)));
  struct stat info;
  absl::Status status;
  std::string text;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    status = absl::FailedPreconditionError(absl::StrCat(path, ": is not a regular file"));
  } else if (static_cast<uint64_t>(info.st_size) > limit) {
    status = absl::InvalidArgumentError(
        absl::StrCat(path, ": has ", info.st_size, " bytes, more than the limit of ", limit));
  } else {
    text.resize(static_cast<size_t>(info.st_size));
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t got = read(fd, text.data() + done, text.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        status = absl::DataLossError(absl::StrCat(path, ": cannot be read to its end"));
        break;
      }
      done += static_cast<size_t>(got);
    }
  }
  close(fd);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": no file can be made beside it: ", strerror(errno)));
  }
  fchmod(fd, 0644);  // mkostemp gives 0600
  return AtomicFile(path, std::move(temporary), fd);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      written_(other.written_) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

absl::Status AtomicFile::Write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = write(fd_, from, size);
    if (put < 0 && errno == EINTR) continue;
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
  const int fd = std::exchange(fd_, -1);
  const bool closed = close(fd) == 0;
  if (!closed || rename(temporary_.c_str(), path_.c_str()) != 0) {
    const absl::Status status = absl::ResourceExhaustedError(
        absl::StrCat(path_, ": cannot be completed: ", strerror(errno)));
    unlink(temporary_.c_str());
    return status;
  }
  return absl::OkStatus();
}

}  // namespace raison
