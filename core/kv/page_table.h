// One timeline's pages in one cache group, in order of position. Copying a table shares its pages;
// the first write into a shared, partly filled page copies that page.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/kv/page_pool.h"

namespace raison {

class PageTable {
 public:
  PageTable(PagePool* pool, uint32_t page_tokens) : pool_(pool), page_tokens_(page_tokens) {}
  PageTable(const PageTable& other);
  PageTable(PageTable&& other) noexcept;
  PageTable& operator=(PageTable other) noexcept;
  ~PageTable();

  uint32_t length() const { return length_; }  // tokens
  const std::vector<uint32_t>& pages() const { return pages_; }

  // A page to be copied on the device before the next write: {from, to}.
  using Copy = std::pair<uint32_t, uint32_t>;

  // Makes room for `count` more tokens: takes the pages that they need, and where the page they begin
  // in is shared, replaces it and says what to copy. On failure nothing has changed.
  absl::Status Extend(uint32_t count, std::vector<Copy>* copies);
  // Forgets the positions from `length` on and gives their pages back.
  void Truncate(uint32_t length);
  // page * page_tokens + offset of a position below length().
  int32_t Slot(uint32_t position) const {
    return static_cast<int32_t>(pages_[position / page_tokens_] * page_tokens_ +
                                position % page_tokens_);
  }

 private:
  PagePool* pool_;
  uint32_t page_tokens_;
  uint32_t length_ = 0;
  std::vector<uint32_t> pages_;
};

}  // namespace raison
