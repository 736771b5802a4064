#include "core/backend/far/protected_memory.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/os/pages.h"

namespace raison::far {
namespace {

absl::Status Failure(const char* what, uint64_t bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, " of ", bytes, " bytes: ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<ProtectedMemory> ProtectedMemory::Map(uint64_t bytes) {
  constexpr uint64_t kAlign = 64;  // what the table promises
  const uint64_t page = PageSize();
  if (bytes > UINT64_MAX / 2) return absl::ResourceExhaustedError(absl::StrCat(bytes, " bytes"));
  const uint64_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
  const uint64_t usable = (rounded + page - 1) / page * page;
  const uint64_t mapped = usable + page;
  void* base = NewPages(mapped, PageBacking::kOnTouch);
  if (base == nullptr) return Failure("no pages", mapped);
  auto* first = static_cast<std::byte*>(base);
  ProtectedMemory memory(first, mapped, usable, first + (usable - rounded));
  if (!ProtectPages(first, mapped, PageAccess::kNone)) return Failure("no protection", mapped);
  return memory;
}

ProtectedMemory::ProtectedMemory(ProtectedMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      mapped_(other.mapped_),
      usable_(other.usable_),
      data_(other.data_) {}

ProtectedMemory::~ProtectedMemory() {
  if (base_ != nullptr) FreePages(base_, mapped_);
}

absl::Status ProtectedMemory::Open() const {
  if (usable_ != 0 && !ProtectPages(base_, usable_, PageAccess::kReadWrite)) {
    return Failure("no opening", usable_);
  }
  return absl::OkStatus();
}

absl::Status ProtectedMemory::Close() const {
  if (usable_ != 0 && !ProtectPages(base_, usable_, PageAccess::kNone)) {
    return Failure("no closing", usable_);
  }
  return absl::OkStatus();
}

}  // namespace raison::far
