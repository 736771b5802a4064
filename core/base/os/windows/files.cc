#include "core/base/os/files.h"

#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>
#include <windows.h>

#include <algorithm>
#include <cerrno>

#include "core/base/os/descriptor.h"
#include "core/base/os/windows/text.h"

namespace raison {
namespace {

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

namespace descriptor {
namespace {
constexpr int kNameTries = 100;
// The C run time counts in int.
unsigned AtOnce(size_t size) {
  return static_cast<unsigned>(std::min(size, size_t{1} << 30));
}
}  // namespace

int OpenForReading(const std::string& path) {
  return _wopen(Wide(path).c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT);
}

int CreateBeside(const std::string& path, std::string* name) {
  // The process and the time make a name that is hardly taken; one that is, is not touched.
  const uint64_t seed = GetTickCount64() ^ static_cast<uint64_t>(GetCurrentProcessId()) << 32;
  for (uint64_t i = 0; i < kNameTries; ++i) {
    *name = absl::StrCat(path, ".", absl::Hex(seed + i));
    const int file = _wopen(Wide(*name).c_str(),
                            _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT,
                            _S_IREAD | _S_IWRITE);
    if (file >= 0 || errno != EEXIST) return file;
  }
  return -1;
}

int64_t SizeOf(int file) {
  struct _stat64 info;
  return _fstat64(file, &info) == 0 && (info.st_mode & _S_IFMT) == _S_IFREG ? info.st_size : -1;
}

int64_t Read(int file, void* to, size_t size) { return _read(file, to, AtOnce(size)); }
int64_t Write(int file, const void* from, size_t size) { return _write(file, from, AtOnce(size)); }
bool Close(int file) { return _close(file) == 0; }

std::string Rename(const std::string& from, const std::string& to) {
  if (MoveFileExW(Wide(from).c_str(), Wide(to).c_str(), MOVEFILE_REPLACE_EXISTING) != 0) return "";
  return SystemError(GetLastError());
}
void Remove(const std::string& path) { DeleteFileW(Wide(path).c_str()); }

}  // namespace descriptor
}  // namespace raison
