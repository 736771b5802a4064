#include "core/sampler/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace raison {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Pairwise: the error grows with log n, and the order of additions depends on n alone.
template <typename Term>
double PairwiseSum(size_t begin, size_t end, const Term& term) {
  constexpr size_t kLeaf = 32;  // below this a plain loop rounds as well and is faster
  if (end - begin <= kLeaf) {
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += term(i);
    return sum;
  }
  const size_t middle = begin + (end - begin) / 2;
  return PairwiseSum(begin, middle, term) + PairwiseSum(middle, end, term);
}

struct RowSums {
  double logsumexp = std::numeric_limits<double>::quiet_NaN();
  double entropy = std::numeric_limits<double>::quiet_NaN();
};

// NaN for a row with NaN or +infinity; log-sum-exp -infinity for a row without a possible token.
RowSums Sum(absl::Span<const float> row) {
  float highest = kMinusInfinity;
  for (float z : row) {
    if (std::isnan(z) || z == std::numeric_limits<float>::infinity()) return {};
    highest = std::max(highest, z);
  }
  if (highest == kMinusInfinity) return {.logsumexp = highest};
  const double top = highest;
  const double sum = PairwiseSum(0, row.size(), [&](size_t i) { return std::exp(row[i] - top); });
  // With x = z - z_max: H = ln sum e^x - sum x e^x / sum e^x. Relative to the highest logit the
  // terms stay exact however large the logits are.
  const double weighted = PairwiseSum(0, row.size(), [&](size_t i) {
    const double x = row[i] - top;
    const double weight = std::exp(x);
    return weight == 0 ? 0.0 : x * weight;  // the limit; also keeps -infinity * 0 out
  });
  return {.logsumexp = top + std::log(sum), .entropy = std::log(sum) - weighted / sum};
}

}  // namespace

Candidates ReduceRow(absl::Span<const float> logits, absl::Span<const Adjustment> adjustments,
                     size_t top_n) {
  std::vector<float> adjusted(logits.begin(), logits.end());  // [vocab]
  for (const Adjustment& a : adjustments) {
    if (a.id < 0 || static_cast<size_t>(a.id) >= adjusted.size()) continue;
    float& z = adjusted[a.id];
    z = (z > 0 ? z / a.scale : z * a.scale) + a.add;
  }

  Candidates out;
  out.vocab_size = static_cast<int64_t>(logits.size());
  const RowSums raw = Sum(logits);
  out.logsumexp = raw.logsumexp;
  out.entropy = raw.entropy;
  out.adjusted_logsumexp = adjustments.empty() ? raw.logsumexp : Sum(adjusted).logsumexp;

  const size_t n = top_n == 0 ? logits.size() : std::min(top_n, logits.size());
  out.complete = n == logits.size();
  out.ids.resize(logits.size());
  std::iota(out.ids.begin(), out.ids.end(), 0);
  // A NaN has no place in an order: such a row keeps the order of ids, and its NaN sums say so.
  if (!std::isnan(out.adjusted_logsumexp)) {
    const auto before = [&](int32_t a, int32_t b) {
      return adjusted[a] != adjusted[b] ? adjusted[a] > adjusted[b] : a < b;
    };
    std::partial_sort(out.ids.begin(), out.ids.begin() + n, out.ids.end(), before);
  }
  out.ids.resize(n);
  out.ids.shrink_to_fit();
  out.logits.reserve(n);
  out.raw_logits.reserve(n);
  for (int32_t id : out.ids) {
    out.logits.push_back(adjusted[id]);
    out.raw_logits.push_back(logits[id]);
  }
  return out;
}

std::vector<TokenLogprob> TopAlternatives(const Candidates& candidates, size_t n) {
  n = std::min(n, candidates.size());
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::partial_sort(order.begin(), order.begin() + n, order.end(), [&](size_t a, size_t b) {
    const float za = candidates.raw_logits[a], zb = candidates.raw_logits[b];
    return za != zb ? za > zb : candidates.ids[a] < candidates.ids[b];
  });
  std::vector<TokenLogprob> out;
  out.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    out.push_back({.token = candidates.ids[order[i]], .logprob = candidates.Logprob(order[i])});
  }
  return out;
}

int32_t RawRank(const Candidates& candidates, size_t index) {
  const float z = candidates.raw_logits[index];
  int32_t rank = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const float other = candidates.raw_logits[i];
    if (other > z || (other == z && candidates.ids[i] < candidates.ids[index])) ++rank;
  }
  return rank;
}

std::optional<size_t> FindCandidate(const Candidates& candidates, int32_t token) {
  const auto at = std::find(candidates.ids.begin(), candidates.ids.end(), token);
  if (at == candidates.ids.end()) return std::nullopt;
  return static_cast<size_t>(at - candidates.ids.begin());
}

}  // namespace raison
