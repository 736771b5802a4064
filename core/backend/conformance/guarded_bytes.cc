#include "core/backend/conformance/guarded_bytes.h"

#include <cstring>
#include <utility>

#include "core/base/os/pages.h"

namespace raison::conformance {

GuardedBytes::GuardedBytes(const std::vector<std::byte>& bytes) {
  const size_t page = PageSize();
  const size_t usable = (bytes.size() + page - 1) / page * page;
  mapped_ = usable + page;
  base_ = NewPages(mapped_);
  if (base_ == nullptr) return;
  auto* first = static_cast<std::byte*>(base_);
  if (!ProtectPages(first + usable, page, PageAccess::kNone)) return;
  data_ = first + (usable - bytes.size());
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

GuardedBytes::GuardedBytes(GuardedBytes&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), mapped_(other.mapped_), data_(other.data_) {}

GuardedBytes::~GuardedBytes() {
  if (base_ != nullptr) FreePages(base_, mapped_);
}

}  // namespace raison::conformance
