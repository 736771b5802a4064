// reduce_logits: what the sampler needs of each row. Adjustments are single f32 operations, so
// their bits are part of the definition; sums are f64.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "core/backend/reference/loops.h"
#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"

namespace raison::reference {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

struct Summary {
  double logsumexp;
  double entropy;
};

Summary Summarize(const float* z, int64_t n) {
  double largest = kNothing;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(z[i])) return {std::nan(""), std::nan("")};
    largest = std::max(largest, static_cast<double>(z[i]));
  }
  if (largest == kNothing) return {kNothing, 0};
  double sum = 0;       // of e^(z - largest)
  double weighted = 0;  // of e^(z - largest) (z - largest)
  for (int64_t i = 0; i < n; ++i) {
    const double d = z[i] - largest;
    const double e = std::exp(d);
    sum += e;
    if (e != 0) weighted += e * d;
  }
  return {largest + std::log(sum), std::log(sum) - weighted / sum};
}

absl::Status ReduceRow(const rsn_reduce_logits& a, int64_t t) {
  const int64_t vocabulary = a.logits.shape[1];
  const float* raw = F32At(a.logits, t);               // (vocabulary), stays as it is
  std::vector<float> adjusted(raw, raw + vocabulary);  // (vocabulary)
  float* z = adjusted.data();
  rsn_logit_record record{};
  const Summary summary = Summarize(raw, vocabulary);
  record.logsumexp = static_cast<float>(summary.logsumexp);
  record.entropy = static_cast<float>(summary.entropy);
  for (int64_t i = 0; i < vocabulary; ++i) {
    if (std::isnan(raw[i]) || raw[i] == std::numeric_limits<float>::infinity()) record.flags |= 1u;
  }
  const int32_t begin = I32At(a.adjust_begin)[t];
  const int32_t end = I32At(a.adjust_begin)[t + 1];
  if (begin < 0 || begin > end || end > a.adjust_id.shape[0]) {
    return absl::InvalidArgumentError(
        absl::StrCat("reduce_logits: adjustments ", begin, " to ", end, " of row ", t));
  }
  for (int32_t i = begin; i < end; ++i) {
    const int32_t id = I32At(a.adjust_id)[i];
    if (id < 0 || id >= vocabulary) {
      return absl::InvalidArgumentError(absl::StrCat("reduce_logits: adjust_id[", i, "] is ", id));
    }
    const float divisor = F32At(a.adjust_divisor)[i];
    z[id] = (z[id] > 0 ? z[id] / divisor : z[id] * divisor) + F32At(a.adjust_add)[i];
  }
  record.adjusted_logsumexp = static_cast<float>(Summarize(z, vocabulary).logsumexp);

  std::vector<int32_t> order(static_cast<size_t>(vocabulary));
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int32_t i) {
    return std::isnan(z[i]) ? -std::numeric_limits<float>::infinity() : z[i];
  };
  record.count = static_cast<uint32_t>(std::min<int64_t>(a.top, vocabulary));
  std::partial_sort(
      order.begin(), order.begin() + record.count, order.end(),
      [&](int32_t x, int32_t y) { return rank(x) != rank(y) ? rank(x) > rank(y) : x < y; });
  for (uint32_t i = 0; i < record.count; ++i) {
    I32At(a.ids, t)[i] = order[i];
    F32At(a.values, t)[i] = z[order[i]];
    F32At(a.raw, t)[i] = raw[order[i]];
  }
  std::memcpy(F32At(a.records, t), &record, sizeof record);
  return absl::OkStatus();
}

}  // namespace

absl::Status Run(const rsn_reduce_logits& a, const rsn_backend_host& host) {
  return ForEach(host, a.logits.shape[0], [&](int64_t t) { return ReduceRow(a, t); });
}

}  // namespace raison::reference
