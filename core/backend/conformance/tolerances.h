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
    // The sum of squares in 16, 8 or 4 lanes, then a division and two products.
    {"rms_norm", 2.95e-7, 9.5e-7, "cpu, 517 rows of 65"},
    // One chain of fused multiply-adds in f32 over the longest K of the cases, 4096.
    {"matmul/float", 5.78e-7, 2.3e-6, "cpu, F32 with an outlier in each row"},
    // Integers are exact: what is left is one f32 chain over the blocks. The bound is 1e-5.
    {"matmul/integer", 3.28e-7, 1.3e-6, "cpu avx512, Q5_K with an outlier in each row"},
    // Where a prompt's chunk goes to tensor cores: their f32 sums are cut off, not rounded, after
    // every 16 products (tests/backend/simt/cublas.cc does the same).
    {"matmul/chunk", 2.37e-6, 9.3e-6, "cuda, plain-loop cuBLAS, Q8_0 with an outlier in each row"},
    // Angles in f64, or in pairs of f32 where a device has no f64.
    {"rope_table", 1.19e-7, 2.3e-7,
     "vulkan on llvmpipe, 519 rows; the cpu has the reference's bits"},
    {"rope", 1.19e-7, 4.7e-7, "cpu, one pair per head"},
    {"silu_mul", 1.54e-7, 5.6e-7, "cpu, 515 rows of 21"},
    // Scores, their exp and two f32 chains over up to 65536 keys.
    {"attention", 1.20e-6, 4.8e-6, "cpu baseline, F32, 17 rows after 300 keys"},
    // Scores of several hundred have f32 steps of 3e-5, which exp passes on.
    {"attention/sharp", 7.43e-6, 2.9e-5, "cpu baseline, F32 cache"},
    {"mla/float", 1.04e-6, 4.1e-6, "cpu, form 0, F32 cache"},
    {"mla/integer", 1.52e-6, 6.0e-6, "cpu baseline, Q4_K weights"},
    // Scores in f64, rounded to f32, and again as weights. Every back end has the reference's bits,
    // but for subnormals: what is measured is the reference (tests/backend/reference_test.cc).
    {"moe_route", 7.17e-8, 2.3e-7, "the reference against f64 throughout"},
    {"moe_experts/float", 6.67e-7, 2.1e-6, "cpu, BF16, 101 rows"},
    {"moe_experts/integer", 1.25e-6, 5.0e-6, "cpu baseline, Q5_K, 5 rows"},
    {"reduce_logits", 3.49e-7, 1.39e-6, "cpu baseline, ties in 2048"},
    {"step", 3.84e-7, 1.42e-6, "cpu"},
};

// nullptr if the key is not in the table.
inline const Tolerance* FindTolerance(const char* key) {
  for (const Tolerance& t : kTolerances) {
    if (std::strcmp(t.key, key) == 0) return &t;
  }
  return nullptr;
}

}  // namespace raison::conformance
