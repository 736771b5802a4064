// The step buffer: everything that changes from step to step, laid out once for the largest step.
// Filled on the host, uploaded before the step, read on the device (backend.h, rule 3).
#pragma once

#include <vector>

#include "core/backend/queue.h"
#include "core/kv/kv_cache.h"
#include "core/model/expert_part.h"
#include "core/model/step.h"

namespace raison {

struct StepLimits {
  uint32_t rows = 0;
  uint32_t sequences = 0;
  uint32_t logit_rows = 0;
  uint32_t pages = 0;        // of all sequences of a step together
  uint32_t adjustments = 0;  // of all rows together
  uint32_t experts = 0;
  std::vector<ExpertPart> expert_parts;  // of them
};

// Rows of a sequence from which a step may be cut in two. Either half is still long enough for the
// form of attention that a back end takes for the whole (the CPU's changes at 160 rows), and a cut
// depends on the sequence alone.
inline constexpr uint32_t kLeastCutRows = 384;

class StepBuffer {
 public:
  static absl::StatusOr<StepBuffer> Create(Device& device, const StepLimits& limits);

  // Lays the step out; INVALID_ARGUMENT when it is larger than the limits. `cut`: in two parts, one
  // after the other, where a sequence is long enough: the second has the later halves of the long
  // ones, the first all else.
  absl::Status Fill(const Step& step, bool cut);
  // Sends what this step uses.
  void Upload(Queue& queue);

  // 1 or 2. The views below are those of the selected part; kWhole is the step without its cut,
  // which has no Ragged() if there is one.
  static constexpr uint32_t kWhole = 2;
  uint32_t parts() const { return parts_[1].rows > 0 ? 2 : 1; }
  void Select(uint32_t part) { selected_ = part; }
  uint32_t first_row() const { return selected().first_row; }
  uint32_t rows() const { return selected().rows; }
  uint32_t all_rows() const { return parts_[kWhole].rows; }
  uint32_t sequences() const { return selected().sequences; }
  // The rows of prompts: of sequences that bring more than the token that was sampled. None of a whole
  // that is cut.
  const std::vector<rsn_chunk>& chunks() const { return selected().chunks; }
  // Where row `row` of the step lies, counted in the order of its sequences.
  uint32_t RowAt(uint32_t row) const { return row_at_[row]; }
  uint32_t logit_rows() const { return logit_rows_; }
  uint32_t copies() const { return copies_; }

  // Views for a step of these counts.
  Tensor Tokens() const { return View(tokens_ + first_row(), rows()); }
  Tensor Positions() const { return View(positions_ + first_row(), rows()); }
  Tensor Slots() const { return View(slots_ + first_row(), rows()); }
  Tensor LogitIndex() const { return View(logit_index_, logit_rows_); }
  Tensor AdjustBegin() const { return View(adjust_begin_, logit_rows_ + 1); }
  Tensor AdjustId() const { return View(adjust_id_, limits_.adjustments); }
  Tensor AdjustDivisor() const { return View(adjust_divisor_, limits_.adjustments, DType::kF32); }
  Tensor AdjustAdd() const { return View(adjust_add_, limits_.adjustments, DType::kF32); }
  // 0, 1, 2, ...: each row's own number in its part, where an operation wants slots.
  Tensor RowNumbers() const { return View(row_numbers_, rows()); }
  // Where each expert lies in the stack of a part, -1 if it is not in it.
  Tensor ExpertSlots(uint32_t expert_part) const {
    return View(expert_slots_[expert_part], limits_.experts);
  }
  Tensor CopyFrom() const { return View(copy_from_, copies_); }
  Tensor CopyTo() const { return View(copy_to_, copies_); }
  rsn_ragged Ragged() const;

 private:
  Tensor View(uint32_t at, uint32_t n, DType dtype = DType::kI32) const {
    return buffer_.View(dtype, {n}, uint64_t{at} * 4);
  }
  absl::Status CheckLimits(const Step& step) const;

  struct Part {
    uint32_t first_row = 0, rows = 0, sequences = 0;
    uint32_t row_begin = 0, kv_length = 0, page_begin = 0;  // offsets of its geometry
    std::vector<rsn_chunk> chunks;
  };
  const Part& selected() const { return parts_[selected_]; }
  // Some of a sequence's tokens, into the next rows of a part.
  struct Piece {
    const StepSequence& sequence;
    uint32_t begin, end;  // tokens of the sequence
    uint32_t page;        // where its list of pages begins
    uint32_t order;       // of its first row in the order of the sequences
  };
  void Place(const Piece& piece, Part& part);

  StepLimits limits_;
  Buffer buffer_;
  std::vector<int32_t> host_;  // the same bytes; floats are stored by their bits
  // Offsets in 4-byte words. Small regions first, then pages, then adjustments, so that each upload
  // is one run.
  uint32_t tokens_ = 0, positions_ = 0, slots_ = 0, logit_index_ = 0, adjust_begin_ = 0,
           row_numbers_ = 0, copy_from_ = 0, copy_to_ = 0, pages_ = 0,
           adjust_id_ = 0, adjust_divisor_ = 0, adjust_add_ = 0;
  std::vector<uint32_t> expert_slots_;  // (expert parts)
  uint32_t logit_rows_ = 0, copies_ = 0, used_pages_ = 0, used_adjustments_ = 0;
  Part parts_[3];  // the two, and the whole
  uint32_t selected_ = kWhole;
  std::vector<uint32_t> row_at_;
};

}  // namespace raison
