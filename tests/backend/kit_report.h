// What a test says of a run of the conformance kit: every failure, up to some, and the largest error
// of each tolerance.
#pragma once

#include <gtest/gtest.h>

#include <iostream>

#include "core/backend/conformance/conformance.h"

namespace raison::conformance {

inline void ExpectGreen(const Report& report) {
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < report.failures.size() && i < kShown; ++i) {
    ADD_FAILURE() << report.failures[i];
  }
  EXPECT_LE(report.failures.size(), kShown) << "and more";
  for (const auto& [key, worst] : report.worst) {
    std::cout << "  largest error " << key << ": " << worst.error << " in " << worst.where << "\n";
  }
}

}  // namespace raison::conformance
