// Making and slicing rsn_tensor views. A view owns nothing and knows no device.
#pragma once

#include <cassert>
#include <initializer_list>

#include "core/base/dtype.h"
#include "raison/backend.h"

namespace raison {

using Tensor = rsn_tensor;

// Bytes of one innermost row.
inline int64_t InnerBytes(uint32_t dtype, int64_t n) {
  return static_cast<int64_t>(RowBytes(static_cast<DType>(dtype), static_cast<size_t>(n)));
}

// A dense view, outermost first.
inline Tensor DenseTensor(rsn_buffer* buffer, uint64_t offset, DType dtype,
                          std::initializer_list<int64_t> shape) {
  Tensor t{};
  t.buffer = buffer;
  t.offset = offset;
  t.dtype = static_cast<uint32_t>(dtype);
  t.rank = static_cast<uint32_t>(shape.size());
  assert(t.rank >= 1 && t.rank <= 4);
  uint32_t d = 0;
  for (int64_t n : shape) t.shape[d++] = n;
  // The innermost stride is that of one element (of one block for a quantised type).
  t.stride[t.rank - 1] = Traits(dtype).bytes;
  int64_t bytes = InnerBytes(t.dtype, t.shape[t.rank - 1]);
  for (uint32_t i = t.rank - 1; i-- > 0;) {
    t.stride[i] = bytes;
    bytes *= t.shape[i];
  }
  return t;
}

inline uint64_t TensorBytes(const Tensor& t) {
  uint64_t bytes = static_cast<uint64_t>(InnerBytes(t.dtype, t.shape[t.rank - 1]));
  for (uint32_t i = 0; i + 1 < t.rank; ++i) bytes *= static_cast<uint64_t>(t.shape[i]);
  return bytes;
}

// The first n entries of the outermost dimension, starting at `begin`.
inline Tensor Rows(Tensor t, int64_t begin, int64_t n) {
  t.offset += static_cast<uint64_t>(begin * t.stride[0]);
  t.shape[0] = n;
  return t;
}

inline Tensor Rows(const Tensor& t, int64_t n) { return Rows(t, 0, n); }

// Columns [begin, begin + n) of the innermost dimension of a plain f32 or i32 view.
inline Tensor Columns(Tensor t, int64_t begin, int64_t n) {
  t.offset += static_cast<uint64_t>(begin) * 4;
  t.shape[t.rank - 1] = n;
  return t;
}

// (rows, heads, width) as a cache of one token a page: kv_write copies into it, row by row.
inline Tensor OneTokenPages(Tensor t) {
  t.rank = 4;
  t.shape[3] = t.shape[2], t.stride[3] = t.stride[2];
  t.shape[2] = 1, t.stride[2] = t.stride[1];
  return t;
}

// Splits the innermost dimension of an f32 view (rows, heads * width) into (rows, heads, width).
inline Tensor Heads(Tensor t, int64_t heads) {
  assert(t.rank == 2);
  t.rank = 3;
  t.shape[2] = t.shape[1] / heads;
  t.shape[1] = heads;
  t.stride[2] = 4;
  t.stride[1] = t.shape[2] * 4;
  return t;
}

}  // namespace raison
