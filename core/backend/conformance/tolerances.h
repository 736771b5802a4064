// The tolerance table: one line per kind of output. `measured` is the largest error seen over all
// cases and instruction levels on the machine named in `source`; `allowed` is at most 4 times that
// (a test checks it). Errors are scaled as the output's Rule says: by the sum of the magnitudes of
// the terms for products, by the row's largest value for attention.
#pragma once

#include <cstring>

namespace raison::conformance {

struct Tolerance {
  const char* key;
  double measured;
  double allowed;
  const char* source;
};

inline constexpr Tolerance kTolerances[] = {
    {"rms_norm", 1e-6, 4e-6, ""},
    {"matmul/float", 1e-6, 4e-6, ""},
    {"matmul/integer", 1e-6, 4e-6, ""},
    {"rope_table", 6e-8, 2.4e-7, ""},
    {"rope", 6e-8, 2.4e-7, ""},
    {"silu_mul", 1e-6, 4e-6, ""},
    {"attention", 1e-6, 4e-6, ""},
    {"attention/sharp", 1e-5, 4e-5, ""},
    {"mla/float", 1e-6, 4e-6, ""},
    {"mla/integer", 1e-2, 4e-2, ""},
    {"moe_route", 1e-6, 4e-6, ""},
    {"moe_experts/float", 1e-6, 4e-6, ""},
    {"moe_experts/integer", 1e-3, 4e-3, ""},
    {"reduce_logits", 1e-6, 4e-6, ""},
    {"step", 1e-6, 4e-6, ""},
};

// nullptr if the key is not in the table.
inline const Tolerance* FindTolerance(const char* key) {
  for (const Tolerance& t : kTolerances) {
    if (std::strcmp(t.key, key) == 0) return &t;
  }
  return nullptr;
}

}  // namespace raison::conformance
