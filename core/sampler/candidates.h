// The most likely next tokens, as a device's reduce_logits hands them back, and the definition of
// that reduction in plain loops.
// Owns the order of candidates, the log-sum-exp and the entropy. Knows no options: what is added
// to a row comes as a sparse list of adjustments (penalties.h makes it), filters are sample.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace raison {

// z' = (z > 0 ? z / scale : z * scale) + add, in f32; add = -infinity excludes the token.
struct Adjustment {
  int32_t id = 0;
  float scale = 1;
  float add = 0;
};

// One row of logits, reduced. Sorted by (adjusted logit descending, id ascending). A row that
// holds a NaN or +infinity has a NaN logsumexp, which Sample turns into DataLoss.
struct Candidates {
  std::vector<int32_t> ids;       // [n]
  std::vector<float> logits;      // [n] after penalties, bias and mask
  std::vector<float> raw_logits;  // [n] as the model gave them
  double logsumexp = 0;           // raw row, full vocabulary
  double entropy = 0;             // raw row, full vocabulary, nats
  double adjusted_logsumexp = 0;  // adjusted row, full vocabulary, temperature 1
  int64_t vocab_size = 0;         // length of the row that was reduced
  bool complete = false;          // n == vocab_size: no token is missing

  size_t size() const { return ids.size(); }
  double Logprob(size_t index) const { return raw_logits[index] - logsumexp; }
};

// The reduction's definition: sums are pairwise in f64. Adjustments hold each id at most once; an
// id outside the row names no token and has no effect. top_n >= the row's length, or 0, keeps all.
Candidates ReduceRow(absl::Span<const float> logits, absl::Span<const Adjustment> adjustments,
                     size_t top_n);

struct TokenLogprob {
  int32_t token = 0;
  double logprob = 0;  // raw, nats
};

// The n most likely candidates by raw log-probability, ties by id. Without adjustments these are
// the row's own top n; with them, tokens pushed out of an incomplete Candidates are not seen.
std::vector<TokenLogprob> TopAlternatives(const Candidates& candidates, size_t n);

// Tokens of Candidates that stand before candidate `index` by (raw logit, id): 0 is the model's
// favourite. Exact under the same condition as TopAlternatives.
int32_t RawRank(const Candidates& candidates, size_t index);

// Where `token` stands in Candidates; nothing if it is not there.
std::optional<size_t> FindCandidate(const Candidates& candidates, int32_t token);

}  // namespace raison
