// Memory of whole pages for something large that is read once, from its beginning to its end: what
// has been read is given back to the system run by run, long before the rest.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/types/span.h"
#include "core/base/status.h"

namespace raison {

class ScratchPages {
 public:
  static absl::StatusOr<std::unique_ptr<ScratchPages>> New(size_t bytes);
  ~ScratchPages();
  ScratchPages(const ScratchPages&) = delete;
  ScratchPages& operator=(const ScratchPages&) = delete;

  absl::Span<std::byte> bytes() const { return {data_, size_}; }
  // The whole pages inside `part`, which must lie in bytes(), are lost.
  void Release(absl::Span<const std::byte> part) const;

 private:
  ScratchPages(std::byte* data, size_t size) : data_(data), size_(size) {}

  std::byte* data_;
  size_t size_;
};

}  // namespace raison
