#include "core/kv/page_table.h"

namespace raison {

PageTable::PageTable(const PageTable& other)
    : pool_(other.pool_),
      page_tokens_(other.page_tokens_),
      length_(other.length_),
      pages_(other.pages_) {
  for (uint32_t p : pages_) pool_->Ref(p);
}

PageTable::PageTable(PageTable&& other) noexcept
    : pool_(other.pool_),
      page_tokens_(other.page_tokens_),
      length_(std::exchange(other.length_, 0)),
      pages_(std::exchange(other.pages_, {})) {}

PageTable& PageTable::operator=(PageTable other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(page_tokens_, other.page_tokens_);
  std::swap(length_, other.length_);
  pages_.swap(other.pages_);
  return *this;
}

PageTable::~PageTable() {
  for (uint32_t p : pages_) pool_->Unref(p);
}

absl::Status PageTable::Extend(uint32_t count, std::vector<Copy>* copies) {
  if (count == 0) return absl::OkStatus();
  const uint32_t in_last = length_ % page_tokens_;
  const uint32_t needed = (length_ + count + page_tokens_ - 1) / page_tokens_;
  const bool copy_last = in_last != 0 && pool_->Shared(pages_.back());

  std::vector<uint32_t> fresh;
  const uint32_t wanted = needed - static_cast<uint32_t>(pages_.size()) + (copy_last ? 1 : 0);
  while (fresh.size() < wanted) {
    auto page = pool_->Allocate();
    if (!page.ok()) {
      for (uint32_t p : fresh) pool_->Unref(p);
      return page.status();
    }
    fresh.push_back(*page);
  }
  size_t next = 0;
  if (copy_last) {
    // The copy is made before the other owner's reference is dropped by us: the source stays alive
    // because somebody else holds it.
    copies->push_back({pages_.back(), fresh[next]});
    pool_->Unref(pages_.back());
    pages_.back() = fresh[next++];
  }
  pages_.insert(pages_.end(), fresh.begin() + static_cast<std::ptrdiff_t>(next), fresh.end());
  length_ += count;
  return absl::OkStatus();
}

void PageTable::Truncate(uint32_t length) {
  if (length >= length_) return;
  const uint32_t keep = (length + page_tokens_ - 1) / page_tokens_;
  while (pages_.size() > keep) {
    pool_->Unref(pages_.back());
    pages_.pop_back();
  }
  length_ = length;
}

}  // namespace raison
