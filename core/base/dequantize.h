// Rows of any stored type to f32, one plain loop per type: the definition that every faster kernel
// is compared with. Scales are widened to f32 first and nothing is fused.
#pragma once

#include <cstddef>

#include "core/base/dtype.h"

namespace raison {

// src: RowBytes(type, n) bytes of any alignment; n a multiple of the type's block; dst: (n) f32.
void DequantizeRow(DType type, const std::byte* src, size_t n, float* dst);

}  // namespace raison
