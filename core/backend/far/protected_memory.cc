#include "core/backend/far/protected_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace raison::far {
namespace {

absl::Status Failure(const char* what, uint64_t bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, " of ", bytes, " bytes: ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<ProtectedMemory> ProtectedMemory::Map(uint64_t bytes) {
  constexpr uint64_t kAlign = 64;  // what the table promises
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (bytes > UINT64_MAX / 2) return absl::ResourceExhaustedError(absl::StrCat(bytes, " bytes"));
  const uint64_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
  const uint64_t usable = (rounded + page - 1) / page * page;
  const uint64_t mapped = usable + page;
  void* base = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return Failure("mmap", mapped);
  auto* first = static_cast<std::byte*>(base);
  return ProtectedMemory(first, mapped, usable, first + (usable - rounded));
}

ProtectedMemory::ProtectedMemory(ProtectedMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      mapped_(other.mapped_),
      usable_(other.usable_),
      data_(other.data_) {}

ProtectedMemory::~ProtectedMemory() {
  if (base_ != nullptr) munmap(base_, mapped_);
}

absl::Status ProtectedMemory::Open() const {
  if (usable_ != 0 && mprotect(base_, usable_, PROT_READ | PROT_WRITE) != 0) {
    return Failure("mprotect", usable_);
  }
  return absl::OkStatus();
}

absl::Status ProtectedMemory::Close() const {
  if (usable_ != 0 && mprotect(base_, usable_, PROT_NONE) != 0) return Failure("mprotect", usable_);
  return absl::OkStatus();
}

}  // namespace raison::far
