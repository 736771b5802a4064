// The numbers of one step, added up token by token.
// Owns the formulas: means over the tokens that have a record, and
//   confidence = exp(mean log-probability),
// the geometric mean probability of the step's tokens, in [0, 1].
#pragma once

#include <cstdint>

#include "core/reasoning/reasons.h"

namespace raison {

struct StepStats {
  int64_t tokens = 0;         // all of them
  double mean_logprob = 0;    // nats per token, raw; NaN if no token has a record
  double lowest_logprob = 0;  // nats; NaN likewise
  double mean_entropy = 0;    // nats; NaN likewise
  double confidence = 0;      // NaN likewise
  double seconds = 0;         // from the step's beginning to its last token
  StepMarker marker = StepMarker::kPlain;
};

class StepAccumulator {
 public:
  // A token without a record (NaN) counts as a token only.
  void Add(double logprob, double entropy);
  // seconds: duration of the step, which the caller measured; marker: ClassifyStep of its text.
  StepStats Result(double seconds, StepMarker marker) const;

 private:
  int64_t tokens_ = 0;
  int64_t recorded_ = 0;
  double logprobs_ = 0;
  double entropies_ = 0;
  double lowest_ = 0;
};

}  // namespace raison
