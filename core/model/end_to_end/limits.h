// What the end-to-end pass allows. The agreement is the product's own promise, as is a mean
// divergence of 1e-3 nats; all others come from what the CPU showed over 1,000 tokens (avx512,
// Intel Xeon) and are at most 4 times that. Errors of logits are in standard deviations of the
// reference's row.
#pragma once

namespace raison::conformance {

inline constexpr double kAgreement = 0.995;  // of greedy tokens

struct Limits {
  double divergence;  // nats, mean over the teacher-forced tokens
  double logit_error;
  double routing;  // share of the experts' choices that may be others
};
// f32 weights and cache: measured 5e-13 and 4.2e-6; no choice was another, so one in a thousand.
inline constexpr Limits kFloatLimits = {.divergence = 2e-12, .logit_error = 1.6e-5, .routing = 1e-3};
// Activations in 8 bits: measured 1.1e-4, 0.062 and 0.65 %.
inline constexpr Limits kQuantizedLimits = {
    .divergence = 4.4e-4, .logit_error = 0.24, .routing = 0.024};
// Petit's eight layers, where an expert chosen otherwise in an earlier row comes back through the
// cache: measured 5.3e-4 (the promise is less than 4 times that), 0.58 and 0.69 %.
inline constexpr Limits kTrainedLimits = {.divergence = 1e-3, .logit_error = 2.3, .routing = 0.027};

}  // namespace raison::conformance
