#include "core/model/step_buffer.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace raison {

absl::StatusOr<StepBuffer> StepBuffer::Create(Device& device, const StepLimits& limits) {
  StepBuffer b;
  b.limits_ = limits;
  uint32_t words = 0;
  const auto take = [&words](uint32_t& at, uint32_t n) {
    at = words;
    words += (n + 15) / 16 * 16;  // regions begin on cache lines
  };
  take(b.tokens_, limits.rows);
  take(b.positions_, limits.rows);
  take(b.slots_, limits.rows);
  for (uint32_t part : {0u, 1u}) {
    take(b.parts_[part].row_begin, limits.sequences + 1);
    take(b.parts_[part].kv_length, limits.sequences);
    take(b.parts_[part].page_begin, limits.sequences);
  }
  take(b.logit_index_, limits.logit_rows);
  take(b.adjust_begin_, limits.logit_rows + 1);
  b.expert_slots_.resize(limits.expert_parts.size());
  for (uint32_t& at : b.expert_slots_) take(at, limits.experts);
  take(b.row_numbers_, limits.rows);
  take(b.copy_from_, limits.sequences);
  take(b.copy_to_, limits.sequences);
  take(b.pages_, limits.pages);
  take(b.adjust_id_, limits.adjustments);
  take(b.adjust_divisor_, limits.adjustments);
  take(b.adjust_add_, limits.adjustments);
  b.host_.assign(words, 0);
  for (size_t p = 0; p < limits.expert_parts.size(); ++p) {
    const ExpertPart& part = limits.expert_parts[p];
    const auto slots = b.host_.begin() + b.expert_slots_[p];
    std::fill(slots, slots + limits.experts, -1);
    std::iota(slots + part.first, slots + part.first + part.count, 0);
  }
  for (uint32_t r = 0; r < limits.rows; ++r) {
    b.host_[b.row_numbers_ + r] = static_cast<int32_t>(r);
  }
  RSN_ASSIGN_OR_RETURN(b.buffer_, device.NewBuffer(uint64_t{words} * 4));
  return b;
}

absl::Status StepBuffer::CheckLimits(const Step& step) const {
  uint64_t rows = 0, pages = 0, logit_rows = 0, adjustments = 0;
  for (const StepSequence& s : step.sequences) {
    rows += s.tokens.size();
    pages += s.pages->pages().size();
    logit_rows += s.logit_rows;
    adjustments += s.adjustments.size();
    if (s.tokens.empty() || s.tokens.size() > s.pages->length() || s.logit_rows > s.tokens.size()) {
      return absl::InternalError("a sequence of the step has no rows or too few pages");
    }
  }
  if (rows > limits_.rows || step.sequences.size() > limits_.sequences || pages > limits_.pages ||
      logit_rows > limits_.logit_rows || adjustments > limits_.adjustments ||
      step.copies.size() > limits_.sequences) {
    return absl::InvalidArgumentError(
        absl::StrCat("step of ", rows, " rows, ", step.sequences.size(), " sequences, ", pages,
                     " pages, ", logit_rows, " logit rows and ", adjustments,
                     " adjustments is larger than the step buffer"));
  }
  return absl::OkStatus();
}

absl::Status StepBuffer::Fill(const Step& step, bool cut) {
  RSN_RETURN_IF_ERROR(CheckLimits(step));
  for (Part& part : parts_) {
    part.first_row = part.rows = part.sequences = 0;
    part.chunks.clear();
  }
  row_at_.resize(limits_.rows);
  const auto end_of_first = [cut](const StepSequence& s) {
    const uint32_t n = static_cast<uint32_t>(s.tokens.size());
    return cut && n >= kLeastCutRows ? n / 2 : n;
  };
  for (uint32_t p : {0u, 1u}) {
    parts_[p].first_row = p == 0 ? 0 : parts_[0].rows;
    uint32_t page = 0, order = 0;
    for (const StepSequence& s : step.sequences) {
      const uint32_t n = static_cast<uint32_t>(s.tokens.size()), middle = end_of_first(s);
      const uint32_t begin = p == 0 ? 0 : middle, end = p == 0 ? middle : n;
      if (begin < end) Place({s, begin, end, page, order + begin}, parts_[p]);
      page += static_cast<uint32_t>(s.pages->pages().size());
      order += n;
    }
    host_[parts_[p].row_begin + parts_[p].sequences] = static_cast<int32_t>(parts_[p].rows);
  }
  parts_[kWhole].rows = parts_[0].rows + parts_[1].rows;
  if (parts() == 1) parts_[kWhole] = parts_[0];

  int32_t* w = host_.data();
  uint32_t page = 0, logit = 0, adjust = 0, order = 0;
  for (const StepSequence& sequence : step.sequences) {
    for (uint32_t p : sequence.pages->pages()) w[pages_ + page++] = static_cast<int32_t>(p);
    order += static_cast<uint32_t>(sequence.tokens.size());
    for (uint32_t i = 0; i < sequence.logit_rows; ++i, ++logit) {
      w[logit_index_ + logit] = static_cast<int32_t>(RowAt(order - sequence.logit_rows + i));
      w[adjust_begin_ + logit] = static_cast<int32_t>(adjust);
      if (i + 1 < sequence.logit_rows) continue;
      for (const LogitAdjustment& a : sequence.adjustments) {
        w[adjust_id_ + adjust] = a.id;
        std::memcpy(&w[adjust_divisor_ + adjust], &a.divisor, 4);
        std::memcpy(&w[adjust_add_ + adjust], &a.add, 4);
        ++adjust;
      }
    }
  }
  w[adjust_begin_ + logit] = static_cast<int32_t>(adjust);
  for (size_t i = 0; i < step.copies.size(); ++i) {
    w[copy_from_ + i] = static_cast<int32_t>(step.copies[i].first);
    w[copy_to_ + i] = static_cast<int32_t>(step.copies[i].second);
  }
  logit_rows_ = logit;
  copies_ = static_cast<uint32_t>(step.copies.size());
  used_pages_ = page;
  used_adjustments_ = adjust;
  selected_ = kWhole;
  return absl::OkStatus();
}

void StepBuffer::Place(const Piece& piece, Part& part) {
  int32_t* w = host_.data();
  const PageTable& pages = *piece.sequence.pages;
  const uint32_t n = static_cast<uint32_t>(piece.sequence.tokens.size());
  const uint32_t first = pages.length() - n;  // the position of token 0
  w[part.row_begin + part.sequences] = static_cast<int32_t>(part.rows);
  w[part.kv_length + part.sequences] = static_cast<int32_t>(first + piece.end);
  w[part.page_begin + part.sequences] = static_cast<int32_t>(piece.page);
  ++part.sequences;
  if (n > 1) part.chunks.push_back({.first = part.rows, .count = piece.end - piece.begin});
  for (uint32_t i = piece.begin; i < piece.end; ++i) {
    const uint32_t row = part.first_row + part.rows++;
    w[tokens_ + row] = piece.sequence.tokens[i];
    w[positions_ + row] = static_cast<int32_t>(first + i);
    w[slots_ + row] = pages.Slot(first + i);
    row_at_[piece.order + i - piece.begin] = row;
  }
}

void StepBuffer::Upload(Queue& queue) {
  const auto send = [&](uint32_t at, uint32_t words) {
    queue.Upload(buffer_, uint64_t{at} * 4, host_.data() + at, uint64_t{words} * 4);
  };
  send(0, pages_ + used_pages_);
  send(adjust_id_, used_adjustments_);
  send(adjust_divisor_, used_adjustments_);
  send(adjust_add_, used_adjustments_);
}

rsn_ragged StepBuffer::Ragged() const {
  const Part& part = selected();
  return {.row_begin = View(part.row_begin, part.sequences + 1),
          .kv_length = View(part.kv_length, part.sequences),
          .page_begin = View(part.page_begin, part.sequences),
          .pages = View(pages_, limits_.pages),
          .page_tokens = kPageTokens};
}

}  // namespace raison
