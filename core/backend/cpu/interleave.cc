#include "core/backend/cpu/interleave.h"

#include <cstring>

#include "raison/backend.h"

namespace raison::cpu {

const BlockLayout* FindBlockLayout(uint32_t dtype) {
  static constexpr BlockLayout kF32{1, 4, 1, {{0, 4, 1}}};
  static constexpr BlockLayout kHalf{1, 2, 1, {{0, 2, 1}}};
  static constexpr BlockLayout kQ4_0{32, 18, 2, {{0, 2, 1}, {2, 4, 4}}};
  static constexpr BlockLayout kQ4_1{32, 20, 2, {{0, 2, 2}, {4, 4, 4}}};
  static constexpr BlockLayout kQ5_0{32, 22, 2, {{0, 2, 1}, {2, 4, 5}}};
  static constexpr BlockLayout kQ5_1{32, 24, 2, {{0, 2, 2}, {4, 4, 5}}};
  static constexpr BlockLayout kQ8_0{32, 34, 2, {{0, 2, 1}, {2, 4, 8}}};
  static constexpr BlockLayout kQ4_K{256, 144, 3, {{0, 2, 2}, {4, 1, 12}, {16, 4, 32}}};
  static constexpr BlockLayout kQ5_K{256, 176, 3, {{0, 2, 2}, {4, 1, 12}, {16, 4, 40}}};
  static constexpr BlockLayout kQ6_K{256, 210, 3, {{0, 4, 48}, {192, 1, 16}, {208, 2, 1}}};
  switch (dtype) {
    case RSN_DTYPE_F32: return &kF32;
    case RSN_DTYPE_F16:
    case RSN_DTYPE_BF16: return &kHalf;
    case RSN_DTYPE_Q4_0: return &kQ4_0;
    case RSN_DTYPE_Q4_1: return &kQ4_1;
    case RSN_DTYPE_Q5_0: return &kQ5_0;
    case RSN_DTYPE_Q5_1: return &kQ5_1;
    case RSN_DTYPE_Q8_0: return &kQ8_0;
    case RSN_DTYPE_Q4_K: return &kQ4_K;
    case RSN_DTYPE_Q5_K: return &kQ5_K;
    case RSN_DTYPE_Q6_K: return &kQ6_K;
    default: return nullptr;
  }
}

namespace {

template <int kUnit>
void InterleaveUnits(const uint8_t* const* rows, int64_t units, uint8_t* out) {
  for (int64_t u = 0; u < units; ++u, out += kUnit * kGroupRows) {
    for (int r = 0; r < kGroupRows; ++r) std::memcpy(out + kUnit * r, rows[r] + kUnit * u, kUnit);
  }
}

void InterleaveField(const Kernels& kernels, const uint8_t* const* rows, uint32_t unit,
                     int64_t units, uint8_t* out) {
  if (unit == 4) return kernels.interleave4(rows, units, out);
  if (unit == 2) return InterleaveUnits<2>(rows, units, out);
  InterleaveUnits<1>(rows, units, out);
}

}  // namespace

void Interleave(const Kernels& kernels, const BlockLayout& layout, const uint8_t* const* rows,
                int64_t blocks, uint8_t* out) {
  alignas(64) static constexpr uint8_t kZeros[256] = {};
  // A type of one element per block is one long field: taken in runs that kZeros covers.
  const int64_t run = layout.weights == 1 ? static_cast<int64_t>(sizeof kZeros / layout.bytes) : 1;
  const uint8_t* at[kGroupRows];
  for (int64_t b = 0; b < blocks; b += run) {
    const int64_t now = blocks - b < run ? blocks - b : run;
    for (uint32_t f = 0; f < layout.fields; ++f) {
      const BlockField& field = layout.field[f];
      for (int r = 0; r < kGroupRows; ++r) {
        at[r] = rows[r] == nullptr ? kZeros : rows[r] + b * layout.bytes + field.offset;
      }
      InterleaveField(kernels, at, field.unit, field.count * now,
                      out + b * layout.bytes * kGroupRows + kGroupRows * field.offset);
    }
  }
}

void Deinterleave(const BlockLayout& layout, const uint8_t* group, int row, int64_t blocks,
                  uint8_t* out) {
  for (int64_t b = 0; b < blocks; ++b, group += kGroupRows * layout.bytes, out += layout.bytes) {
    for (uint32_t f = 0; f < layout.fields; ++f) {
      const BlockField& field = layout.field[f];
      const uint8_t* from = group + kGroupRows * field.offset + row * field.unit;
      for (uint32_t u = 0; u < field.count; ++u) {
        std::memcpy(out + field.offset + u * field.unit, from + u * kGroupRows * field.unit,
                    field.unit);
      }
    }
  }
}

}  // namespace raison::cpu
