// Pages that are unreadable unless opened, with a page after them that is never readable. The end
// of the bytes touches that page as closely as 64-byte alignment allows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/status.h"

namespace raison::far {

class ProtectedMemory {
 public:
  static absl::StatusOr<ProtectedMemory> Map(uint64_t bytes);  // zeroed, closed
  ProtectedMemory(ProtectedMemory&& other) noexcept;
  ProtectedMemory& operator=(ProtectedMemory&&) = delete;
  ~ProtectedMemory();

  std::byte* data() const { return data_; }
  absl::Status Open() const;   // readable and writable
  absl::Status Close() const;  // neither

 private:
  ProtectedMemory(std::byte* base, uint64_t mapped, uint64_t usable, std::byte* data)
      : base_(base), mapped_(mapped), usable_(usable), data_(data) {}

  std::byte* base_;
  uint64_t mapped_;  // with the last page
  uint64_t usable_;  // without it
  std::byte* data_;
};

}  // namespace raison::far
