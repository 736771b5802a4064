// One ragged step: which tokens of which sequences go through the model together, and what comes back
// for the rows whose logits are wanted. Plain data between the scheduler and the transformer.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/kv/page_table.h"

namespace raison {

// z' = (z > 0 ? z / divisor : z * divisor) + add
struct LogitAdjustment {
  int32_t id;
  float divisor;
  float add;
};

struct StepSequence {
  absl::Span<const int32_t> tokens;   // consecutive; positions end at pages->length()
  const PageTable* pages = nullptr;   // already extended by tokens.size()
  uint32_t logit_rows = 0;            // how many of the last rows want logits
  // For the last row only; the others are never adjusted.
  absl::Span<const LogitAdjustment> adjustments;
};

struct Step {
  std::vector<StepSequence> sequences;
  std::vector<PageTable::Copy> copies;
  bool reads_routing = false;  // Transformer::Routing is asked for after it
};

// What the device tells of one row of logits: the candidates are the largest adjusted logits,
// descending, ties by lower id.
struct LogitRow {
  float logsumexp = 0;           // raw, whole vocabulary
  float entropy = 0;             // raw, nats
  float adjusted_logsumexp = 0;  // after the adjustments
  bool non_finite = false;
  std::vector<int32_t> ids;    // (count)
  std::vector<float> logits;   // (count) adjusted
  std::vector<float> raw;      // (count)
};

// The chosen experts of one row in one MoE layer.
struct RoutedRow {
  uint32_t layer = 0;
  std::vector<int32_t> experts;  // (used), ascending
  std::vector<float> weights;    // (used)
};

}  // namespace raison
