#include "core/reasoning/step_stats.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace raison {

void StepAccumulator::Add(double logprob, double entropy) {
  ++tokens_;
  if (std::isnan(logprob) || std::isnan(entropy)) return;
  ++recorded_;
  logprobs_ += logprob;
  entropies_ += entropy;
  lowest_ = std::min(lowest_, logprob);  // log-probabilities are at most 0
}

StepStats StepAccumulator::Result(double seconds, StepMarker marker) const {
  StepStats stats = {.tokens = tokens_, .seconds = seconds, .marker = marker};
  if (recorded_ == 0) {
    stats.mean_logprob = stats.lowest_logprob = stats.mean_entropy = stats.confidence =
        std::numeric_limits<double>::quiet_NaN();
    return stats;
  }
  const double n = static_cast<double>(recorded_);
  stats.mean_logprob = logprobs_ / n;
  stats.lowest_logprob = lowest_;
  stats.mean_entropy = entropies_ / n;
  stats.confidence = std::exp(stats.mean_logprob);
  return stats;
}

}  // namespace raison
