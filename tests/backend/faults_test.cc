// The conformance kit can fail: every planted fault turns it red and the failure names the
// operation that is at fault; the same back end without a fault is green. The tolerance table is
// honest.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "core/backend/conformance/conformance.h"
#include "core/backend/conformance/tolerances.h"
#include "core/backend/reference/reference_backend.h"
#include "tests/backend/faulty.h"

namespace raison {
namespace testing {

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

}  // namespace testing

namespace {

using conformance::Report;
using conformance::RunSuite;
using conformance::SuiteOptions;
using testing::Fault;

SuiteOptions Options(const char* op, size_t most_failures) {
  return {.subject = testing::OpenFaultyBackend,
          .reference = OpenReferenceBackend,
          .threads = {2, 1},
          .only_op = op,
          .most_failures = most_failures};
}

class FaultsTest : public ::testing::TestWithParam<Fault> {
 protected:
  ~FaultsTest() override { testing::Plant(nullptr); }
};

TEST_P(FaultsTest, TurnsTheKitRed) {
  const Fault& fault = GetParam();
  testing::Plant(&fault);
  // Enough failures that the telling one is among them.
  const absl::StatusOr<Report> report = RunSuite(Options(fault.op, 50));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  ASSERT_FALSE(report->failures.empty());
  bool told = false;
  for (const std::string& failure : report->failures) {
    EXPECT_TRUE(absl::StartsWith(failure, std::string(fault.op) + "/")) << failure;
    told = told || absl::StrContains(failure, fault.says);
  }
  EXPECT_TRUE(told) << report->failures.front();
}

INSTANTIATE_TEST_SUITE_P(Planted, FaultsTest, ::testing::ValuesIn(testing::Faults()),
                         [](const auto& info) { return std::string(info.param.name); });

// The faults of operations that the others never call: whatever else runs, only their cases fail.
TEST(Faults, OnlyTheOperationAtFaultFails) {
  for (const Fault& fault : testing::Faults()) {
    if (std::string_view(fault.name) != "ExpertSlotsOfThePreviousStep") continue;
    testing::Plant(&fault);
    SuiteOptions options = Options("", 1000);
    options.threads = {1};
    const absl::StatusOr<Report> report = RunSuite(options);
    testing::Plant(nullptr);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->failures.empty());
    for (const std::string& failure : report->failures) {
      EXPECT_TRUE(absl::StartsWith(failure, "moe_experts/")) << failure;
    }
  }
}

TEST(Faults, WithoutOneTheSameBackEndIsGreen) {
  testing::Plant(nullptr);
  SuiteOptions options = Options("", 1000);
  options.threads = {1};
  options.reference_bits = true;
  const absl::StatusOr<Report> report = RunSuite(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 500);
  EXPECT_TRUE(report->failures.empty()) << report->failures.front();
  EXPECT_TRUE(report->refused.empty());
}

// A refusal is never a pass: what every back end must take fails, the rest is counted apart.
TEST(Refusals, OfTheLeastAreFailures) {
  const conformance::OpenFunction open = [](const rsn_backend_host* host, rsn_backend* table) {
    const int32_t code = OpenReferenceBackend(host, table);
    table->supports = [](rsn_device_state*, uint32_t op, const void*) -> int32_t {
      return op != RSN_OP_MATMUL;
    };
    return code;
  };
  const absl::StatusOr<Report> report = RunSuite(
      {.subject = open, .reference = OpenReferenceBackend, .threads = {1}, .only_op = "matmul"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->failures.size(), 30u);
  EXPECT_EQ(report->run, static_cast<int>(report->failures.size()));
  EXPECT_GT(report->refused.size(), 300u);
  for (const std::string& failure : report->failures) {
    EXPECT_TRUE(absl::StrContains(failure, "supports refuses")) << failure;
  }
  for (const conformance::Refusal& r : report->refused) EXPECT_NE(r.types, "") << r.name;
}

// A table that lacks what backend.h marks [required] is not used at all.
TEST(Refusals, OfAnIncompleteTableAreErrors) {
  const conformance::OpenFunction open = [](const rsn_backend_host* host, rsn_backend* table) {
    const int32_t code = OpenReferenceBackend(host, table);
    table->embed = nullptr;
    return code;
  };
  const absl::StatusOr<Report> report =
      RunSuite({.subject = open, .reference = OpenReferenceBackend, .threads = {1}});
  EXPECT_TRUE(absl::StrContains(report.status().message(), "lacks the required entry embed"))
      << report.status();
}

// Without RSN_ERR_UNSUPPORTED and a sentence a weight that is not made is a failure.
TEST(Refusals, NeedASentence) {
  const conformance::OpenFunction open = [](const rsn_backend_host* host, rsn_backend* table) {
    const int32_t code = OpenReferenceBackend(host, table);
    table->weight = [](rsn_device_state*, rsn_tensor*, const void*, uint64_t, uint32_t, uint32_t*) {
      return int32_t{-22};
    };
    table->last_error = [] { return ""; };
    return code;
  };
  const absl::StatusOr<Report> report = RunSuite(
      {.subject = open, .reference = OpenReferenceBackend, .threads = {1}, .only_op = "embed"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->refused.empty());
  EXPECT_EQ(report->run, static_cast<int>(report->failures.size()));
}

TEST(ToleranceTable, AllowsAtMostFourTimesWhatWasMeasured) {
  for (const conformance::Tolerance& t : conformance::kTolerances) {
    EXPECT_GT(t.measured, 0) << t.key;
    EXPECT_LE(t.allowed, 4 * t.measured) << t.key;
    EXPECT_STRNE(t.source, "") << t.key;
  }
}

}  // namespace
}  // namespace raison
