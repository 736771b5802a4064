#include "core/base/dtype.h"

namespace raison {

const DTypeTraits* FindDTypeTraits(uint32_t id) {
  static constexpr DTypeTraits kF32{"F32", 1, 4}, kF16{"F16", 1, 2}, kBF16{"BF16", 1, 2},
      kI32{"I32", 1, 4}, kQ4_0{"Q4_0", 32, 18}, kQ4_1{"Q4_1", 32, 20}, kQ5_0{"Q5_0", 32, 22},
      kQ5_1{"Q5_1", 32, 24}, kQ8_0{"Q8_0", 32, 34}, kQ4_K{"Q4_K", 256, 144},
      kQ5_K{"Q5_K", 256, 176}, kQ6_K{"Q6_K", 256, 210};
  switch (static_cast<DType>(id)) {
    case DType::kF32: return &kF32;
    case DType::kF16: return &kF16;
    case DType::kQ4_0: return &kQ4_0;
    case DType::kQ4_1: return &kQ4_1;
    case DType::kQ5_0: return &kQ5_0;
    case DType::kQ5_1: return &kQ5_1;
    case DType::kQ8_0: return &kQ8_0;
    case DType::kQ4_K: return &kQ4_K;
    case DType::kQ5_K: return &kQ5_K;
    case DType::kQ6_K: return &kQ6_K;
    case DType::kI32: return &kI32;
    case DType::kBF16: return &kBF16;
  }
  return nullptr;
}

const DTypeTraits& Traits(DType type) { return *FindDTypeTraits(static_cast<uint32_t>(type)); }

}  // namespace raison
