// When the thinking has to end, and when it may not end yet.
// Owns the policy: soft and hard budget, minimum, room for the answer, length. It counts nothing
// itself: the session says where it stands before each draw, and acts on the answer.
//
// The object is a value: copy it to remember a place, assign the copy to go back there.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "core/reasoning/reasons.h"

namespace raison {

struct BudgetOptions {                    // tokens; tags are never counted
  std::optional<int64_t> soft;            // past it the thinking ends at the next step boundary
  std::optional<int64_t> hard;            // at most so many; 0: no thinking
  std::optional<int64_t> minimum;         // no closing tag before so many
  std::optional<int64_t> answer_reserve;  // kept free; open: a quarter of the room, at most 512
};

// InvalidArgument with field and value: negative numbers, a minimum beyond the hard budget.
absl::Status Validate(const BudgetOptions& options);

// Where the request stands before a token is drawn or, with wants_close, after one was drawn that
// would close the thinking.
struct BudgetState {
  int64_t thinking_tokens = 0;    // so far
  int64_t room = 0;               // tokens that max_tokens and the context still allow
  int64_t closing_tokens = 1;     // what a forced close feeds: tag and what follows it
  bool at_step_boundary = false;  // no step is open
  bool wants_close = false;
};

struct BudgetDecision {
  enum class Action {
    kContinue,
    kEndThinking,    // force the closing tag; with kLength there is no room even for that
    kSuppressClose,  // drop the closing token, put the continuation text in its place
  };
  Action action = Action::kContinue;
  ThinkEndReason reason = ThinkEndReason::kModel;  // with kEndThinking
  NoticeReason notice = NoticeReason::kNone;       // to be announced, with any action
};

class BudgetPolicy {
 public:
  // room: what the request has at its start. Options must be valid.
  BudgetPolicy(const BudgetOptions& options, int64_t room);
  BudgetPolicy() : BudgetPolicy({}, 0) {}

  BudgetDecision Decide(const BudgetState& state);

  int64_t answer_reserve() const { return answer_reserve_; }

 private:
  BudgetOptions options_;
  int64_t answer_reserve_ = 0;
  bool soft_announced_ = false;
};

}  // namespace raison
