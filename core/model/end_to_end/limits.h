// What the end-to-end pass allows. The mean divergence and the agreement are the product's own
// promise; the others come from what the CPU showed over 1,000 tokens (avx512, Intel Xeon) and are
// at most 4 times that. Errors of logits are in standard deviations of the reference's row.
#pragma once

namespace raison::conformance {

inline constexpr double kMeanDivergence = 1e-3;  // nats, over the teacher-forced tokens
inline constexpr double kAgreement = 0.995;      // of greedy tokens, of a trained model
// (random weights have many rows whose two best are nearly tied: there the clear rows must agree)

struct Limits {
  double logit_error;
  double routing;  // share of the experts' choices that may be others
};
// f32 weights and cache: measured 4.2e-6; no choice was another, so one in a thousand.
inline constexpr Limits kFloatLimits = {.logit_error = 1.6e-5, .routing = 1e-3};
// Activations in 8 bits: measured 0.062 and 0.6 %.
inline constexpr Limits kQuantizedLimits = {.logit_error = 0.24, .routing = 0.024};
// Petit's eight layers, where an expert chosen otherwise in an earlier row comes back through the
// cache: measured 0.58 and 0.69 %.
inline constexpr Limits kTrainedLimits = {.logit_error = 2.3, .routing = 0.027};

}  // namespace raison::conformance
