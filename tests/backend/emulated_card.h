// The CUDA back end on the card that tests/backend/simt emulates: opened through the table alone, and judged
// by the conformance kit.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/backend/conformance/conformance.h"
#include "core/backend/cuda/cuda_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "core/backend/registry.h"
#include "tests/backend/kit_report.h"
#include "tests/backend/simt/simt.h"

namespace raison {

// The card by name, as models are placed; known from the first call on.
inline std::string EmulatedCard() {
  RegisterBackend("emulated-card", OpenCudaBackend).IgnoreError();
  return "emulated-card";
}

// A device and a queue.
class Opened {
 public:
  explicit Opened(const simt::Card& card = {}) {
    simt::Install(card);
    table.struct_size = sizeof table;
    EXPECT_EQ(OpenCudaBackend(nullptr, &table), 0);
    EXPECT_EQ(table.device_open(nullptr, 0, &device), 0) << table.last_error();
    EXPECT_EQ(table.queue_new(device, &queue), 0) << table.last_error();
  }
  ~Opened() {
    table.queue_free(queue);
    table.device_close(device);
    EXPECT_EQ(simt::InUse(), simt::Usage{});
    simt::Install({});
  }
  std::string error() const { return table.last_error(); }

  rsn_backend table{};
  rsn_device_state* device = nullptr;
  rsn_queue* queue = nullptr;
};

// `options` says which cases, and how weights are kept.
inline void ExpectGreenOnTheEmulatedCard(conformance::SuiteOptions options) {
  simt::Install({});
  options.subject = OpenCudaBackend;
  options.reference = OpenReferenceBackend;
  options.threads = {1};
  const absl::StatusOr<conformance::Report> report = conformance::RunSuite(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  EXPECT_TRUE(report->refused.empty()) << report->refused.front().name;
  conformance::ExpectGreen(*report);
  EXPECT_EQ(simt::LastFault(), "");
  EXPECT_EQ(simt::InUse(), simt::Usage{});
}

}  // namespace raison
