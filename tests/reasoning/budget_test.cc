#include "core/reasoning/budget.h"

#include <gtest/gtest.h>

#include <string>

namespace raison {
namespace {

using Action = BudgetDecision::Action;

constexpr int64_t kRoomy = 100000;

BudgetDecision Decide(const BudgetOptions& o, const BudgetState& s) {
  return BudgetPolicy(o, kRoomy).Decide(s);
}

TEST(Budget, NothingAskedNothingDone) {
  for (bool boundary : {false, true}) {
    for (bool close : {false, true}) {
      const BudgetDecision d = Decide({}, {.thinking_tokens = 5000,
                                           .room = kRoomy,
                                           .at_step_boundary = boundary,
                                           .wants_close = close});
      EXPECT_EQ(d.action, Action::kContinue);
      EXPECT_EQ(d.notice, NoticeReason::kNone);
    }
  }
}

TEST(Budget, HardEndsAtExactlyN) {
  const BudgetOptions o = {.hard = 10};
  EXPECT_EQ(Decide(o, {.thinking_tokens = 9, .room = kRoomy}).action, Action::kContinue);
  const BudgetDecision d = Decide(o, {.thinking_tokens = 10, .room = kRoomy});
  EXPECT_EQ(d.action, Action::kEndThinking);
  EXPECT_EQ(d.reason, ThinkEndReason::kHardBudget);
  EXPECT_EQ(d.notice, NoticeReason::kHardBudget);
  EXPECT_EQ(Decide({.hard = 0}, {.room = kRoomy}).action, Action::kEndThinking);
}

TEST(Budget, SoftWaitsForTheBoundaryAndIsAnnouncedOnce) {
  BudgetPolicy policy({.soft = 10}, kRoomy);
  EXPECT_EQ(policy.Decide({.thinking_tokens = 9, .room = kRoomy, .at_step_boundary = true}).action,
            Action::kContinue);
  BudgetDecision d = policy.Decide({.thinking_tokens = 10, .room = kRoomy});
  EXPECT_EQ(d.action, Action::kContinue);
  EXPECT_EQ(d.notice, NoticeReason::kSoftBudget);
  d = policy.Decide({.thinking_tokens = 11, .room = kRoomy});
  EXPECT_EQ(d.notice, NoticeReason::kNone);
  d = policy.Decide({.thinking_tokens = 12, .room = kRoomy, .at_step_boundary = true});
  EXPECT_EQ(d.action, Action::kEndThinking);
  EXPECT_EQ(d.reason, ThinkEndReason::kSoftBudget);
  EXPECT_EQ(d.notice, NoticeReason::kNone);
  // Budget 0 ends before the first token: nothing is open there.
  EXPECT_EQ(Decide({.soft = 0}, {.room = kRoomy, .at_step_boundary = true}).reason,
            ThinkEndReason::kSoftBudget);
}

TEST(Budget, MinimumSuppressesTheClose) {
  const BudgetOptions o = {.hard = 20, .minimum = 10};
  BudgetDecision d = Decide(o, {.thinking_tokens = 9, .room = kRoomy, .wants_close = true});
  EXPECT_EQ(d.action, Action::kSuppressClose);
  EXPECT_EQ(d.notice, NoticeReason::kMinimum);
  EXPECT_EQ(Decide(o, {.thinking_tokens = 10, .room = kRoomy, .wants_close = true}).action,
            Action::kContinue);
  // Not where the answer would lose its room.
  EXPECT_EQ(Decide(o, {.thinking_tokens = 9, .room = 300, .wants_close = true}).action,
            Action::kContinue);
  // The soft budget does not undercut it.
  EXPECT_EQ(Decide({.soft = 5, .minimum = 10},
                   {.thinking_tokens = 7, .room = kRoomy, .at_step_boundary = true})
                .action,
            Action::kContinue);
}

TEST(Budget, ReserveKeepsRoomForTheAnswer) {
  const BudgetOptions o = {.answer_reserve = 50};
  EXPECT_EQ(Decide(o, {.room = 54, .closing_tokens = 3}).action, Action::kContinue);
  const BudgetDecision d = Decide(o, {.room = 53, .closing_tokens = 3});
  EXPECT_EQ(d.action, Action::kEndThinking);
  EXPECT_EQ(d.reason, ThinkEndReason::kHardBudget);
  EXPECT_EQ(d.notice, NoticeReason::kAnswerReserve);
}

TEST(Budget, LengthWhenEvenTheTagDoesNotFit) {
  const BudgetDecision d =
      Decide({.hard = 0, .answer_reserve = 0}, {.room = 2, .closing_tokens = 3});
  EXPECT_EQ(d.action, Action::kEndThinking);
  EXPECT_EQ(d.reason, ThinkEndReason::kLength);
  EXPECT_EQ(Decide({.answer_reserve = 4}, {.room = 2, .closing_tokens = 3}).reason,
            ThinkEndReason::kLength);
  // With nothing reserved the thinking may take the last token.
  for (int64_t room : {4, 3, 1}) {
    EXPECT_EQ(Decide({.answer_reserve = 0}, {.room = room, .closing_tokens = 3}).action,
              Action::kContinue);
  }
}

TEST(Budget, DefaultReserve) {
  EXPECT_EQ(BudgetPolicy({}, 100).answer_reserve(), 25);
  EXPECT_EQ(BudgetPolicy({}, 32768).answer_reserve(), 512);
  EXPECT_EQ(BudgetPolicy({}, -3).answer_reserve(), 0);
  EXPECT_EQ(BudgetPolicy({.answer_reserve = 7}, 100).answer_reserve(), 7);
}

TEST(Budget, BadNumbersAreNamed) {
  EXPECT_TRUE(Validate({.soft = 0, .hard = 0, .minimum = 0, .answer_reserve = 0}).ok());
  EXPECT_EQ(Validate({.soft = -1}).message(),
            "think_budget_soft is -1; it must be 0 or more tokens");
  EXPECT_FALSE(Validate({.hard = -1}).ok());
  EXPECT_FALSE(Validate({.minimum = -1}).ok());
  EXPECT_FALSE(Validate({.answer_reserve = -1}).ok());
  EXPECT_FALSE(Validate({.hard = 5, .minimum = 6}).ok());
  EXPECT_TRUE(Validate({.hard = 6, .minimum = 6}).ok());
}

}  // namespace
}  // namespace raison
