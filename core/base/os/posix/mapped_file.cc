#include "core/base/os/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/os/pages.h"

namespace raison {
namespace {

// Small enough that a cancel takes effect within the promised 250 ms on a slow disk.
constexpr size_t kReadChunk = size_t{8} << 20;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

absl::Status Fill(int fd, const std::string& path, std::byte* data, size_t size,
                  const LoadProgress& progress) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = read(fd, data + done, std::min(kReadChunk, size - done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::DataLossError(absl::StrCat(path, ": read failed: ", strerror(errno)));
    if (got == 0) return absl::DataLossError(absl::StrCat(path, ": became shorter while read"));
    done += static_cast<size_t>(got);
    if (progress && !progress(done, size)) return absl::CancelledError("loading was cancelled");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path, LoadMode mode,
                                                             const LoadProgress& progress) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    const std::string text = absl::StrCat(path, ": cannot be opened: ", strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(text) : absl::FailedPreconditionError(text);
  }
  struct stat info;
  if (fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is not a regular file"));
  }
  const size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) return absl::DataLossError(absl::StrCat(path, ": is empty"));
  const bool map = mode == LoadMode::kMap;
  void* data = map ? mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd, 0)
                   : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": no memory for its ", size, " bytes: ", strerror(errno)));
  }
  std::unique_ptr<MappedFile> result(new MappedFile(path, mode, static_cast<std::byte*>(data), size));
  if (!map) RSN_RETURN_IF_ERROR(Fill(file.fd, path, result->data_, size, progress));
  if (map && progress && !progress(0, size)) {  // nothing is read yet
    return absl::CancelledError("loading was cancelled");
  }
  return result;
}

MappedFile::~MappedFile() { munmap(data_, size_); }

void MappedFile::Release(absl::Span<const std::byte> part) const {
  if (part.data() < data_ || part.data() + part.size() > data_ + size_) return;
  DropPages(part);
}

}  // namespace raison
