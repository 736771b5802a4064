// The element types of tensors, numbered as in GGUF, and their block geometry.
// Owns no arithmetic: blocks.h describes the quantised blocks, dequantize.h turns them into f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace raison {

// Values are the GGUF type ids; RSN_DTYPE_* in raison/backend.h has the same numbers.
enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kI32 = 26,
  kBF16 = 30,
};

struct DTypeTraits {
  std::string_view name;  // "Q4_K"
  uint32_t block;         // weights per block
  uint32_t bytes;         // bytes per block
};

// nullptr for an id that is not in DType.
const DTypeTraits* FindDTypeTraits(uint32_t id);
const DTypeTraits& Traits(DType type);
inline bool IsQuantized(DType type) { return Traits(type).block > 1; }
// Bytes of n consecutive elements; n must be a multiple of the block.
inline size_t RowBytes(DType type, size_t n) {
  return n / Traits(type).block * Traits(type).bytes;
}

}  // namespace raison
