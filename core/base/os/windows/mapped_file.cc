#include "core/base/os/mapped_file.h"

#include <windows.h>

#include <algorithm>

#include "core/base/os/pages.h"
#include "core/base/os/windows/text.h"

namespace raison {
namespace {

// Small enough that a cancel takes effect within the promised 250 ms on a slow disk.
constexpr size_t kReadChunk = size_t{8} << 20;

struct Handle {
  HANDLE value;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

std::string LastError() { return SystemError(GetLastError()); }

absl::Status Fill(HANDLE file, const std::string& path, std::byte* data, size_t size,
                  const LoadProgress& progress) {
  for (size_t done = 0; done < size;) {
    DWORD got = 0;
    const DWORD want = static_cast<DWORD>(std::min(kReadChunk, size - done));
    if (ReadFile(file, data + done, want, &got, nullptr) == 0) {
      return absl::DataLossError(absl::StrCat(path, ": read failed: ", LastError()));
    }
    if (got == 0) return absl::DataLossError(absl::StrCat(path, ": became shorter while read"));
    done += got;
    if (progress && !progress(done, size)) return absl::CancelledError("loading was cancelled");
  }
  return absl::OkStatus();
}

// The view keeps the file open; nobody can shorten a file that has one.
void* Map(HANDLE file) {
  const Handle mapping{CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  return mapping.value == nullptr ? nullptr : MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path, LoadMode mode,
                                                             const LoadProgress& progress) {
  const Handle file{CreateFileW(Wide(path).c_str(), GENERIC_READ,
                                FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                                FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (file.value == INVALID_HANDLE_VALUE) {
    const DWORD code = GetLastError();
    const std::string text = absl::StrCat(path, ": cannot be opened: ", SystemError(code));
    const bool missing = code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND;
    return missing ? absl::NotFoundError(text) : absl::FailedPreconditionError(text);
  }
  LARGE_INTEGER bytes;
  if (GetFileType(file.value) != FILE_TYPE_DISK || GetFileSizeEx(file.value, &bytes) == 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is not a regular file"));
  }
  const size_t size = static_cast<size_t>(bytes.QuadPart);
  if (size == 0) return absl::DataLossError(absl::StrCat(path, ": is empty"));
  const bool map = mode == LoadMode::kMap;
  void* data = map ? Map(file.value) : NewPages(size);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": no memory for its ", size, " bytes: ", LastError()));
  }
  std::unique_ptr<MappedFile> result(
      new MappedFile(path, mode, static_cast<std::byte*>(data), size));
  if (!map) RSN_RETURN_IF_ERROR(Fill(file.value, path, result->data_, size, progress));
  if (map && progress && !progress(0, size)) {  // nothing is read yet
    return absl::CancelledError("loading was cancelled");
  }
  return result;
}

MappedFile::~MappedFile() {
  if (mode_ == LoadMode::kMap) {
    UnmapViewOfFile(data_);
  } else {
    FreePages(data_, size_);
  }
}

void MappedFile::Release(absl::Span<const std::byte> part) const {
  if (part.data() < data_ || part.data() + part.size() > data_ + size_) return;
  DropPages(part);
}

}  // namespace raison
