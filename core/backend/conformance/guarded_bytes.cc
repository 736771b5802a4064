#include "core/backend/conformance/guarded_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace raison::conformance {

GuardedBytes::GuardedBytes(const std::vector<std::byte>& bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t usable = (bytes.size() + page - 1) / page * page;
  mapped_ = usable + page;
  void* base = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return;
  base_ = base;
  auto* first = static_cast<std::byte*>(base);
  if (mprotect(first + usable, page, PROT_NONE) != 0) return;
  data_ = first + (usable - bytes.size());
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

GuardedBytes::GuardedBytes(GuardedBytes&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), mapped_(other.mapped_), data_(other.data_) {}

GuardedBytes::~GuardedBytes() {
  if (base_ != nullptr) munmap(base_, mapped_);
}

}  // namespace raison::conformance
