// moe_route and moe_experts. Routing follows the header's order of f32 roundings, because they
// decide which experts are chosen; experts are summed in f64, ascending, with one rounding at the
// end.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/backend/reference/loops.h"
#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"
#include "core/base/dequantize.h"

namespace raison::reference {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// The `count` best of `values`: larger first, then the lower index; NaN ranks as -inf.
std::vector<int32_t> Best(const std::vector<float>& values, size_t count) {
  std::vector<int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int32_t i) {
    const float v = values[static_cast<size_t>(i)];
    return std::isnan(v) ? kNever : v;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t x, int32_t y) { return rank(x) > rank(y); });
  order.resize(count);
  return order;
}

std::vector<float> Scores(const float* logits, size_t experts, bool sigmoid) {
  std::vector<float> scores(experts);
  if (sigmoid) {
    for (size_t e = 0; e < experts; ++e) {
      scores[e] = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logits[e]))));
    }
    return scores;
  }
  double largest = -std::numeric_limits<double>::infinity();
  for (size_t e = 0; e < experts; ++e) largest = std::max(largest, static_cast<double>(logits[e]));
  double sum = 0;
  for (size_t e = 0; e < experts; ++e) sum += std::exp(logits[e] - largest);
  for (size_t e = 0; e < experts; ++e) {
    scores[e] = static_cast<float>(std::exp(logits[e] - largest) / sum);
  }
  return scores;
}

// Replaces the choice values of all groups but the best ones.
void MaskGroups(const rsn_moe_route& a, std::vector<float>& choice) {
  const size_t members = choice.size() / a.groups;
  std::vector<float> group_score(a.groups);
  for (size_t g = 0; g < a.groups; ++g) {
    const std::vector<float> group(choice.begin() + static_cast<ptrdiff_t>(g * members),
                                   choice.begin() + static_cast<ptrdiff_t>((g + 1) * members));
    const std::vector<int32_t> best = Best(group, a.group_rule == 0 ? 1 : 2);
    const auto value = [&](int32_t i) {
      const float v = group[static_cast<size_t>(i)];
      return std::isnan(v) ? kNever : v;
    };
    group_score[g] = a.group_rule == 0 ? value(best[0]) : value(best[0]) + value(best[1]);
  }
  std::vector<bool> kept(a.groups);
  for (int32_t g : Best(group_score, a.groups_used)) kept[static_cast<size_t>(g)] = true;
  for (size_t e = 0; e < choice.size(); ++e) {
    if (!kept[e / members]) choice[e] = a.masked_are_zero != 0 ? 0.0f : kNever;
  }
}

}  // namespace

absl::Status Run(const rsn_moe_route& a, const rsn_backend_host&) {
  const size_t experts = static_cast<size_t>(a.logits.shape[1]);
  const size_t used = static_cast<size_t>(a.ids.shape[1]);
  const float* bias = a.bias.buffer != nullptr ? F32At(a.bias) : nullptr;  // (experts)
  for (int64_t t = 0; t < a.logits.shape[0]; ++t) {
    const std::vector<float> scores = Scores(F32At(a.logits, t), experts, a.scoring == 1);
    std::vector<float> choice = scores;
    if (bias != nullptr) {
      for (size_t e = 0; e < experts; ++e) choice[e] += bias[e];
    }
    if (a.groups > 1) MaskGroups(a, choice);
    std::vector<int32_t> chosen = Best(choice, used);
    std::sort(chosen.begin(), chosen.end());
    double sum = 0;
    for (int32_t e : chosen) sum += scores[static_cast<size_t>(e)];
    const double divisor = a.normalize != 0 ? sum + 1e-20 : 1.0;
    int32_t* ids = I32At(a.ids, t);        // (used)
    float* weights = F32At(a.weights, t);  // (used)
    for (size_t i = 0; i < used; ++i) {
      ids[i] = chosen[i];
      weights[i] = static_cast<float>(scores[static_cast<size_t>(chosen[i])] / divisor * a.scale);
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_moe_experts& a, const rsn_backend_host& host) {
  const int64_t rows = a.in.shape[0];
  const int64_t width = a.in.shape[1];
  const int64_t inner = a.gate.shape[1];
  const int64_t used = a.ids.shape[1];
  const int64_t experts = a.slots.shape[0];
  const int32_t* slots = I32At(a.slots);  // (experts)
  for (int64_t e = 0; e < experts; ++e) {
    if (slots[e] < -1 || slots[e] >= a.gate.shape[0]) {
      return absl::InvalidArgumentError(absl::StrCat("moe_experts: slots[", e, "] is ", slots[e],
                                                     ", there are ", a.gate.shape[0]));
    }
  }
  return ForEach(host, rows, [&](int64_t t) -> absl::Status {
    const int32_t* ids = I32At(a.ids, t);  // (used)
    // (expert, weight) in ascending order of expert, whatever order they were given in.
    std::vector<std::pair<int32_t, float>> chosen;
    for (int64_t i = 0; i < used; ++i) {
      if (ids[i] < 0 || ids[i] >= experts) {
        return absl::InvalidArgumentError(absl::StrCat("moe_experts: ids[", t, ", ", i, "] is ",
                                                       ids[i], ", there are ", experts));
      }
      if (slots[ids[i]] >= 0) chosen.emplace_back(ids[i], F32At(a.weights, t)[i]);
    }
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const auto& x, const auto& y) { return x.first < y.first; });
    const float* in = F32At(a.in, t);                                        // (width)
    std::vector<float> weight(static_cast<size_t>(std::max(width, inner)));  // one row
    std::vector<float> hidden(static_cast<size_t>(inner));
    std::vector<double> sum(static_cast<size_t>(width));
    for (const auto& [expert, gain] : chosen) {
      const int64_t s = slots[expert];
      const auto dot = [&](const rsn_tensor& w, int64_t row, const float* x, int64_t n) {
        DequantizeRow(static_cast<DType>(w.dtype), RowAt(w, s, row), static_cast<size_t>(n),
                      weight.data());
        return Dot(weight.data(), x, n);
      };
      for (int64_t i = 0; i < inner; ++i) {
        const double gate = dot(a.gate, i, in, width);
        const double up = dot(a.up, i, in, width);
        hidden[static_cast<size_t>(i)] = static_cast<float>(gate / (1.0 + std::exp(-gate)) * up);
      }
      for (int64_t o = 0; o < width; ++o) {
        sum[static_cast<size_t>(o)] += gain * dot(a.down, o, hidden.data(), inner);
      }
    }
    float* out = F32At(a.out, t);  // (width)
    for (int64_t o = 0; o < width; ++o) {
      out[o] = static_cast<float>(sum[static_cast<size_t>(o)] + (a.accumulate != 0 ? out[o] : 0.0));
    }
    return absl::OkStatus();
  });
}

}  // namespace raison::reference
