#include "core/base/os/files.h"

#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>
#include <windows.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/os/windows/text.h"

namespace raison {
namespace {

constexpr int kNameTries = 100;
constexpr size_t kMostAtOnce = size_t{1} << 30;  // the C run time counts in int

DWORD Attributes(const std::string& path) { return GetFileAttributesW(Wide(path).c_str()); }

}  // namespace

bool IsFile(const std::string& path) {
  const DWORD attributes = Attributes(path);
  return attributes != INVALID_FILE_ATTRIBUTES &&
         (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)) == 0;
}

bool IsFolder(const std::string& path) {
  const DWORD attributes = Attributes(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& folder) {
  WIN32_FIND_DATAW entry;
  const HANDLE search = FindFirstFileW(Wide(JoinPath(folder, "*")).c_str(), &entry);
  if (search == INVALID_HANDLE_VALUE) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": cannot be listed: ", SystemError(GetLastError())));
  }
  std::vector<std::string> names;
  do {
    if ((entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
      names.push_back(Utf8(entry.cFileName));
    }
  } while (FindNextFileW(search, &entry) != 0);
  FindClose(search);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t limit) {
  const int fd = _wopen(Wide(path).c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT);
  if (fd < 0) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened: ", strerror(errno)));
  struct _stat64 info;
  absl::Status status;
  std::string text;
  if (_fstat64(fd, &info) != 0 || (info.st_mode & _S_IFMT) != _S_IFREG) {
    status = absl::FailedPreconditionError(absl::StrCat(path, ": is not a regular file"));
  } else if (static_cast<uint64_t>(info.st_size) > limit) {
    status = absl::InvalidArgumentError(
        absl::StrCat(path, ": has ", info.st_size, " bytes, more than the limit of ", limit));
  } else {
    text.resize(static_cast<size_t>(info.st_size));
    size_t done = 0;
    while (done < text.size()) {
      const int got = _read(fd, text.data() + done,
                            static_cast<unsigned>(std::min(kMostAtOnce, text.size() - done)));
      if (got <= 0) {
        status = absl::DataLossError(absl::StrCat(path, ": cannot be read to its end"));
        break;
      }
      done += static_cast<size_t>(got);
    }
  }
  _close(fd);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  // The process and the time make a name that is hardly taken; one that is, is not touched.
  const uint64_t seed = GetTickCount64() ^ static_cast<uint64_t>(GetCurrentProcessId()) << 32;
  for (uint64_t i = 0; i < kNameTries; ++i) {
    std::string temporary = absl::StrCat(path, ".", absl::Hex(seed + i));
    const int fd = _wopen(Wide(temporary).c_str(),
                          _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT,
                          _S_IREAD | _S_IWRITE);
    if (fd >= 0) return AtomicFile(path, std::move(temporary), fd);
    if (errno != EEXIST) break;
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": no file can be made beside it: ", strerror(errno)));
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      written_(other.written_) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  _close(fd_);
  DeleteFileW(Wide(temporary_).c_str());
}

absl::Status AtomicFile::Write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const int put = _write(fd_, from, static_cast<unsigned>(std::min(kMostAtOnce, size)));
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
  std::string why;
  if (_close(fd) != 0) {
    why = strerror(errno);
  } else if (MoveFileExW(Wide(temporary_).c_str(), Wide(path_).c_str(),
                         MOVEFILE_REPLACE_EXISTING) == 0) {
    why = SystemError(GetLastError());
  } else {
    return absl::OkStatus();
  }
  DeleteFileW(Wide(temporary_).c_str());
  return absl::ResourceExhaustedError(absl::StrCat(path_, ": cannot be completed: ", why));
}

}  // namespace raison
