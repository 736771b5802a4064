#include "core/sampler/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace raison {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The chain's definition on a whole row, filter by filter with renormalised probabilities, as the
// reference states it: no prefix counts, no bounds. Returns p per token id.
std::vector<double> Distribution(const std::vector<float>& row, const SamplingOptions& o) {
  const bool hf = o.order == SamplingOrder::kHuggingFace;
  std::vector<double> z(row.begin(), row.end());
  const auto heat = [&] {
    for (double& x : z) x /= o.temperature;
  };
  const auto softmax = [&] {
    const double top = *std::max_element(z.begin(), z.end());
    std::vector<double> p;
    double sum = 0;
    for (double x : z) p.push_back(std::exp(x - top)), sum += p.back();
    for (double& x : p) x /= sum;
    return p;
  };
  if (hf) heat();
  if (o.top_k > 0 && static_cast<size_t>(o.top_k) < z.size()) {
    std::vector<double> sorted = z;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const double kth = sorted[o.top_k - 1];
    int room = o.top_k - static_cast<int>(
                             std::count_if(z.begin(), z.end(), [&](double x) { return x > kth; }));
    for (double& x : z) {
      if (x < kth || (x == kth && !hf && room-- <= 0)) x = -kInf;
    }
  }
  if (o.top_p < 1) {
    const std::vector<double> p = softmax();
    std::vector<size_t> order(p.size());
    for (size_t i = 0; i < p.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return z[a] > z[b]; });
    double sum = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && sum >= o.top_p) z[order[i]] = -kInf;
      sum += p[order[i]];
    }
  }
  if (o.min_p > 0) {
    const std::vector<double> p = softmax();
    const double top = *std::max_element(p.begin(), p.end());
    for (size_t i = 0; i < p.size(); ++i) {
      if (p[i] < o.min_p * top) z[i] = -kInf;
    }
  }
  if (!hf) heat();
  return softmax();
}

std::vector<float> RandomRow(std::mt19937& random, size_t n, float spread, bool ties) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> row(n);
  for (float& z : row) z = ties ? std::round(normal(random)) : normal(random);
  return row;
}

SamplingOptions RandomOptions(std::mt19937& random) {
  const auto pick = [&](auto... values) {
    const double list[] = {static_cast<double>(values)...};
    return list[random() % (sizeof list / sizeof *list)];
  };
  SamplingOptions o;
  o.temperature = pick(0, 0.3, 0.6, 1, 1, 1.7);
  o.top_k = static_cast<int32_t>(pick(0, 0, 1, 5, 20, 70));
  o.top_p = pick(1, 1, 0.95, 0.8, 0.3, 1e-6);
  o.min_p = pick(0, 0, 0, 0.05, 0.3);
  o.order = random() % 2 ? SamplingOrder::kHuggingFace : SamplingOrder::kLlamaCpp;
  return o;
}

TEST(Sample, TopNGivesWhatTheFullRowGives) {
  std::mt19937 random(11);
  int decided = 0, asked = 0;
  for (int trial = 0; trial < 6000; ++trial) {
    const size_t vocab = 20 + random() % 300;
    std::vector<float> row = RandomRow(random, vocab, 1 + random() % 6, random() % 3 == 0);
    for (size_t i = random() % 4; i > 0; --i) row[random() % vocab] = -kInf;
    const std::vector<Adjustment> adjustments = {
        {.id = static_cast<int32_t>(random() % vocab), .scale = 1.3f, .add = -0.5f}};
    const SamplingOptions o = RandomOptions(random);
    const DrawKey key = {.seed = 3, .position = static_cast<uint64_t>(trial)};
    std::optional<int32_t> excluded;
    if (random() % 3 == 0) {
      const Candidates order = ReduceRow(row, adjustments, 0);
      excluded = order.ids[random() % (random() % 2 ? 2 : vocab)];
    }
    const absl::StatusOr<Draw> full = Sample(ReduceRow(row, adjustments, 0), o, key, excluded);
    ASSERT_TRUE(full.ok());
    ASSERT_FALSE(full->needs_full_row);
    EXPECT_NE(full->token, excluded);
    Candidates top = ReduceRow(row, adjustments, 1 + random() % 24);
    top.adjusted_logsumexp += (random() % 3 - 1.0) * 1e-6;  // what an f32 sum may be off by
    const absl::StatusOr<Draw> few = Sample(top, o, key, excluded);
    ASSERT_TRUE(few.ok());
    if (few->needs_full_row) {
      ++asked;
      continue;
    }
    ++decided;
    ASSERT_EQ(few->token, full->token) << "trial " << trial;
    ASSERT_EQ(few->index, full->index);
    ASSERT_EQ(few->logprob, full->logprob);
    ASSERT_NEAR(few->sampled_logprob, full->sampled_logprob, 2e-6);
  }
  EXPECT_GT(decided, 2000);  // or the bounds are too wide to be of use
  EXPECT_GT(asked, 200);     // or the hard cases were not met
}

// With the same sums, not a bit differs.
TEST(Sample, TopNGivesTheFullRowsBits) {
  std::mt19937 random(12);
  int decided = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const std::vector<float> row = RandomRow(random, 200, 3, false);
    const SamplingOptions o = RandomOptions(random);
    const DrawKey key = {.seed = 3, .position = static_cast<uint64_t>(trial)};
    const Draw full = *Sample(ReduceRow(row, {}, 0), o, key);
    const Draw few = *Sample(ReduceRow(row, {}, 64), o, key);
    if (few.needs_full_row) continue;
    ++decided;
    ASSERT_EQ(few.sampled_logprob, full.sampled_logprob);
    ASSERT_EQ(few.rank, full.rank);
    ASSERT_EQ(few.token, full.token);
  }
  EXPECT_GT(decided, 2000);
}

// Flat rows, where a bound that is off by 1e-5 of the sum names the wrong token now and then.
TEST(Sample, UnfilteredDrawsNearABorderFetchTheRow) {
  std::mt19937 random(14);
  const std::vector<float> row = RandomRow(random, 2000, 0.1f, false);
  const Candidates full = ReduceRow(row, {}, 0);
  Candidates top = ReduceRow(row, {}, 1990);
  top.adjusted_logsumexp += 5e-6;
  const SamplingOptions o = {.temperature = 1};
  int decided = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    const Draw few = *Sample(top, o, {.seed = 8, .position = i});
    if (few.needs_full_row) continue;
    ++decided;
    ASSERT_EQ(few.token, Sample(full, o, {.seed = 8, .position = i})->token);
  }
  EXPECT_GT(decided, 2700);
}

// Half of the mass is unseen, yet its sum is known: top-p 0.3 needs nothing of it.
TEST(Sample, TopPKnowsTheTailsMass) {
  std::vector<float> row(1000, std::log(0.5f / 900));
  for (int i = 0; i < 100; ++i) row[i] = std::log(0.5f / 100) - 0.001f * i;
  const SamplingOptions o = {.temperature = 1, .top_p = 0.3};
  EXPECT_FALSE(Sample(ReduceRow(row, {}, 100), o, {})->needs_full_row);
}

// R1's defaults on rows as peaked as a language model's must not ask for rows.
TEST(Sample, UsualSettingsAreDecidedByTheTop) {
  std::mt19937 random(13);
  SamplingOptions o = {.temperature = 0.6, .top_p = 0.95};
  int asked = 0;
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<float> row = RandomRow(random, 20000, 2, false);
    for (int i = 0; i < 5; ++i) row[i * 7] += 18;
    asked += Sample(ReduceRow(row, {}, 64), o, {.position = 1})->needs_full_row;
  }
  EXPECT_EQ(asked, 0);
}

TEST(Sample, LogprobAndSupportAreTheDefinitions) {
  std::mt19937 random(17);
  for (int trial = 0; trial < 3000; ++trial) {
    const std::vector<float> row = RandomRow(random, 60, 2, random() % 3 == 0);
    SamplingOptions o = RandomOptions(random);
    if (o.temperature == 0) continue;
    std::vector<float> possible = row;
    std::optional<int32_t> excluded;
    if (random() % 3 == 0) {
      excluded = ReduceRow(row, {}, 3).ids[random() % 3];
      possible[*excluded] = -kInf;
    }
    const DrawKey key = {.seed = 5, .position = static_cast<uint64_t>(trial)};
    const Draw draw = *Sample(ReduceRow(row, {}, 0), o, key, excluded);
    const std::vector<double> p = Distribution(possible, o);
    ASSERT_GT(p[draw.token], 0) << "trial " << trial << " drew a filtered token";
    ASSERT_NEAR(draw.sampled_logprob, std::log(p[draw.token]), 1e-6) << "trial " << trial;
    double sum = 0;
    for (float z : row) sum += std::exp(static_cast<double>(z));
    ASSERT_NEAR(draw.logprob, row[draw.token] - std::log(sum), 1e-9);
  }
}

TEST(Sample, FrequenciesFollowTheDistribution) {
  std::mt19937 random(19);
  for (const SamplingOptions& o :
       {SamplingOptions{.temperature = 1}, SamplingOptions{.temperature = 0.6, .top_p = 0.95},
        SamplingOptions{.temperature = 1.5, .top_k = 8},
        SamplingOptions{.temperature = 0.5, .top_p = 0.9, .order = SamplingOrder::kLlamaCpp},
        SamplingOptions{.temperature = 1.2, .min_p = 0.1}}) {
    const std::vector<float> row = RandomRow(random, 30, 2, false);
    const Candidates c = ReduceRow(row, {}, 0);
    const std::vector<double> p = Distribution(row, o);
    constexpr int kDraws = 20000;
    std::vector<int> count(row.size());
    for (int i = 0; i < kDraws; ++i) {
      ++count[Sample(c, o, {.seed = 1, .branch = 2, .position = static_cast<uint64_t>(i)})->token];
    }
    double chi = 0;
    int freedom = -1;
    for (size_t i = 0; i < row.size(); ++i) {
      const double expected = p[i] * kDraws;
      if (expected == 0) {
        EXPECT_EQ(count[i], 0);
      } else if (expected >= 5) {
        chi += (count[i] - expected) * (count[i] - expected) / expected;
        ++freedom;
      }
    }
    // Five standard deviations of chi-square; the draws are fixed, so this passes always or never.
    EXPECT_LT(chi, freedom + 5 * std::sqrt(2.0 * freedom));
  }
}

TEST(Sample, GreedyTakesTheLowestIdOfTheHighest) {
  const std::vector<float> row = {0, 2, 5, 5, 1};
  for (double temperature : {0.0, 1e-7}) {
    const SamplingOptions o = {.temperature = temperature};
    const Draw draw = *Sample(ReduceRow(row, {}, 2), o, {});
    EXPECT_EQ(draw.token, 2);
    EXPECT_EQ(draw.rank, 0);
    EXPECT_EQ(draw.sampled_logprob, 0);
    EXPECT_EQ(Sample(ReduceRow(row, {}, 2), o, {}, 2)->token, 3);
    EXPECT_TRUE(Sample(ReduceRow(row, {}, 1), o, {}, 2)->needs_full_row);
  }
}

TEST(Sample, TopKKeepsTiesInHfOrderOnly) {
  const std::vector<float> row = {4, 3, 3, 3, 0};
  const Candidates all = ReduceRow(row, {}, 0);
  std::vector<bool> hf(5), lc(5);
  for (uint64_t i = 0; i < 300; ++i) {
    SamplingOptions o = {.temperature = 1, .top_k = 2};
    hf[Sample(all, o, {.position = i})->token] = true;
    o.order = SamplingOrder::kLlamaCpp;
    lc[Sample(all, o, {.position = i})->token] = true;
  }
  EXPECT_EQ(hf, (std::vector<bool>{true, true, true, true, false}));
  EXPECT_EQ(lc, (std::vector<bool>{true, true, false, false, false}));
  // Whether the tie goes on beyond the third candidate cannot be seen.
  EXPECT_TRUE(Sample(ReduceRow(row, {}, 3), {.temperature = 1, .top_k = 2}, {})->needs_full_row);
  EXPECT_FALSE(Sample(ReduceRow(row, {}, 5), {.temperature = 1, .top_k = 2}, {})->needs_full_row);
}

TEST(Sample, SameKeySameTokenWhateverWasDrawnBetween) {
  std::mt19937 random(23);
  const Candidates c = ReduceRow(RandomRow(random, 500, 1, false), {}, 0);
  const SamplingOptions o = {.temperature = 1};
  const DrawKey key = {.seed = 9, .branch = 1, .position = 77};
  const int32_t first = Sample(c, o, key)->token;
  int other = 0;
  for (uint32_t branch = 2; branch < 20; ++branch) {
    other += Sample(c, o, {.seed = 9, .branch = branch, .position = 77})->token != first;
  }
  EXPECT_GT(other, 10);
  EXPECT_EQ(Sample(c, o, key)->token, first);
}

TEST(Sample, NeverATokenOfProbabilityZero) {
  std::vector<float> row(100, -kInf);
  row[40] = 1;
  row[60] = 0;
  row[80] = -2000;  // exp underflows
  for (bool complete : {true, false}) {
    const Candidates c = ReduceRow(row, {}, complete ? 0 : 10);
    for (uint64_t i = 0; i < 500; ++i) {
      for (double temperature : {0.6, 1.0, 2.0}) {
        const Draw draw = *Sample(c, {.temperature = temperature}, {.position = i});
        ASSERT_FALSE(draw.needs_full_row);  // what is missing is masked
        ASSERT_TRUE(draw.token == 40 || draw.token == 60) << draw.token;
      }
    }
  }
}

TEST(Sample, BadRowsAreStatuses) {
  const SamplingOptions o = {.temperature = 1};
  for (float bad : {kNan, kInf}) {
    const std::vector<float> row = {1, bad, 2};
    EXPECT_EQ(Sample(ReduceRow(row, {}, 0), o, {}).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_FALSE(Describe(ReduceRow(row, {}, 0), 1).ok());
  }
  EXPECT_FALSE(Sample(ReduceRow(std::vector<float>(9, kNan), {}, 2), o, {}).ok());
  Candidates late = ReduceRow(std::vector<float>{1, 2, 3}, {}, 0);
  late.logits[2] = kNan;
  EXPECT_FALSE(Sample(late, o, {}).ok());
  EXPECT_FALSE(Sample(Candidates{}, o, {}).ok());
  Candidates uneven = ReduceRow(std::vector<float>{1, 2, 3}, {}, 0);
  uneven.logits.pop_back();
  EXPECT_FALSE(Sample(uneven, o, {}).ok());

  const std::vector<float> row = {1, 2};
  const std::vector<Adjustment> mask = {{.id = 0, .add = -kInf}, {.id = 1, .add = -kInf}};
  EXPECT_EQ(Sample(ReduceRow(row, mask, 0), o, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Sample(ReduceRow(row, absl::MakeSpan(mask).first(1), 0), o, {}, 1).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(Describe, ForcedTokens) {
  const std::vector<float> row = {1, 2, 3, 0};
  const Candidates c = ReduceRow(row, {}, 2);
  const Draw draw = *Describe(c, 1);
  EXPECT_EQ(draw.token, 1);
  EXPECT_EQ(draw.rank, 1);
  EXPECT_NEAR(draw.logprob, 2 - c.logsumexp, 1e-12);
  EXPECT_TRUE(Describe(c, 3)->needs_full_row);
  EXPECT_EQ(Describe(ReduceRow(row, {}, 0), 3)->rank, 3);
  EXPECT_EQ(Describe(ReduceRow(row, {}, 0), 4).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace raison
