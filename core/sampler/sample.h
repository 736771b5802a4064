// The sampling chain: from Candidates to one token.
// Owns temperature, top-k, top-p, min-p and the draw. Sees Candidates only: penalties and masks
// are already in them. When the top N given cannot decide, it says so instead of guessing: the
// result always equals the full row's.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "core/sampler/candidates.h"
#include "core/sampler/options.h"
#include "core/sampler/philox.h"

namespace raison {

struct Draw {
  bool needs_full_row = false;  // nothing below is set: call again with complete Candidates
  int32_t token = -1;
  size_t index = 0;            // in Candidates
  double logprob = 0;          // raw: temperature 1, before penalties, masks and filters; nats
  double sampled_logprob = 0;  // after the whole chain; 0 when greedy
  int32_t rank = 0;            // RawRank
};

// `excluded` is a token that must not be drawn here (exclude_first_token); it counts as masked
// before every filter. Options must be valid. Errors: DataLoss for a row with NaN or +infinity,
// FailedPrecondition for one whose every token is masked.
absl::StatusOr<Draw> Sample(const Candidates& candidates, const SamplingOptions& options,
                            const DrawKey& key, std::optional<int32_t> excluded = std::nullopt);

// The record of a token that was not sampled (forced, injected, or part of the prompt):
// sampled_logprob is 0, for it came with certainty. needs_full_row when it is not a candidate.
absl::StatusOr<Draw> Describe(const Candidates& candidates, int32_t token);

}  // namespace raison
