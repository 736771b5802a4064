// The end-to-end part of the conformance kit: the CPU passes it, and planted faults do not.
#include "core/model/end_to_end/end_to_end.h"

#include <gtest/gtest.h>

#include "core/backend/registry.h"
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

// Where a fault shows: in which model, and after how many tokens of each of the 8 sequences.
struct Plot {
  const char* fault;
  const char* model;
  uint32_t tokens = 64;
};
void PrintTo(const Plot& plot, std::ostream* out) { *out << plot.fault; }

constexpr char kExperts[] = "random deepseek_v3, F32", kDense[] = "random llama, F32";
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
}

INSTANTIATE_TEST_SUITE_P(Planted, EndToEndFaults, ::testing::ValuesIn(kPlots),
                         [](const auto& info) { return std::string(info.param.fault); });

TEST_F(EndToEndFaults, WithoutOneNothingDiffers) {
  const auto report =
      RunEndToEnd({.subject = Open("faulty"), .reference = Open("reference"), .tokens = 64});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->failures.empty()) << FormatEndToEnd(*report);
  for (const conformance::EndToEndResult& r : report->results) EXPECT_LT(r.largest_error, 1e-6);
}

}  // namespace
}  // namespace raison
