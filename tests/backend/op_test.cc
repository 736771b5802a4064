// Every operation of every back end against the reference, by the conformance kit. The CPU's levels
// above the machine's own are skipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "core/backend/conformance/conformance.h"
#include "core/backend/cpu/cpu_backend.h"
#include "core/backend/far/far_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "core/base/cpu_features.h"
#include "tests/support/environment.h"

namespace raison {
namespace {

using conformance::Report;
using conformance::RunSuite;
using testing::SetVariable;

void Expect(const absl::StatusOr<Report>& report) {
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  // The built-in back ends take every case.
  if (!report->refused.empty()) {
    ADD_FAILURE() << report->refused[0].name << ": " << report->refused[0].why;
  }
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < report->failures.size() && i < kShown; ++i) {
    ADD_FAILURE() << report->failures[i];
  }
  if (report->failures.size() > kShown) {
    ADD_FAILURE() << report->failures.size() - kShown << " more";
  }
  // What tolerances.h is made from.
  for (const auto& [key, worst] : report->worst) {
    std::cout << "  largest error " << key << ": " << worst.error << " in " << worst.where << "\n";
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

// (instruction level, how weights may be kept)
class CpuOpTest : public ::testing::TestWithParam<std::tuple<const char*, uint32_t>> {};

TEST_P(CpuOpTest, IsWithinTheTable) {
  const auto [level, flags] = GetParam();
  SetVariable("RAISON_CPU", level);
  const bool chosen = CpuLevelName(ChooseCpuLevel()) == level;
  if (chosen) {
    conformance::SuiteOptions options = {
        .subject = OpenCpuBackend, .reference = OpenReferenceBackend, .weight_flags = flags};
    // Where it is slow (AddressSanitizer, an emulated processor) only each n-th case: bytes out of place
    // show in any number. A prime leaves out no pattern of the lists.
    if (const char* every = std::getenv("RAISON_TEST_EVERY"); every != nullptr) {
      options.every = static_cast<size_t>(std::max(1, std::atoi(every)));
      options.threads = {2};
    }
    Expect(RunSuite(options));
  }
  SetVariable("RAISON_CPU", "");
  if (!chosen) GTEST_SKIP() << "this machine has no " << level;
}

INSTANTIATE_TEST_SUITE_P(All, CpuOpTest,
                         ::testing::Combine(::testing::Values("baseline", "avx2", "avx512", "neon"),
                                          ::testing::Values(0u, RSN_WEIGHT_MAY_REFERENCE |
                                                                  RSN_WEIGHT_MAY_REPACK)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) ? "Repacked" : "Plain");
                         });

}  // namespace
}  // namespace raison
