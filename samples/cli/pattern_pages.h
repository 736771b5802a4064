// Memory whose pages can be shown at other addresses too, so that a large model of random weights takes
// little of it.
#pragma once

#include <cstddef>

namespace raison::cli {

class PatternPages {
 public:
  explicit PatternPages(size_t size);  // throws Failure
  ~PatternPages();
  PatternPages(const PatternPages&) = delete;
  PatternPages& operator=(const PatternPages&) = delete;

  std::byte* data() const { return data_; }
  // Whether the system can show pages twice.
  static bool CanShow();
  // Puts the pages from `offset` on in place of those at `to`, read-only. False where that failed;
  // nothing is changed then.
  bool Show(std::byte* to, size_t size, size_t offset) const;

 private:
  std::byte* data_ = nullptr;
  size_t size_;
  int file_ = -1;
};

}  // namespace raison::cli
