// Matrix products as the other operations need them: activations quantised once, weights as groups
// of 16 interleaved rows whichever way they are stored.
#pragma once

#include "core/backend/cpu/interleave.h"
#include "core/backend/cpu/state.h"

namespace raison::cpu {

// Rows of activations in the form that a weight's type wants: ActBlocks or plain f32.
class Activations {
 public:
  // x(t, b): pointer to `width` floats; index of an activation row is t * batch + b.
  // Quantises when asked to; otherwise keeps the pointers.
  template <typename RowPointer>
  static absl::StatusOr<Activations> Make(const Context& context, int64_t rows, int64_t width,
                                          bool quantized, const RowPointer& x) {
    Activations a;
    a.pointers_ = context.scratch.Take<const void*>(rows);
    if (!quantized) {
      for (int64_t i = 0; i < rows; ++i) a.pointers_[i] = x(i);
      return a;
    }
    const int64_t blocks = width / 32;
    auto* storage = context.scratch.Take<ActBlock>(rows * blocks);
    for (int64_t i = 0; i < rows; ++i) a.pointers_[i] = storage + i * blocks;
    // Quantising runs at some GB/s: a few thousand values are done before another thread wakes.
    constexpr int64_t kGrainValues = 16384;
    const int64_t grain = kGrainValues / width + 1;
    RSN_RETURN_IF_ERROR(context.ForRange(rows, grain, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) {
        context.kernels().quantize(x(i), width, storage + i * blocks);
      }
    }));
    return a;
  }
  const void* const* row(int64_t i) const { return pointers_ + i; }

 private:
  const void** pointers_ = nullptr;
};

inline bool QuantizesActivations(uint32_t dtype) {
  return dtype != RSN_DTYPE_F32 && dtype != RSN_DTYPE_F16 && dtype != RSN_DTYPE_BF16;
}

// One matrix (rows, width) of a weight.
struct Matrix {
  const BlockLayout* layout;
  const uint8_t* data;
  int64_t rows;
  int64_t width;
  int64_t stride;  // bytes between rows of a plain matrix
  uint32_t dtype;
  bool interleaved;

  // Matrix `batch` of a weight of rank 2 or 3.
  static Matrix Of(const rsn_tensor& weight, int64_t batch);
  int64_t groups() const { return (rows + kGroupRows - 1) / kGroupRows; }
};

// What one worker needs to multiply a group.
struct GroupScratch {
  uint8_t* piece;  // an interleaved piece of a plain group: kPieceBytes
  float* sums;     // (kTokenBlock, 16)
};
inline constexpr int64_t kPieceWeights = 1024;  // per row, of a plain group at a time
inline constexpr int64_t kPieceBytes = kPieceWeights * 4 * kGroupRows;
// Rows of activations that pass one group of weights before the next group is taken: they stay in
// the second-level cache while the weights stream by.
inline constexpr int64_t kTokenBlock = 256;

// One per worker, from the context's scratch.
GroupScratch* TakeGroupScratch(const Context& context);

// sums[t * 16 + r] = row 16 * group + r of the matrix . acts[t], for `tokens` <= kTokenBlock rows.
void MultiplyGroup(const Kernels& kernels, const Matrix& m, int64_t group, const void* const* acts,
                   int64_t tokens, const GroupScratch& scratch);

// The 16 rows of a group as f32 (16, width); rows beyond the last are 0. `scratch`: a row's blocks.
void DecodeGroup(const Matrix& m, int64_t group, uint8_t* scratch, float* out);

// How many rows of activations of `width` to take at a time.
int64_t TokenBlock(int64_t width, bool quantized);

}  // namespace raison::cpu
