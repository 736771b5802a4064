// Views as the shaders take them: device address, strides, the range of bytes that they cover, and
// their numbers of elements in 32 bits.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/backend/vulkan/queue.h"
#include "core/base/dtype.h"
#include "raison/backend.h"

namespace raison::vulkan {

inline uint64_t Address(const rsn_tensor& t) {
  return t.buffer == nullptr ? 0 : BufferOf(t.buffer).address() + t.offset;
}
// Zero where there is only one, whatever the view says.
inline uint64_t Stride(const rsn_tensor& t, uint32_t d) {
  return t.shape[d] > 1 ? static_cast<uint64_t>(t.stride[d]) : 0;
}
inline uint32_t Stride32(const rsn_tensor& t, uint32_t d) {
  return static_cast<uint32_t>(Stride(t, d));
}
inline uint32_t Size(const rsn_tensor& t, uint32_t d) { return static_cast<uint32_t>(t.shape[d]); }
inline uint32_t Width(const rsn_tensor& t) { return Size(t, t.rank - 1); }

inline Range RangeOf(const rsn_tensor& t) {
  const uint64_t begin = Address(t);
  uint64_t bytes = RowBytes(static_cast<DType>(t.dtype), static_cast<size_t>(t.shape[t.rank - 1]));
  for (uint32_t d = 0; d < t.rank; ++d) {
    if (t.shape[d] == 0) return {begin, begin};
    if (d + 1 < t.rank) bytes += static_cast<uint64_t>(t.shape[d] - 1) * Stride(t, d);
  }
  return {begin, begin + bytes};
}

// Vectors of four floats may be read: every row begins at 16 bytes.
inline bool RowsAligned(const rsn_tensor& t) {
  uint64_t all = Address(t);
  for (uint32_t d = 0; d + 1 < t.rank; ++d) all |= Stride(t, d);
  return all % 16 == 0;
}

inline uint64_t CeilDivide(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

}  // namespace raison::vulkan
