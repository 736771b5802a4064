// What a device may differ from the reference in, over whole models. The agreement and the mean
// divergence are the product's own promises. The other limits grow with the error of a logit, not
// with its square as a divergence does; each states the largest that was measured over 1,000 tokens,
// on the CPU (baseline and avx2, AMD EPYC) and on Vulkan (llvmpipe), and is at most 4 times that,
// which a test holds it to.
#pragma once

namespace raison::conformance {

inline constexpr double kAgreement = 0.995;  // of greedy tokens, at least
inline constexpr double kDivergence = 1e-3;  // nats, mean over the teacher-forced tokens

struct Limit {
  double measured, allowed;
};
struct Limits {
  Limit logit_error;  // the largest where no expert is another, in standard deviations of its row
  Limit logprob;      // mean absolute difference of what a token's record says, nats
  Limit entropy;      // the same
  Limit routing;      // share of the experts' choices that are others
};
// f32 weights and cache. No expert was another: a single one of the 2,000 choices counts as
// measured.
inline constexpr Limits kFloatLimits = {.logit_error = {4.9e-6, 1.9e-5},
                                        .logprob = {2.5e-6, 1e-5},
                                        .entropy = {8.9e-7, 3.5e-6},
                                        .routing = {5e-4, 1e-3}};
// Activations in 8 bits.
inline constexpr Limits kQuantizedLimits = {.logit_error = {0.065, 0.26},
                                            .logprob = {0.032, 0.12},
                                            .entropy = {0.0091, 0.036},
                                            .routing = {0.0070, 0.028}};
// Petit's eight layers, where an expert chosen otherwise in an earlier row comes back through the
// cache; most of its tokens are all but certain, so that the means are small.
inline constexpr Limits kTrainedLimits = {.logit_error = {0.62, 2.4},
                                          .logprob = {0.0023, 0.0092},
                                          .entropy = {0.0030, 0.012},
                                          .routing = {0.0072, 0.028}};

}  // namespace raison::conformance
