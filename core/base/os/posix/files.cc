#include "core/base/os/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/base/os/descriptor.h"

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

namespace descriptor {
namespace {
template <typename Call>
int64_t Again(const Call& call) {  // after a signal
  int64_t result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}
}  // namespace

// A FIFO without a writer would keep open() waiting.
int OpenForReading(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int CreateBeside(const std::string& path, std::string* name) {
  *name = absl::StrCat(path, ".XXXXXX");
  const int file = mkostemp(name->data(), O_CLOEXEC);
  if (file >= 0) fchmod(file, 0644);  // mkostemp gives 0600
  return file;
}

int64_t SizeOf(int file) {
  struct stat info;
  return fstat(file, &info) == 0 && S_ISREG(info.st_mode) ? int64_t{info.st_size} : -1;
}

int64_t Read(int file, void* to, size_t size) {
  return Again([&] { return read(file, to, size); });
}
int64_t Write(int file, const void* from, size_t size) {
  return Again([&] { return write(file, from, size); });
}
bool Close(int file) { return close(file) == 0; }

std::string Rename(const std::string& from, const std::string& to) {
  return rename(from.c_str(), to.c_str()) == 0 ? "" : strerror(errno);
}
void Remove(const std::string& path) { unlink(path.c_str()); }

}  // namespace descriptor
}  // namespace raison
