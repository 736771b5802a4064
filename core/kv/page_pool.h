// Page numbers and their reference counts. Owns no memory: a page is the same index in every layer's
// cache tensor. Safe to use from several threads.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/base/status.h"

namespace raison {

class PagePool {
 public:
  explicit PagePool(uint32_t pages);

  // A page with one reference. RESOURCE_EXHAUSTED when every page is taken.
  absl::StatusOr<uint32_t> Allocate();
  void Ref(uint32_t page);
  void Unref(uint32_t page);
  bool Shared(uint32_t page) const;

  uint32_t capacity() const { return static_cast<uint32_t>(references_.size()); }
  uint32_t used() const;

 private:
  mutable std::mutex mutex_;
  std::vector<uint32_t> references_;  // (pages)
  std::vector<uint32_t> free_;        // taken from the back: low numbers first
};

}  // namespace raison
