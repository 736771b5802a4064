// The end-to-end part of the conformance kit: the CPU passes it, and planted faults do not.
#include "core/model/end_to_end/end_to_end.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/backend/registry.h"
#include "core/model/end_to_end/limits.h"
#include "tests/backend/faulty.h"

namespace raison {
namespace {

using conformance::EndToEndReport;
using conformance::RunEndToEnd;

std::shared_ptr<Device> Open(const std::string& name) {
  auto device = Device::Open(name, {});
  EXPECT_TRUE(device.ok()) << device.status();
  return device.ok() ? *device : nullptr;
}

TEST(EndToEnd, TheCpuAgreesWithTheReference) {
  const auto report = RunEndToEnd({.subject = Open("cpu"),
                                   .reference = Open("reference"),
                                   .trained = RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->results.size(), 6u);
  EXPECT_TRUE(report->failures.empty());
  EXPECT_TRUE(report->refused.empty());
  for (const conformance::EndToEndResult& r : report->results) EXPECT_EQ(r.rows, 1000u);
  std::cout << FormatEndToEnd(*report);  // what limits.h is made from
}

TEST(EndToEnd, RefusesWhatItCannotRun) {
  const std::shared_ptr<Device> device = Open("reference");
  EXPECT_FALSE(RunEndToEnd({.subject = device}).ok());
  EXPECT_FALSE(RunEndToEnd({.subject = device, .reference = device, .tokens = 7}).ok());
  EXPECT_FALSE(RunEndToEnd({.subject = device, .reference = device, .tokens = 100000}).ok());
  EXPECT_FALSE(RunEndToEnd({.subject = device, .reference = device, .only = "x"}).ok());
  EXPECT_FALSE(
      RunEndToEnd({.subject = device, .reference = device, .trained = "/nowhere.gguf", .tokens = 8})
          .ok());
}

TEST(Limits, AreAtMostFourTimesWhatWasMeasured) {
  for (const conformance::Limits& limits :
       {conformance::kFloatLimits, conformance::kQuantizedLimits, conformance::kTrainedLimits}) {
    for (const conformance::Limit& limit :
         {limits.logit_error, limits.logprob, limits.entropy, limits.routing}) {
      EXPECT_GT(limit.measured, 0);
      EXPECT_GT(limit.allowed, limit.measured);
      EXPECT_LE(limit.allowed, 4 * limit.measured);
    }
  }
}

// Where a fault shows: in which model, after how many tokens of all 8 sequences together, and in
// which numbers at least.
struct Plot {
  const char* fault;
  const char* model;
  uint32_t tokens = 64;
  const char* says[2] = {};
};
std::string Name(const Plot& plot) {
  std::string name = absl::StrCat(plot.fault, "_", plot.model);
  std::replace_if(name.begin(), name.end(), [](char c) { return !absl::ascii_isalnum(c); }, '_');
  return name;
}
void PrintTo(const Plot& plot, std::ostream* out) { *out << Name(plot); }

constexpr char kExperts[] = "random deepseek_v3, F32", kDense[] = "random llama, F32";
constexpr char kExpertsQ8[] = "random deepseek_v3, Q8_0", kDenseQ4[] = "random llama, Q4_0",
               kBiasedQ4[] = "random qwen2, Q4_K";
constexpr char kDivergence[] = "mean divergence", kAgreement[] = "greedy tokens";
constexpr Plot kPlots[] = {
    {"ExpertsScaled", kExperts},
    {"TwoExpertsSwapped", kExperts},
    {"OneRoutedExpertDropped", kExperts},
    {"BiasForgotten", kExperts},
    {"MlaAttentionScaled", kExperts},
    {"LatentLengthsOfThePreviousStep", kExperts},
    {"MatmulScaled", kDense},
    {"RmsNormScaled", kDense},
    {"AttentionScaled", kDense},
    {"RopePairsOfTheOtherLayout", kDense},
    {"RopePositionsOfThePreviousStep", kDense},
    {"TokensOfThePreviousStep", kDense},
    {"CacheSlotsOfThePreviousStep", kDense},
    {"OneKvPageStale", kDense, 8 * 70},  // the second page begins at 64
    {"EntropiesScaled", kDense, 64, {"entropies"}},
    // A layer that does nothing is seen however coarse the weights are and however much the head
    // leans towards one token: in a divergence of hundreds of times what is allowed, too.
    {"FeedForwardOfOneLayerForgotten", kExpertsQ8, 64, {kDivergence, kAgreement}},
    {"FeedForwardOfOneLayerForgotten", kDenseQ4, 64, {kDivergence, kAgreement}},
    {"FeedForwardOfOneLayerForgotten", kBiasedQ4, 64, {kDivergence, kAgreement}},
    {"AttentionOfOneLayerForgotten", kDenseQ4, 64, {kDivergence, kAgreement}},
    {"AttentionOfOneLayerForgotten", kBiasedQ4, 64, {kDivergence, kAgreement}},
    {"LatentAttentionOfOneLayerForgotten", kExpertsQ8, 64, {kDivergence, kAgreement}},
    {"OneRoutedExpertDropped", kExpertsQ8, 64, {kDivergence}},
    {"TwoExpertsSwapped", kExpertsQ8, 64, {kDivergence}},
};

class EndToEndFaults : public ::testing::TestWithParam<Plot> {
 protected:
  EndToEndFaults() { RegisterBackend("faulty", testing::OpenFaultyBackend).IgnoreError(); }
  ~EndToEndFaults() override { testing::Plant(nullptr); }
};

TEST_P(EndToEndFaults, AreSeen) {
  const testing::Fault* planted = nullptr;
  for (const testing::Fault& fault : testing::Faults()) {
    if (std::string_view(fault.name) == GetParam().fault) planted = &fault;
  }
  ASSERT_NE(planted, nullptr);
  testing::Plant(planted);
  const auto report = RunEndToEnd({.subject = Open("faulty"),
                                   .reference = Open("reference"),
                                   .only = GetParam().model,
                                   .tokens = GetParam().tokens});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->failures.empty()) << FormatEndToEnd(*report);
  const std::string failures = absl::StrJoin(report->failures, "\n");
  for (const char* said : GetParam().says) {
    EXPECT_TRUE(said == nullptr || absl::StrContains(failures, said)) << said << "\n" << failures;
  }
}

INSTANTIATE_TEST_SUITE_P(Planted, EndToEndFaults, ::testing::ValuesIn(kPlots),
                         [](const auto& info) { return Name(info.param); });

TEST_F(EndToEndFaults, WithoutOneNothingDiffers) {
  const auto report =
      RunEndToEnd({.subject = Open("faulty"), .reference = Open("reference"), .tokens = 64});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->failures.empty()) << FormatEndToEnd(*report);
  for (const conformance::EndToEndResult& r : report->results) EXPECT_LT(r.largest_error, 1e-6);
}

}  // namespace
}  // namespace raison
