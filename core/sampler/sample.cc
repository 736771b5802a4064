#include "core/sampler/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/status.h"

namespace raison {
namespace {

constexpr size_t kUnknown = std::numeric_limits<size_t>::max();  // beyond the candidates given

// A device may sum in f32: its log-sum-exp carries about 2e-6 for 150,000 terms. Bounds made from
// it are widened by this share of the whole, so a borderline case fetches the row.
constexpr double kSumSlack = 1e-5;

absl::Status CheckRow(const Candidates& c) {
  if (c.ids.empty() || c.logits.size() != c.size() || c.raw_logits.size() != c.size()) {
    return absl::InternalError(absl::StrCat("candidates have ", c.ids.size(), " ids, ",
                                            c.logits.size(), " logits and ", c.raw_logits.size(),
                                            " raw logits"));
  }
  const float infinity = std::numeric_limits<float>::infinity();
  bool finite = std::isfinite(c.logsumexp) && std::isfinite(c.entropy) &&
                !std::isnan(c.adjusted_logsumexp) && c.adjusted_logsumexp < infinity;
  for (size_t i = 0; finite && i < c.size(); ++i) {
    finite = !std::isnan(c.logits[i]) && c.logits[i] < infinity && !std::isnan(c.raw_logits[i]) &&
             c.raw_logits[i] < infinity;
  }
  if (finite) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the logits hold NaN or infinity (log-sum-exp ", c.logsumexp, ")"));
}

// What one call works on: the candidates that may be drawn, in order.
struct Row {
  const Candidates& candidates;
  std::vector<size_t> index;     // [n] into candidates, most likely first
  bool whole = false;            // no token with a probability is missing
  bool excluded_unseen = false;  // the excluded token is among those that are not candidates

  size_t size() const { return index.size(); }
  double Logit(size_t i) const { return candidates.logits[index[i]]; }
  double Last() const { return candidates.logits.back(); }  // nothing unseen is more likely
};

// exp((z - z_0) / temperature), summed from the most likely token on.
struct Weights {
  double temperature = 1;
  std::vector<double> cumulative;  // [n] cumulative[i] = weight 0 + ... + weight i
};

Weights MakeWeights(const Row& row, double temperature) {
  Weights w = {.temperature = temperature};
  w.cumulative.reserve(row.size());
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    sum += std::exp((row.Logit(i) - row.Logit(0)) / temperature);
    w.cumulative.push_back(sum);
  }
  return w;
}

struct Interval {
  double low = 0, high = 0;
};

// Bounds of the sum of exp((z - z_0) / temperature) over the tokens that are not candidates.
// Their sum at temperature 1 is known, and each z is at most the last candidate's. With
// x = exp(z - z_0) and a = 1 / temperature, x^a = x * x^(a-1) lies on one side of
// x * x_last^(a-1), and the power mean inequality bounds the sum from the other side.
Interval TailBounds(const Row& row, double temperature) {
  if (row.whole) return {0, 0};
  const Candidates& c = row.candidates;
  const double top = row.Logit(0);
  double known = 0;  // adjusted_logsumexp has the excluded token in it, and so has this
  for (float z : c.logits) known += std::exp(z - top);
  const double all = std::exp(c.adjusted_logsumexp - top);
  const double slack = kSumSlack * std::max(all, known);
  Interval tail = {std::max(0.0, all - known - slack), std::max(0.0, all - known) + slack};
  if (row.excluded_unseen) tail.low = 0;

  const double a = 1 / temperature;
  const double missing =
      static_cast<double>(std::max<int64_t>(1, c.vocab_size - static_cast<int64_t>(c.size())));
  const double last = std::exp((row.Last() - top) * (a - 1));
  const auto power_mean = [&](double sum) {
    return missing * std::exp(a * std::log(sum / missing));
  };
  if (a >= 1) return {power_mean(tail.low), tail.high * last};
  return {tail.low * last, power_mean(tail.high)};
}

// How many of the sorted tokens a filter keeps: decided where low == high.
struct Kept {
  size_t low = kUnknown, high = kUnknown;
};

// With ties, tokens equal to the k-th stay too, so the first smaller one must be in sight.
Kept KeepTopK(const Row& row, size_t k, bool ties) {
  const size_t n = row.size();
  if (k > n) return row.whole ? Kept{n, n} : Kept{n, kUnknown};
  size_t kept = k;
  while (ties && kept < n && row.Logit(kept) == row.Logit(k - 1)) ++kept;
  const bool more_ties = ties && kept == n && !row.whole && row.Last() == row.Logit(k - 1);
  return {kept, more_ties ? kUnknown : kept};
}

// Smallest count whose sum reaches `threshold`.
size_t CountReaching(const Weights& w, double threshold) {
  const auto at = std::lower_bound(w.cumulative.begin(), w.cumulative.end(), threshold);
  return at == w.cumulative.end() ? kUnknown : at - w.cumulative.begin() + 1;
}

Kept KeepMinP(const Row& row, double min_p, double temperature) {
  const double limit = row.Logit(0) + std::log(min_p) * temperature;
  size_t kept = 1;
  while (kept < row.size() && row.Logit(kept) >= limit) ++kept;
  const bool more = kept == row.size() && !row.whole && row.Last() >= limit;
  return {kept, more ? kUnknown : kept};
}

Draw Record(const Candidates& c, size_t index, double sampled_logprob) {
  return {.token = c.ids[index],
          .index = index,
          .logprob = c.Logprob(index),
          .sampled_logprob = sampled_logprob,
          .rank = RawRank(c, index)};
}

Draw NeedsFullRow() {
  Draw draw;
  draw.needs_full_row = true;
  return draw;
}

// Every filter keeps a prefix of the sorted order, so the chain is a running minimum of counts.
Kept ApplyFilters(const Row& row, const SamplingOptions& o, const Weights& w) {
  Kept kept = {row.size(), row.whole ? row.size() : kUnknown};
  if (o.top_k > 0) {
    const bool ties = o.order == SamplingOrder::kHuggingFace;
    kept = KeepTopK(row, static_cast<size_t>(o.top_k), ties);
  }
  if (o.top_p < 1) {
    // The sum that top-p takes its share of: what is kept so far, and perhaps a part of the tail.
    const double seen = w.cumulative[kept.low - 1];
    Interval total = {seen, seen};
    if (kept.high == kUnknown) {
      const Interval tail = TailBounds(row, w.temperature);
      constexpr double kRounding = 1e-12;  // of the whole row's sum, added up in another order
      total.high = (total.high + tail.high) * (1 + kRounding);
      if (o.top_k == 0) total.low = (total.low + tail.low) * (1 - kRounding);
    }
    kept.low = std::min(kept.low, CountReaching(w, o.top_p * total.low));
    kept.high = std::min(kept.high, CountReaching(w, o.top_p * total.high));
  }
  if (o.min_p > 0) {
    const Kept by_min = KeepMinP(row, o.min_p, w.temperature);
    kept = {std::min(kept.low, by_min.low), std::min(kept.high, by_min.high)};
  }
  return kept;
}

// The first of n tokens whose cumulative weight exceeds `target`; kUnknown if none does. A token
// of weight 0 never moves the sum, so it is never the one.
size_t Pick(const Weights& w, size_t n, double target) {
  const auto end = w.cumulative.begin() + n;
  const auto at = std::upper_bound(w.cumulative.begin(), end, target);
  return at == end ? kUnknown : at - w.cumulative.begin();
}

Draw DrawFrom(const Row& row, const Weights& w, size_t n, double u) {
  const double total = w.cumulative[n - 1];
  size_t i = Pick(w, n, u * total);
  if (i == kUnknown) {  // u * total was rounded up to the total: the last token that has a weight
    i = n - 1;
    while (i > 0 && w.cumulative[i] == w.cumulative[i - 1]) --i;
  }
  const double z = (row.Logit(i) - row.Logit(0)) / w.temperature;
  return Record(row.candidates, row.index[i], z - std::log(total));
}

// Without filters at temperature 1 the distribution's sum is known even where its tokens are not,
// and most draws fall among the candidates.
Draw DrawUnfiltered(const Row& row, const Weights& w, double u) {
  Draw draw;
  if (row.whole) {
    draw = DrawFrom(row, w, row.size(), u);
  } else {
    const Interval tail = TailBounds(row, 1);
    const size_t i = Pick(w, row.size(), u * (w.cumulative.back() + tail.low));
    const size_t j = Pick(w, row.size(), u * (w.cumulative.back() + tail.high));
    if (i == kUnknown || i != j) return NeedsFullRow();
    draw = Record(row.candidates, row.index[i], 0);
  }
  const Candidates& c = row.candidates;
  draw.sampled_logprob = c.logits[draw.index] - c.adjusted_logsumexp;
  return draw;
}

}  // namespace

absl::StatusOr<Draw> Sample(const Candidates& c, const SamplingOptions& o, const DrawKey& key,
                            std::optional<int32_t> excluded) {
  RSN_RETURN_IF_ERROR(CheckRow(c));
  const float masked = -std::numeric_limits<float>::infinity();
  Row row = {.candidates = c, .whole = c.complete || c.logits.back() == masked};
  row.excluded_unseen = excluded.has_value() && !row.whole;
  row.index.reserve(c.size());
  for (size_t i = 0; i < c.size(); ++i) {
    if (c.ids[i] == excluded) {
      row.excluded_unseen = false;
    } else if (c.logits[i] > masked) {
      row.index.push_back(i);
    }
  }
  if (row.index.empty()) {
    if (!row.whole) return NeedsFullRow();  // the excluded token was the only one given
    return absl::FailedPreconditionError("every token of the vocabulary is masked");
  }
  constexpr double kCoolest = 1e-5;  // below it f32 logits that differ at all differ by e^100
  if (o.temperature < kCoolest) return Record(c, row.index[0], 0);

  const double u = UniformDraw(key);
  const bool filters = o.top_k > 0 || o.top_p < 1 || o.min_p > 0;
  if (!filters && o.temperature == 1 && !excluded) {
    return DrawUnfiltered(row, MakeWeights(row, 1), u);
  }
  const bool cool_last = o.order == SamplingOrder::kLlamaCpp && filters;
  Weights w = MakeWeights(row, cool_last ? 1 : o.temperature);
  const Kept kept = ApplyFilters(row, o, w);
  if (kept.high == kUnknown || kept.low != kept.high) return NeedsFullRow();
  if (cool_last && o.temperature != 1) w = MakeWeights(row, o.temperature);
  return DrawFrom(row, w, kept.high, u);
}

absl::StatusOr<Draw> Describe(const Candidates& c, int32_t token) {
  RSN_RETURN_IF_ERROR(CheckRow(c));
  const std::optional<size_t> index = FindCandidate(c, token);
  if (index) return Record(c, *index, 0);
  if (!c.complete) return NeedsFullRow();
  return absl::InvalidArgumentError(
      absl::StrCat("token is ", token, "; the row has ", c.vocab_size, " tokens"));
}

}  // namespace raison
