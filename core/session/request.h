// The state of one request that is not the timeline: options, where the prompt ends, the narrative,
// what is to be forced next, and the counts. A plain value: fork copies it.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/reasoning/budget.h"
#include "core/reasoning/reasons.h"
#include "core/sampler/sample.h"
#include "core/session/event.h"
#include "core/session/narrative.h"
#include "core/session/options.h"

namespace raison {

// What the logits after the newest token came to: the candidates, and the token that was chosen.
struct Outcome {
  Candidates candidates;
  Draw draw;
  std::vector<RoutedRow> routing;  // of the token that was processed
};

// The logits at the end of the prompt, kept so that a rewind to there needs no pass.
struct PromptEnd {
  LogitRow row;
  std::vector<LogitAdjustment> adjustments;  // those that `row` was reduced with
  std::vector<float> logits;                 // (vocabulary), raw
  std::vector<RoutedRow> routing;
};

struct ForcedToken {
  int32_t token = 0;
  Source source = Source::kForced;
};

struct Request {
  using Clock = std::chrono::steady_clock;

  ResolvedOptions options;
  int32_t branch = 0;
  int64_t prompt_length = 0;
  int64_t cached = 0;       // prompt tokens that were there already
  int64_t prompt_done = 0;  // prompt tokens processed, the cached ones included
  std::shared_ptr<const PromptEnd> prompt_end;
  Clock::time_point begin, last_token;

  Narrative start;      // as it was at the end of the prompt
  Narrative narrative;  // now
  std::vector<int64_t> cuts;  // positions where a step was ended from outside
  size_t told = 0;            // narrative events that the caller has had since the prompt's end
  int64_t told_end = 0;       // tokens before this position are not told again after a rewind
  BudgetPolicy budget;
  std::deque<ForcedToken> forced;
  std::optional<ThinkEndReason> closing;  // why the thinking is being ended
  std::optional<int32_t> excluded;        // not drawn as the next token

  bool stop = false;
  bool done = false;
  DoneReason done_reason = DoneReason::kEnd;
  int64_t passes = 0;
  int64_t discarded = 0;
  double prompt_seconds = 0, thinking_seconds = 0, answer_seconds = 0;
};

}  // namespace raison
