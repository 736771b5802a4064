// Every operation of every back end against the reference, by the conformance kit.
#include <gtest/gtest.h>

#include "core/backend/conformance/conformance.h"
#include "core/backend/conformance/tolerances.h"
#include "core/backend/far/far_backend.h"
#include "core/backend/reference/reference_backend.h"

namespace raison {
namespace {

using conformance::Report;
using conformance::RunSuite;
using conformance::SuiteOptions;

void Expect(const absl::StatusOr<Report>& report) {
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < report->failures.size() && i < kShown; ++i) {
    ADD_FAILURE() << report->failures[i];
  }
  if (report->failures.size() > kShown) {
    ADD_FAILURE() << report->failures.size() - kShown << " more";
  }
  for (const auto& [key, worst] : report->worst) {
    std::cout << "  worst error " << key << ": " << worst.error << " in " << worst.where << "\n";
  }
}

TEST(OpTest, ReferenceKeepsTheDefinitions) {
  Expect(RunSuite({.subject = OpenReferenceBackend, .reference = OpenReferenceBackend}));
}

TEST(OpTest, FarGivesTheReferencesBits) {
  Expect(RunSuite({.subject = OpenFarBackend,
                   .reference = OpenReferenceBackend,
                   .threads = {1},
                   .reference_bits = true}));
}

TEST(ToleranceTable, AllowsAtMostFourTimesWhatWasMeasured) {
  for (const conformance::Tolerance& t : conformance::kTolerances) {
    EXPECT_GT(t.measured, 0) << t.key;
    EXPECT_LE(t.allowed, 4 * t.measured) << t.key;
  }
}

}  // namespace
}  // namespace raison
