#include "core/reasoning/step_splitter.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "core/reasoning/markers.h"

namespace raison {
namespace {

constexpr size_t kLineHead = 3;  // "```" and "~~~" are all that is looked for

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

// Full stop, exclamation and question mark of Chinese and Japanese: no space follows them.
bool EndsCjkSentence(unsigned code_point) {
  return code_point == 0x3002 || code_point == 0xFF01 || code_point == 0xFF1F;
}

// "2. " or "12) ": kMore while that is still possible.
TurnMatch MatchListNumber(std::string_view text) {
  constexpr size_t kMaxDigits = 3;
  size_t n = 0;
  while (n < text.size() && absl::ascii_isdigit(text[n])) ++n;
  if (n == 0 || n > kMaxDigits) return TurnMatch::kNo;
  if (n == text.size()) return TurnMatch::kMore;
  if (text[n] != '.' && text[n] != ')') return TurnMatch::kNo;
  if (n + 1 == text.size()) return TurnMatch::kMore;
  return text[n + 1] == ' ' ? TurnMatch::kYes : TurnMatch::kNo;
}

}  // namespace

void StepSplitter::Push(std::string_view text, std::vector<StepEvent>* events) {
  waiting_.emplace_back(text);
  Drain(/*last=*/false, events);
}

void StepSplitter::Finish(std::vector<StepEvent>* events) {
  Drain(/*last=*/true, events);
  if (open_) EndStep(0, events);
}

void StepSplitter::Drain(bool last, std::vector<StepEvent>* events) {
  while (!waiting_.empty()) {
    bool undecided = false;
    const bool begins = BeginsStep(last, &undecided);
    if (undecided) return;
    if (begins) EndStep(waiting_.size(), events);
    const std::string text = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    Assign(text, events);
  }
}

// Whether the first waiting token begins a step, judged by all that wait.
bool StepSplitter::BeginsStep(bool last, bool* undecided) const {
  if (!open_ || !visible_ || in_fence_ || in_formula_ || code_point_left_ > 0) return false;
  const std::string& first = waiting_.front();
  size_t space = 0;
  bool newline = false;
  for (; space < first.size() && IsSpace(first[space]); ++space) newline |= first[space] == '\n';
  if (space == first.size()) return false;  // white space stays with what it follows

  const bool line_start = newline || at_line_start_;
  const bool sentence_start = line_start || (sentence_over_ && (space_after_ || space > 0));
  const bool turns = sentence_start && tokens_ >= rules_.long_paragraph;
  if (!turns && !line_start) return false;
  std::string text = first.substr(space);
  for (size_t i = 1; i < waiting_.size(); ++i) text += waiting_[i];

  const TurnMatch turn = turns ? MatchTurn(text) : TurnMatch::kNo;
  const TurnMatch item = line_start ? MatchListNumber(text) : TurnMatch::kNo;
  if (turn == TurnMatch::kYes || item == TurnMatch::kYes) return true;
  const bool more = turn == TurnMatch::kMore || item == TurnMatch::kMore;
  *undecided = more && !last && waiting_.size() <= rules_.max_waiting;
  return false;
}

void StepSplitter::Assign(std::string_view text, std::vector<StepEvent>* events) {
  if (!open_) {
    open_ = true;
    events->push_back({.kind = StepEvent::Kind::kStepBegin});
  }
  events->push_back({.kind = StepEvent::Kind::kToken});
  ++tokens_;
  for (char c : text) Read(c);

  const bool too_long = tokens_ >= rules_.hard_limit;
  const bool long_enough = tokens_ >= rules_.soft_limit && visible_ && AtGoodEnd();
  if (code_point_left_ > 0) return;  // a step's text is whole code points
  // A formula that is still open at the limit was most likely never one.
  if (too_long) in_formula_ = false;
  if (due_ || long_enough || too_long) EndStep(0, events);
}

void StepSplitter::EndStep(size_t lookahead, std::vector<StepEvent>* events) {
  events->push_back({.kind = StepEvent::Kind::kStepEnd, .lookahead = lookahead});
  open_ = visible_ = due_ = false;
  tokens_ = 0;
}

void StepSplitter::Read(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  if (code_point_left_ > 0 && (byte & 0xC0) == 0x80) {
    code_point_ = code_point_ << 6 | (byte & 0x3F);
    --code_point_left_;
  } else {
    // Bytes that are no UTF-8 count as code points of their own, and nothing waits for them.
    code_point_left_ = byte >= 0xF0 && byte < 0xF8 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
    if (byte >= 0xF8) code_point_left_ = 0;
    code_point_ = code_point_left_ == 0 ? byte : byte & (0x3F >> code_point_left_);
  }

  if (c == '\n') {
    ReadLineEnd();
  } else if (!IsSpace(c)) {
    visible_ = true;
    at_line_start_ = false;
    if (line_.size() < kLineHead) line_ += c;
    if (!in_fence_) {
      if (c == '$' && last_ == '$') {
        in_formula_ = !in_formula_;
        c = 0;  // "$$$" is not two of them
      } else if (last_ == '\\' && before_last_ != '\\' && (c == '[' || c == ']')) {
        in_formula_ = c == '[';
      }
    }
    const bool closes = c == '"' || c == '\'' || c == ')' || c == ']' || c == '*';
    if (code_point_left_ == 0 && !(closes && sentence_over_)) {
      const bool cjk = EndsCjkSentence(code_point_);
      sentence_over_ = cjk || c == '.' || c == '!' || c == '?';
      space_after_ = cjk;
    }
  } else if (sentence_over_) {
    space_after_ = true;
  }
  before_last_ = last_;
  last_ = c;
}

void StepSplitter::ReadLineEnd() {
  if (at_line_start_) {  // a blank line
    if (visible_ && !in_fence_ && !in_formula_) due_ = true;
  } else if (line_ == "```" || line_ == "~~~") {
    in_fence_ = !in_fence_;
  }
  line_.clear();
  at_line_start_ = true;
  space_after_ = sentence_over_;
}

// After a line or a sentence; "3." may go on as "3.5".
bool StepSplitter::AtGoodEnd() const {
  if (in_fence_ || in_formula_) return false;
  if (at_line_start_) return true;
  return sentence_over_ && !(last_ == '.' && absl::ascii_isdigit(before_last_));
}

}  // namespace raison
