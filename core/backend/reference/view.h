// Memory behind a view: what the reference operations (and the test back end `far`, which runs them
// on buffers of its own) take for an rsn_buffer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/half.h"
#include "raison/backend.h"

namespace raison::reference {

struct Memory {
  std::byte* data = nullptr;
  uint64_t bytes = 0;
};

// rsn_buffer is opaque in the C header, and several back ends share one program: none defines it.
inline Memory* MemoryOf(rsn_buffer* buffer) { return reinterpret_cast<Memory*>(buffer); }
inline rsn_buffer* BufferOf(Memory* memory) { return reinterpret_cast<rsn_buffer*>(memory); }

// The innermost row (i, j, k) of a view; unused indices are zero.
inline std::byte* RowAt(const rsn_tensor& t, int64_t i = 0, int64_t j = 0, int64_t k = 0) {
  std::byte* p = MemoryOf(t.buffer)->data + t.offset;
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

// Element c of a plain f32, f16 or bf16 row.
inline float Element(uint32_t dtype, const std::byte* row, int64_t c) {
  if (dtype == RSN_DTYPE_F32) return reinterpret_cast<const float*>(row)[c];
  const uint16_t bits = reinterpret_cast<const uint16_t*>(row)[c];
  return dtype == RSN_DTYPE_F16 ? F16ToF32(bits) : BF16ToF32(bits);
}

}  // namespace raison::reference
