#include "core/reasoning/step_stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace raison {
namespace {

TEST(StepStats, MeansAndConfidence) {
  StepAccumulator a;
  a.Add(std::log(0.5), 1);
  a.Add(std::log(0.125), 3);
  a.Add(std::numeric_limits<double>::quiet_NaN(), 7);  // a token without a record
  const StepStats s = a.Result(2.5, StepMarker::kCheck);
  EXPECT_EQ(s.tokens, 3);
  EXPECT_NEAR(s.mean_logprob, std::log(0.25), 1e-12);
  EXPECT_NEAR(s.lowest_logprob, std::log(0.125), 1e-12);
  EXPECT_NEAR(s.mean_entropy, 2, 1e-12);
  EXPECT_NEAR(s.confidence, 0.25, 1e-12);  // the geometric mean of 1/2 and 1/8
  EXPECT_EQ(s.seconds, 2.5);
  EXPECT_EQ(s.marker, StepMarker::kCheck);
}

TEST(StepStats, WithoutRecordsThereIsNoNumber) {
  const StepStats s = StepAccumulator().Result(0, StepMarker::kPlain);
  EXPECT_EQ(s.tokens, 0);
  EXPECT_TRUE(std::isnan(s.confidence));
  EXPECT_TRUE(std::isnan(s.lowest_logprob));
}

TEST(StepStats, AnImpossibleTokenHasConfidenceZero) {
  StepAccumulator a;
  a.Add(-std::numeric_limits<double>::infinity(), 0);
  EXPECT_EQ(a.Result(0, StepMarker::kPlain).confidence, 0);
}

}  // namespace
}  // namespace raison
