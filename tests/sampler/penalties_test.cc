#include "core/sampler/penalties.h"

#include <gtest/gtest.h>

#include <limits>

namespace raison {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

void ExpectAdjustments(const std::vector<Adjustment>& got, const std::vector<Adjustment>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].id, want[i].id);
    EXPECT_FLOAT_EQ(got[i].scale, want[i].scale) << "id " << got[i].id;
    EXPECT_FLOAT_EQ(got[i].add, want[i].add) << "id " << got[i].id;
  }
}

const std::vector<int32_t> kPrompt = {1, 2, 2, 3};
const std::vector<int32_t> kOutput = {3, 4, 4, 5};

TEST(Penalties, NothingAskedNothingMade) {
  EXPECT_TRUE(MakeAdjustments({kPrompt, kOutput}, {}).empty());
}

TEST(Penalties, RepetitionOverPromptAndOutputOncePerToken) {
  ExpectAdjustments(MakeAdjustments({kPrompt, kOutput}, {.repetition_penalty = 1.5}),
                    {{1, 1.5f, 0}, {2, 1.5f, 0}, {3, 1.5f, 0}, {4, 1.5f, 0}, {5, 1.5f, 0}});
}

TEST(Penalties, PresenceAndFrequencyOverOutputOnly) {
  ExpectAdjustments(
      MakeAdjustments({kPrompt, kOutput}, {.presence_penalty = 0.5, .frequency_penalty = 0.25}),
      {{3, 1, -0.75f}, {4, 1, -1.0f}, {5, 1, -0.75f}});
}

TEST(Penalties, WindowRunsOverOutputThenPrompt) {
  SamplingOptions o = {.repetition_penalty = 2, .frequency_penalty = 1, .penalty_last_n = 5};
  ExpectAdjustments(MakeAdjustments({kPrompt, kOutput}, o),
                    {{3, 2, -1}, {4, 2, -2}, {5, 2, -1}});  // prompt's 3 is in sight, 1 and 2 not
  o.penalty_last_n = 2;
  ExpectAdjustments(MakeAdjustments({kPrompt, kOutput}, o), {{4, 2, -1}, {5, 2, -1}});
}

TEST(Penalties, BiasAndExclusionsMergeIntoOneEntry) {
  SamplingOptions o = {.presence_penalty = 1};
  o.logit_bias = {{.id = 5, .bias = 3}, {.id = 9, .bias = 0.5f}, {.id = 9, .bias = 0.25f}};
  ExpectAdjustments(MakeAdjustments({kPrompt, kOutput}, o, {4, 7}),
                    {{3, 1, -1}, {4, 1, -kInf}, {5, 1, 2}, {7, 1, -kInf}, {9, 1, 0.75f}});
  // An exclusion stays one, whatever the bias and the penalty.
  o.logit_bias = {{.id = 7, .bias = 100}};
  o.presence_penalty = -5;
  const auto got = MakeAdjustments({kPrompt, kOutput}, o, {7});
  EXPECT_EQ(got.back().add, -kInf);
}

TEST(Penalties, RepetitionAlwaysLowers) {
  const std::vector<float> row = {2, -2};
  const std::vector<int32_t> seen = {0, 1};
  const auto adjustments = MakeAdjustments({seen, {}}, {.repetition_penalty = 2});
  const Candidates c = ReduceRow(row, adjustments, 0);
  EXPECT_EQ(c.logits, (std::vector<float>{1, -4}));
}

}  // namespace
}  // namespace raison
