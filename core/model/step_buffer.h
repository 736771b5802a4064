// The step buffer: everything that changes from step to step, laid out once for the largest step.
// Filled on the host, uploaded before the step, read on the device (backend.h, rule 3).
#pragma once

#include <vector>

#include "core/backend/queue.h"
#include "core/kv/kv_cache.h"
#include "core/model/step.h"

namespace raison {

struct StepLimits {
  uint32_t rows = 0;
  uint32_t sequences = 0;
  uint32_t logit_rows = 0;
  uint32_t pages = 0;        // of all sequences of a step together
  uint32_t adjustments = 0;  // of all rows together
  uint32_t experts = 0;
};

class StepBuffer {
 public:
  static absl::StatusOr<StepBuffer> Create(Device& device, const StepLimits& limits);

  // Lays the step out; INVALID_ARGUMENT when it is larger than the limits.
  absl::Status Fill(const Step& step);
  // Sends what this step uses.
  void Upload(Queue& queue);

  uint32_t rows() const { return rows_; }
  uint32_t sequences() const { return sequences_; }
  uint32_t logit_rows() const { return logit_rows_; }
  uint32_t copies() const { return copies_; }

  // Views for a step of these counts.
  Tensor Tokens() const { return View(tokens_, rows_); }
  Tensor Positions() const { return View(positions_, rows_); }
  Tensor Slots() const { return View(slots_, rows_); }
  Tensor LogitIndex() const { return View(logit_index_, logit_rows_); }
  Tensor AdjustBegin() const { return View(adjust_begin_, logit_rows_ + 1); }
  Tensor AdjustId() const { return View(adjust_id_, limits_.adjustments); }
  Tensor AdjustDivisor() const { return View(adjust_divisor_, limits_.adjustments, DType::kF32); }
  Tensor AdjustAdd() const { return View(adjust_add_, limits_.adjustments, DType::kF32); }
  // 0, 1, 2, ...: each row's own number, where an operation wants slots.
  Tensor RowNumbers() const { return View(row_numbers_, rows_); }
  Tensor ExpertSlots() const { return View(expert_slots_, limits_.experts); }
  Tensor CopyFrom() const { return View(copy_from_, copies_); }
  Tensor CopyTo() const { return View(copy_to_, copies_); }
  rsn_ragged Ragged() const;

 private:
  Tensor View(uint32_t at, uint32_t n, DType dtype = DType::kI32) const {
    return buffer_.View(dtype, {n}, uint64_t{at} * 4);
  }
  absl::Status CheckLimits(const Step& step) const;

  StepLimits limits_;
  Buffer buffer_;
  std::vector<int32_t> host_;  // the same bytes; floats are stored by their bits
  // Offsets in 4-byte words. Small regions first, then pages, then adjustments, so that each upload
  // is one run.
  uint32_t tokens_ = 0, positions_ = 0, slots_ = 0, row_begin_ = 0, kv_length_ = 0, page_begin_ = 0,
           logit_index_ = 0, adjust_begin_ = 0, expert_slots_ = 0, row_numbers_ = 0, copy_from_ = 0, copy_to_ = 0,
           pages_ = 0, adjust_id_ = 0, adjust_divisor_ = 0, adjust_add_ = 0;
  uint32_t rows_ = 0, sequences_ = 0, logit_rows_ = 0, copies_ = 0, used_pages_ = 0,
           used_adjustments_ = 0;
};

}  // namespace raison
