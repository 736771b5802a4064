// Cuts the thinking into steps, token by token.
// Owns the rules: a step ends after the token that completes a blank line (outside code fences and
// display formulas); before a sentence that turns ("Wait", "Alternatively") in a long paragraph;
// before a numbered list item; and at a length limit. Steps tile the thinking: every token is in
// exactly one step, whole, in order.
//
// The object is a value: copy it to remember a place, assign the copy to go back there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace raison {

struct StepRules {
  // A turn begins a step only in a paragraph that is already a thought of its own.
  size_t long_paragraph = 40;  // tokens, about two sentences
  // Paragraphs in R1 traces are rarely longer; past the first number any sentence or line end
  // will do, at the second the step ends wherever it is.
  size_t soft_limit = 256;  // tokens
  size_t hard_limit = 384;  // tokens
  // Tokens that may wait until it is certain whether they begin a step ("But" - "But wait"; "2" -
  // "2. "). 0: only what the first token alone tells ("Wait", "Actually") makes a boundary before
  // a token, and then nothing of the next step has ever been computed.
  size_t max_waiting = 0;
};

struct StepEvent {
  enum class Kind { kStepBegin, kToken, kStepEnd };
  Kind kind = Kind::kToken;  // kToken: the next pushed token belongs to the open step, finally
  // kStepEnd: the last so many pushed tokens belong to the next step. 0 or 1, the 1 being the token
  // just pushed, unless max_waiting lets more of them wait; whoever pushes a token when it is
  // drawn, before it is computed, has nothing to take back for that one.
  size_t lookahead = 0;
};

class StepSplitter {
 public:
  explicit StepSplitter(const StepRules& rules = {}) : rules_(rules) {}

  // text: the token's bytes in the thinking; may be empty or cut a code point.
  void Push(std::string_view text, std::vector<StepEvent>* events);
  // The thinking ends here: what waits belongs to the open step, which ends.
  void Finish(std::vector<StepEvent>* events);

  size_t waiting_tokens() const { return waiting_.size(); }

 private:
  void Drain(bool last, std::vector<StepEvent>* events);
  bool BeginsStep(bool last, bool* undecided) const;
  void Assign(std::string_view text, std::vector<StepEvent>* events);
  void EndStep(size_t lookahead, std::vector<StepEvent>* events);
  void Read(char c);
  void ReadLineEnd();
  bool AtGoodEnd() const;

  StepRules rules_;
  std::vector<std::string> waiting_;  // pushed, not yet assigned
  // The open step.
  bool open_ = false;
  bool visible_ = false;  // it holds more than white space
  bool due_ = false;      // a blank line was completed in it
  size_t tokens_ = 0;
  // The text so far.
  std::string line_;           // its first bytes after the indentation, at most kLineHead
  bool at_line_start_ = true;  // only white space since the newline
  bool in_fence_ = false;
  bool in_formula_ = false;
  char last_ = '\n';
  char before_last_ = '\n';
  bool sentence_over_ = false;  // the last visible text ended a sentence
  bool space_after_ = false;    // and white space (or a CJK full stop) came after it
  int code_point_left_ = 0;     // bytes that the last code point still lacks
  unsigned code_point_ = 0;
};

}  // namespace raison
