#include "core/kv/page_pool.h"

namespace raison {

PagePool::PagePool(uint32_t pages) : references_(pages, 0) {
  free_.reserve(pages);
  for (uint32_t p = pages; p-- > 0;) free_.push_back(p);
}

absl::StatusOr<uint32_t> PagePool::Allocate() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the KV cache is full: all ", references_.size(),
                     " pages are in use; raise kv_bytes or free a session"));
  }
  const uint32_t page = free_.back();
  free_.pop_back();
  references_[page] = 1;
  return page;
}

void PagePool::Ref(uint32_t page) {
  std::lock_guard lock(mutex_);
  ++references_[page];
}

void PagePool::Unref(uint32_t page) {
  std::lock_guard lock(mutex_);
  if (--references_[page] == 0) free_.push_back(page);
}

bool PagePool::Shared(uint32_t page) const {
  std::lock_guard lock(mutex_);
  return references_[page] > 1;
}

uint32_t PagePool::used() const {
  std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(references_.size() - free_.size());
}

}  // namespace raison
