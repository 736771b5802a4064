// What stands behind the opaque handles of the table: device, buffer, queue; and what an operation
// needs while it runs: scratch memory that is kept from call to call, and the parallel loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "core/backend/cpu/kernels.h"
#include "core/base/status.h"
#include "raison/backend.h"

namespace raison::cpu {

// Aligned to 64 bytes; NULL if there is no memory. By operator new: Windows has no aligned_alloc.
inline void* NewAligned(size_t bytes) {
  return ::operator new(bytes, std::align_val_t{64}, std::nothrow);
}
inline void FreeAligned(void* p) { ::operator delete(p, std::align_val_t{64}); }

struct DeviceState {
  rsn_backend_host host;
  const Kernels* kernels;
  std::string description;
};

// rsn_buffer and the other handles are opaque in C and shared by several back ends: casts, here only.
struct Memory {
  uint8_t* data = nullptr;
  uint64_t bytes = 0;
  void* owned = nullptr;  // to free; null when the bytes are the host's
  uint64_t mapped = 0;    // length to unmap instead of free
};
inline Memory* MemoryOf(rsn_buffer* b) { return reinterpret_cast<Memory*>(b); }

// Memory for one operation: taken piece by piece, given back all together, kept for the next.
class Scratch {
 public:
  void Reset() {
    if (chunks_.size() > 1) {
      size_t total = 0;
      for (const Chunk& c : chunks_) total += c.bytes;
      chunks_.clear();
      Grow(total);
    }
    used_ = 0;
  }
  // count elements, aligned to 64 bytes, not initialised. Throws std::bad_alloc.
  template <typename T>
  T* Take(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    if (chunks_.empty() || used_ + bytes > chunks_.back().bytes) Grow(bytes);
    T* p = reinterpret_cast<T*>(chunks_.back().data.get() + used_);
    used_ += bytes;
    return p;
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const { FreeAligned(p); }
  };
  struct Chunk {
    std::unique_ptr<uint8_t, Free> data;
    size_t bytes;
  };
  void Grow(size_t bytes) {
    constexpr size_t kLeast = size_t{1} << 20;
    bytes = bytes < kLeast ? kLeast : (bytes + 63) / 64 * 64;
    void* p = NewAligned(bytes);
    if (p == nullptr) throw std::bad_alloc();
    chunks_.push_back({std::unique_ptr<uint8_t, Free>(static_cast<uint8_t*>(p)), bytes});
    used_ = 0;
  }

  std::vector<Chunk> chunks_;
  size_t used_ = 0;  // of the last chunk
};

struct Context {
  const DeviceState& device;
  Scratch& scratch;

  const Kernels& kernels() const { return *device.kernels; }
  uint32_t threads() const { return device.host.threads > 0 ? device.host.threads : 1; }

  // body(index, worker) for every index; a throwing body makes the result an error.
  template <typename Body>
  absl::Status ForEach(int64_t count, const Body& body) const {
    struct Shared {
      const Body& body;
      std::atomic<bool> failed{false};
    } shared{body};
    const auto task = [](void* arg, uint32_t index, uint32_t worker) {
      auto& s = *static_cast<Shared*>(arg);
      try {
        s.body(static_cast<int64_t>(index), worker);
      } catch (...) {
        s.failed.store(true, std::memory_order_relaxed);
      }
    };
    if (count > UINT32_MAX) return absl::InvalidArgumentError(absl::StrCat(count, " tasks"));
    if (count > 1 && device.host.parallel_for != nullptr && threads() > 1) {
      device.host.parallel_for(device.host.context, static_cast<uint32_t>(count), task, &shared);
    } else {
      for (int64_t i = 0; i < count; ++i) task(&shared, static_cast<uint32_t>(i), 0);
    }
    if (shared.failed.load(std::memory_order_relaxed)) {
      return absl::ResourceExhaustedError("a task of the CPU back end found no memory");
    }
    return absl::OkStatus();
  }

  // body(begin, end, worker) over [0, n), cut into ranges of about `grain` (>= 1).
  template <typename Body>
  absl::Status ForRange(int64_t n, int64_t grain, const Body& body) const {
    if (n <= 0) return absl::OkStatus();
    const int64_t pieces = (n + grain - 1) / grain;
    return ForEach(pieces, [&](int64_t i, uint32_t worker) {
      body(i * grain, (i + 1) * grain < n ? (i + 1) * grain : n, worker);
    });
  }
};

// The innermost row (i, j, k) of a view; unused indices are zero.
inline uint8_t* RowAt(const rsn_tensor& t, int64_t i = 0, int64_t j = 0, int64_t k = 0) {
  uint8_t* p = MemoryOf(t.buffer)->data + t.offset;
  if (t.rank > 1) p += i * t.stride[0];
  if (t.rank > 2) p += j * t.stride[1];
  if (t.rank > 3) p += k * t.stride[2];
  return p;
}
inline float* F32At(const rsn_tensor& t, int64_t i = 0, int64_t j = 0, int64_t k = 0) {
  return reinterpret_cast<float*>(RowAt(t, i, j, k));
}
inline int32_t* I32At(const rsn_tensor& t, int64_t i = 0) {
  return reinterpret_cast<int32_t*>(RowAt(t, i));
}

}  // namespace raison::cpu
