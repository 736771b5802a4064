#include "core/sampler/penalties.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_map.h"

namespace raison {
namespace {

struct Tally {
  bool seen = false;    // in prompt or output
  int32_t outputs = 0;  // occurrences in the output
  float add = 0;        // bias and exclusion
};

absl::Span<const int32_t> LastTokens(absl::Span<const int32_t> tokens, size_t n) {
  return tokens.last(std::min(n, tokens.size()));
}

}  // namespace

std::vector<Adjustment> MakeAdjustments(const TokenHistory& history, const SamplingOptions& options,
                                        absl::Span<const int32_t> excluded) {
  const bool repetition = options.repetition_penalty != 1;
  const bool output_only = options.presence_penalty != 0 || options.frequency_penalty != 0;
  const size_t window = options.penalty_last_n > 0 ? static_cast<size_t>(options.penalty_last_n)
                                                   : std::numeric_limits<size_t>::max();
  const absl::Span<const int32_t> output = LastTokens(history.output, window);
  const absl::Span<const int32_t> prompt = LastTokens(history.prompt, window - output.size());

  absl::flat_hash_map<int32_t, Tally> tallies;
  if (repetition) {
    for (int32_t id : prompt) tallies[id].seen = true;
  }
  if (repetition || output_only) {
    for (int32_t id : output) {
      Tally& tally = tallies[id];
      tally.seen = true;
      ++tally.outputs;
    }
  }
  for (const LogitBias& bias : options.logit_bias) tallies[bias.id].add += bias.bias;
  for (int32_t id : excluded) tallies[id].add = -std::numeric_limits<float>::infinity();

  std::vector<Adjustment> out;
  out.reserve(tallies.size());
  for (const auto& [id, tally] : tallies) {
    const double penalty =
        tally.outputs == 0 ? 0
                           : options.presence_penalty + tally.outputs * options.frequency_penalty;
    const Adjustment a = {
        .id = id,
        .scale = tally.seen ? static_cast<float>(options.repetition_penalty) : 1.0f,
        .add = static_cast<float>(tally.add - penalty)};
    if (a.scale != 1 || a.add != 0) out.push_back(a);
  }
  std::sort(out.begin(), out.end(),
            [](const Adjustment& a, const Adjustment& b) { return a.id < b.id; });
  return out;
}

}  // namespace raison
