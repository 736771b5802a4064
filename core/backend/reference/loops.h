// The two loops under everything: a dot product in f64 with a fixed order of additions, and a
// parallel loop over independent outputs (so threads change no bit).
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

#include "core/base/status.h"
#include "raison/backend.h"

namespace raison::reference {

// Products of two f32 are exact in f64. Eight sums (element i goes to sum i mod 8), then pairwise.
inline double Dot(const float* a, const float* b, int64_t n) {
  double sum[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int l = 0; l < 8; ++l) {
      sum[l] += static_cast<double>(a[i + l]) * static_cast<double>(b[i + l]);
    }
  }
  for (int l = 0; i < n; ++i, ++l) {
    sum[l] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

// Calls body(index) -> absl::Status for every index; the lowest failing index's status is returned.
template <typename Body>
absl::Status ForEach(const rsn_backend_host& host, int64_t count, const Body& body) {
  struct Shared {
    const Body& body;
    std::atomic<int64_t> failed;
  } shared{body, INT64_MAX};
  if (count > INT32_MAX) return absl::InvalidArgumentError(absl::StrCat(count, " tasks"));
  const auto task = [](void* arg, uint32_t index, uint32_t) {
    auto& s = *static_cast<Shared*>(arg);
    bool ok = false;
    try {
      ok = s.body(index).ok();
    } catch (const std::exception&) {  // bad_alloc must not leave a pool task
    }
    if (ok) return;
    int64_t lowest = s.failed.load();
    while (index < lowest && !s.failed.compare_exchange_weak(lowest, index)) {
    }
  };
  if (host.parallel_for != nullptr && host.threads > 1 && count > 1) {
    host.parallel_for(host.context, static_cast<uint32_t>(count), task, &shared);
  } else {
    for (int64_t i = 0; i < count; ++i) task(&shared, static_cast<uint32_t>(i), 0);
  }
  const int64_t failed = shared.failed.load();
  return failed == INT64_MAX ? absl::OkStatus() : body(failed);  // again, for its sentence
}

}  // namespace raison::reference
