// The CUDA back end on an emulated card (tests/backend/simt): every operation by the conformance kit,
// and what happens when the card, its memory or its driver fails.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "core/backend/conformance/conformance.h"
#include "core/backend/cuda/cuda_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "tests/backend/simt/simt.h"

namespace raison {
namespace {

using conformance::Report;

class CudaKitTest : public testing::TestWithParam<const char*> {};

TEST_P(CudaKitTest, IsWithinTheTable) {
  simt::Install({});
  const absl::StatusOr<Report> report = conformance::RunSuite({.subject = OpenCudaBackend,
                                                               .reference = OpenReferenceBackend,
                                                               .threads = {1, 1},
                                                               .only_op = GetParam()});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  EXPECT_TRUE(report->refused.empty()) << report->refused.front();
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < report->failures.size() && i < kShown; ++i) {
    ADD_FAILURE() << report->failures[i];
  }
  EXPECT_LE(report->failures.size(), kShown) << "and more";
  for (const auto& [key, worst] : report->worst) {
    std::cout << "  largest error " << key << ": " << worst.error << " in " << worst.where << "\n";
  }
  EXPECT_EQ(simt::LastFault(), "");
  EXPECT_EQ(simt::InUse(), simt::Usage{});
}

INSTANTIATE_TEST_SUITE_P(Operations, CudaKitTest,
                         testing::Values("embed", "gather_rows", "rms_norm", "matmul", "rope_table",
                                         "rope", "kv_write", "kv_copy_page", "attention",
                                         "mla_attention", "silu_mul", "moe_route", "moe_experts",
                                         "reduce_logits", "step"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace raison
