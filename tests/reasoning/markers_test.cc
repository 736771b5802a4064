#include "core/reasoning/markers.h"

#include <gtest/gtest.h>

namespace raison {
namespace {

TEST(Markers, FirstWordsDecide) {
  struct Case {
    const char* text;
    StepMarker want;
  };
  const Case cases[] = {
      {"Wait, check: 3 + 4 = 7, not 8.", StepMarker::kCorrection},
      {"wait", StepMarker::kCorrection},
      {"But wait, that is odd.", StepMarker::kCorrection},
      {"Alternatively, use x.", StepMarker::kCorrection},
      {"That’s not right.", StepMarker::kCorrection},
      {"No, it is 5.", StepMarker::kCorrection},
      {"No one knows.", StepMarker::kPlain},
      {"Waiting costs time.", StepMarker::kPlain},
      {"Let me double-check the sum.", StepMarker::kCheck},
      {"Check: 7 - 4 = 3.", StepMarker::kCheck},
      {"  1. **Verify** it", StepMarker::kCheck},
      {"\n> \"Let me verify", StepMarker::kCheck},
      {"Checkers is a game.", StepMarker::kPlain},
      {"Therefore x = 3.", StepMarker::kConclusion},
      {"So, 3.", StepMarker::kConclusion},
      {"So x = 3.", StepMarker::kPlain},
      {"So the answer is 3.", StepMarker::kConclusion},
      {"**Final Answer**", StepMarker::kConclusion},
      {"It is $\\boxed{3}$.", StepMarker::kConclusion},
      {"Wait, \\boxed{3}?", StepMarker::kCorrection},
      {"等等，不是", StepMarker::kCorrection},
      {"验证一下", StepMarker::kCheck},
      {"因此答案", StepMarker::kConclusion},
      {"First, add.", StepMarker::kPlain},
      {"", StepMarker::kPlain},
      {"12", StepMarker::kPlain},
  };
  for (const Case& c : cases) EXPECT_EQ(ClassifyStep(c.text), c.want) << c.text;
}

TEST(Markers, TurnsAreFoundAsEarlyAsPossible) {
  EXPECT_EQ(MatchTurn("Wait"), TurnMatch::kYes);
  EXPECT_EQ(MatchTurn("Wait, no"), TurnMatch::kYes);
  EXPECT_EQ(MatchTurn("Waiting"), TurnMatch::kNo);
  EXPECT_EQ(MatchTurn("W"), TurnMatch::kMore);
  EXPECT_EQ(MatchTurn("But"), TurnMatch::kMore);
  EXPECT_EQ(MatchTurn("But wa"), TurnMatch::kMore);
  EXPECT_EQ(MatchTurn("But wait"), TurnMatch::kYes);
  EXPECT_EQ(MatchTurn("But then"), TurnMatch::kNo);
  EXPECT_EQ(MatchTurn("Therefore"), TurnMatch::kNo);  // concludes, does not turn
  EXPECT_EQ(MatchTurn("另"), TurnMatch::kMore);
  EXPECT_EQ(MatchTurn("另外我们"), TurnMatch::kYes);
}

}  // namespace
}  // namespace raison
