// Repetition, presence and frequency penalties and the logit bias, as a sparse list of adjustments
// for one row of logits.
// Owns which token of the history counts for which penalty. The list is applied by the device's
// reduction (or ReduceRow), so a row never has to come back for it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/sampler/candidates.h"
#include "core/sampler/options.h"

namespace raison {

struct TokenHistory {
  absl::Span<const int32_t> prompt;  // everything before the request's first new token
  absl::Span<const int32_t> output;  // sampled, forced and injected tokens since
};

// Repetition counts prompt and output, presence and frequency the output only (vLLM and OpenAI);
// all of them look back penalty_last_n tokens of prompt + output together. `excluded` tokens get
// add = -infinity. Ascending by id, each id once; empty when nothing is asked for.
std::vector<Adjustment> MakeAdjustments(const TokenHistory& history, const SamplingOptions& options,
                                        absl::Span<const int32_t> excluded = {});

}  // namespace raison
