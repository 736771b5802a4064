// The layout of interleaved weights (layout 1 of a tensor): groups of 16 rows whose blocks lie side
// by side, unit by unit (kernels.h). Rows beyond the last are zero blocks. Plain weights are
// interleaved piece by piece while they are multiplied, so both give the same bits.
#pragma once

#include <cstdint>

#include "core/backend/cpu/kernels.h"

namespace raison::cpu {

inline constexpr uint32_t kInterleaved = 1;

struct BlockField {
  uint16_t offset, unit, count;  // bytes, bytes, units
};
struct BlockLayout {
  uint32_t weights, bytes, fields;
  BlockField field[5];
};

// Null for a type without kernels.
const BlockLayout* FindBlockLayout(uint32_t dtype);

// rows[r]: the first of `blocks` consecutive blocks of row r, or null for an absent row.
// out: (blocks, 16 * bytes).
void Interleave(const Kernels& kernels, const BlockLayout& layout, const uint8_t* const* rows,
                int64_t blocks, uint8_t* out);

// The inverse for one row of a group. out: (blocks, bytes).
void Deinterleave(const BlockLayout& layout, const uint8_t* group, int row, int64_t blocks,
                  uint8_t* out);

}  // namespace raison::cpu
