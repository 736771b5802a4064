// Teacher-forced evaluation: every row of logits of a given token sequence. For tests, `bench` and
// `selftest`; sessions go through the scheduler.
#pragma once

#include <functional>
#include <vector>

#include "core/model/model.h"

namespace raison {

struct EvaluateOptions {
  uint32_t chunk = 64;  // tokens per step, at most kStepLogitRows
  bool routing = false;
  std::function<bool()> stop;  // asked between layers; true ends with CANCELLED
};

struct Evaluation {
  std::vector<std::vector<float>> logits;         // (tokens, vocabulary), raw
  std::vector<LogitRow> rows;                     // (tokens)
  std::vector<std::vector<RoutedRow>> routing;    // (tokens), when asked for
};

absl::StatusOr<Evaluation> Evaluate(const Model& model, absl::Span<const int32_t> tokens,
                                    const EvaluateOptions& options = {});

}  // namespace raison
