#include "core/reasoning/reasons.h"

#include <gtest/gtest.h>

#include "raison/raison.h"

namespace raison {
namespace {

// Core's numbers are the ABI's, so that capi may pass them on.
TEST(Reasons, AreTheHeadersNumbers) {
#define SAME(core, abi) EXPECT_EQ(static_cast<int>(core), static_cast<int>(abi))
  SAME(Channel::kPrompt, RSN_CHANNEL_PROMPT);
  SAME(Channel::kThinking, RSN_CHANNEL_THINKING);
  SAME(Channel::kAnswer, RSN_CHANNEL_ANSWER);
  SAME(Channel::kControl, RSN_CHANNEL_CONTROL);
  SAME(ThinkEndReason::kModel, RSN_THINK_END_MODEL);
  SAME(ThinkEndReason::kSoftBudget, RSN_THINK_END_SOFT_BUDGET);
  SAME(ThinkEndReason::kHardBudget, RSN_THINK_END_HARD_BUDGET);
  SAME(ThinkEndReason::kCaller, RSN_THINK_END_CALLER);
  SAME(ThinkEndReason::kLength, RSN_THINK_END_LENGTH);
  SAME(ThinkEndReason::kEndOfText, RSN_THINK_END_END_OF_TEXT);
  SAME(DoneReason::kEnd, RSN_DONE_END);
  SAME(DoneReason::kStopString, RSN_DONE_STOP_STRING);
  SAME(DoneReason::kLengthThinking, RSN_DONE_LENGTH_THINKING);
  SAME(DoneReason::kLengthAnswer, RSN_DONE_LENGTH_ANSWER);
  SAME(DoneReason::kContextFull, RSN_DONE_CONTEXT_FULL);
  SAME(DoneReason::kCancelled, RSN_DONE_CANCELLED);
  SAME(DoneReason::kStopped, RSN_DONE_STOPPED);
  SAME(DoneReason::kUnclosed, RSN_DONE_UNCLOSED);
  SAME(DoneReason::kFailed, RSN_DONE_FAILED);
  SAME(NoticeReason::kSoftBudget, RSN_NOTICE_SOFT_BUDGET);
  SAME(NoticeReason::kHardBudget, RSN_NOTICE_HARD_BUDGET);
  SAME(NoticeReason::kAnswerReserve, RSN_NOTICE_ANSWER_RESERVE);
  SAME(NoticeReason::kMinimum, RSN_NOTICE_MINIMUM);
  SAME(NoticeReason::kEndThinking, RSN_NOTICE_END_THINKING);
  SAME(NoticeReason::kInjected, RSN_NOTICE_INJECTED);
  SAME(NoticeReason::kPlaced, RSN_NOTICE_PLACED);
  SAME(NoticeReason::kRewound, RSN_NOTICE_REWOUND);
  SAME(NoticeReason::kStopped, RSN_NOTICE_STOPPED);
  SAME(NoticeReason::kCancelled, RSN_NOTICE_CANCELLED);
  SAME(StepMarker::kPlain, RSN_MARKER_PLAIN);
  SAME(StepMarker::kCheck, RSN_MARKER_CHECK);
  SAME(StepMarker::kCorrection, RSN_MARKER_CORRECTION);
  SAME(StepMarker::kConclusion, RSN_MARKER_CONCLUSION);
#undef SAME
}

}  // namespace
}  // namespace raison
