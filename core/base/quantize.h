// Rows of f32 to the stored types, by the formulas that the field's own quantisers use, so that a
// converted file has the quality of others. Sub-scales are searched by weighted least squares; the
// codes are computed last, against the scales as they are stored.
#pragma once

#include <cstddef>

#include "core/base/dtype.h"

namespace raison {

// src: (n) f32, n a multiple of the type's block; dst: RowBytes(type, n) bytes of any alignment.
// kI32 is not a weight type and gives zeros.
void QuantizeRow(DType type, const float* src, size_t n, std::byte* dst);

}  // namespace raison
