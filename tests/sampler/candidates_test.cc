#include "core/sampler/candidates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace raison {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(ReduceRow, SortsByLogitThenId) {
  const std::vector<float> row = {1, 3, 3, -2, 0, 3};
  const Candidates c = ReduceRow(row, {}, 4);
  EXPECT_EQ(c.ids, (std::vector<int32_t>{1, 2, 5, 0}));
  EXPECT_EQ(c.logits, (std::vector<float>{3, 3, 3, 1}));
  EXPECT_FALSE(c.complete);
  EXPECT_EQ(c.vocab_size, 6);
  EXPECT_TRUE(ReduceRow(row, {}, 0).complete);
  EXPECT_TRUE(ReduceRow(row, {}, 6).complete);
  EXPECT_EQ(ReduceRow(row, {}, 100).size(), 6u);
}

TEST(ReduceRow, SumsOfKnownDistributions) {
  const std::vector<float> even(1000, 4.0f);
  const Candidates c = ReduceRow(even, {}, 3);
  EXPECT_NEAR(c.logsumexp, 4 + std::log(1000.0), 1e-12);
  EXPECT_NEAR(c.entropy, std::log(1000.0), 1e-11);
  // p = 1/4, 3/4
  const std::vector<float> two = {0, std::log(3.0f), -kInf};
  EXPECT_NEAR(ReduceRow(two, {}, 1).entropy, 0.25 * std::log(4) + 0.75 * std::log(4.0 / 3), 1e-7);
  // One certain token: no -infinity times 0.
  const std::vector<float> certain = {-kInf, 5, -kInf, -1e30f};
  EXPECT_EQ(ReduceRow(certain, {}, 1).entropy, 0);
  EXPECT_EQ(ReduceRow(certain, {}, 1).logsumexp, 5);
}

TEST(ReduceRow, HugeLogitsDoNotOverflow) {
  const std::vector<float> row = {3e38f, 3e38f, -3e38f};
  const Candidates c = ReduceRow(row, {}, 0);
  EXPECT_TRUE(std::isfinite(c.logsumexp));
  EXPECT_NEAR(c.entropy, std::log(2.0), 1e-6);
}

TEST(ReduceRow, AdjustmentsTouchOnlyTheAdjustedNumbers) {
  const std::vector<float> row = {2, -2, 1, 0};
  const Candidates plain = ReduceRow(row, {}, 0);
  const std::vector<Adjustment> adjustments = {{.id = 0, .scale = 2, .add = 0.5f},
                                               {.id = 1, .scale = 2, .add = 0},
                                               {.id = 2, .add = -kInf},
                                               {.id = 99, .add = 7},
                                               {.id = -1, .add = 7}};
  const Candidates c = ReduceRow(row, adjustments, 0);
  EXPECT_EQ(c.ids, (std::vector<int32_t>{0, 3, 1, 2}));
  EXPECT_EQ(c.logits, (std::vector<float>{1.5f, 0, -4, -kInf}));
  EXPECT_EQ(c.raw_logits, (std::vector<float>{2, 0, -2, 1}));
  EXPECT_EQ(c.logsumexp, plain.logsumexp);
  EXPECT_EQ(c.entropy, plain.entropy);
  EXPECT_NEAR(c.adjusted_logsumexp, std::log(std::exp(1.5) + 1 + std::exp(-4)), 1e-12);
}

TEST(ReduceRow, BadNumbersShowInTheSums) {
  for (float bad : {kNan, kInf}) {
    const std::vector<float> row = {1, bad, 2, 3};
    const Candidates c = ReduceRow(row, {}, 2);
    EXPECT_TRUE(std::isnan(c.logsumexp));
    EXPECT_TRUE(std::isnan(c.entropy));
    for (int32_t id : c.ids) EXPECT_LT(id, 4);
  }
}

TEST(TopAlternatives, ByRawLogprobWithIdTies) {
  const std::vector<float> row = {1, 3, 3, 0};
  const std::vector<Adjustment> adjustments = {{.id = 1, .add = -5}};
  const Candidates c = ReduceRow(row, adjustments, 0);
  EXPECT_EQ(c.ids[0], 2);
  const std::vector<TokenLogprob> top = TopAlternatives(c, 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].token, 1);
  EXPECT_EQ(top[1].token, 2);
  EXPECT_EQ(top[2].token, 0);
  EXPECT_NEAR(top[0].logprob, 3 - c.logsumexp, 1e-12);
  EXPECT_EQ(TopAlternatives(c, 9).size(), 4u);
  EXPECT_EQ(RawRank(c, *FindCandidate(c, 1)), 0);
  EXPECT_EQ(RawRank(c, *FindCandidate(c, 2)), 1);
  EXPECT_EQ(RawRank(c, *FindCandidate(c, 3)), 3);
  EXPECT_FALSE(FindCandidate(c, 4).has_value());
}

TEST(TopAlternatives, ProbabilitiesSumToOne) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> row(5000);
  for (float& z : row) z = normal(random);
  const Candidates c = ReduceRow(row, {}, 0);
  double sum = 0;
  for (const TokenLogprob& t : TopAlternatives(c, row.size())) sum += std::exp(t.logprob);
  EXPECT_NEAR(sum, 1, 1e-12);
}

}  // namespace
}  // namespace raison
