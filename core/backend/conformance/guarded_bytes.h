// A copy of some bytes that ends exactly at an unreadable page: a kernel that reads past a weight
// that it was given in place faults.
#pragma once

#include <cstddef>
#include <vector>

namespace raison::conformance {

class GuardedBytes {
 public:
  explicit GuardedBytes(const std::vector<std::byte>& bytes);
  GuardedBytes(GuardedBytes&& other) noexcept;
  GuardedBytes& operator=(GuardedBytes&&) = delete;
  ~GuardedBytes();
  const std::byte* data() const { return data_; }  // nullptr if there was no memory

 private:
  void* base_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace raison::conformance
