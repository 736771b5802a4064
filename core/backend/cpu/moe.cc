// Mixture of experts: the choice, and the chosen experts' feed-forward nets. All experts of a pass
// run in two parallel regions (gate and up with the activation; down), tokens sorted by expert; the
// results are added in ascending order of expert.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/backend/cpu/matmul.h"
#include "core/backend/cpu/ops.h"

namespace raison::cpu {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

float Rank(float v) { return std::isnan(v) ? kNever : v; }

// Marks the `count` best of n values: larger first, then the lower index.
void MarkBest(const float* values, int64_t n, int64_t count, bool* chosen) {
  std::fill(chosen, chosen + n, false);
  for (int64_t i = 0; i < count; ++i) {
    int64_t best = -1;
    for (int64_t e = 0; e < n; ++e) {
      if (!chosen[e] && (best < 0 || Rank(values[e]) > Rank(values[best]))) best = e;
    }
    chosen[best] = true;
  }
}

void Scores(const float* logits, int64_t n, bool sigmoid, float* scores) {
  if (sigmoid) {
    for (int64_t e = 0; e < n; ++e) {
      scores[e] = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logits[e]))));
    }
    return;
  }
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t e = 0; e < n; ++e) largest = std::max(largest, static_cast<double>(logits[e]));
  double sum = 0;
  for (int64_t e = 0; e < n; ++e) sum += std::exp(logits[e] - largest);
  for (int64_t e = 0; e < n; ++e) {
    scores[e] = static_cast<float>(std::exp(logits[e] - largest) / sum);
  }
}

struct RouteScratch {
  float* scores;  // (experts)
  float* choice;  // (experts)
  float* groups;  // (groups)
  bool* chosen;   // (max of both)
};

void RouteRow(const rsn_moe_route& a, int64_t t, const RouteScratch& s) {
  const int64_t experts = a.logits.shape[1], used = a.ids.shape[1];
  Scores(F32At(a.logits, t), experts, a.scoring == 1, s.scores);
  const float* bias = a.bias.buffer != nullptr ? F32At(a.bias) : nullptr;  // (experts)
  for (int64_t e = 0; e < experts; ++e) {
    s.choice[e] = bias != nullptr ? s.scores[e] + bias[e] : s.scores[e];
  }
  if (a.groups > 1) {
    const int64_t members = experts / a.groups;
    for (int64_t g = 0; g < a.groups; ++g) {
      float first = kNever, second = kNever;
      for (int64_t e = g * members; e < (g + 1) * members; ++e) {
        const float v = Rank(s.choice[e]);
        if (v > first) {
          second = first;
          first = v;
        } else if (v > second) {
          second = v;
        }
      }
      s.groups[g] = a.group_rule == 0 ? first : first + second;
    }
    MarkBest(s.groups, a.groups, a.groups_used, s.chosen);
    for (int64_t e = 0; e < experts; ++e) {
      if (!s.chosen[e / members]) s.choice[e] = a.masked_are_zero != 0 ? 0.0f : kNever;
    }
  }
  MarkBest(s.choice, experts, used, s.chosen);
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e) sum += s.chosen[e] ? s.scores[e] : 0.0f;
  const double divisor = a.normalize != 0 ? sum + 1e-20 : 1.0;
  int32_t* ids = I32At(a.ids, t);        // (used)
  float* weights = F32At(a.weights, t);  // (used)
  for (int64_t e = 0, i = 0; e < experts; ++e) {
    if (!s.chosen[e]) continue;
    ids[i] = static_cast<int32_t>(e);
    weights[i++] = static_cast<float>(s.scores[e] / divisor * a.scale);
  }
}

}  // namespace

absl::Status Run(const Context& context, const rsn_moe_route& a) {
  const int64_t experts = a.logits.shape[1];
  auto* scratch = context.scratch.Take<RouteScratch>(context.threads());
  for (uint32_t i = 0; i < context.threads(); ++i) {
    scratch[i] = {.scores = context.scratch.Take<float>(experts),
                  .choice = context.scratch.Take<float>(experts),
                  .groups = context.scratch.Take<float>(a.groups),
                  .chosen = context.scratch.Take<bool>(std::max<int64_t>(experts, a.groups))};
  }
  return context.ForRange(a.logits.shape[0], 4, [&](int64_t begin, int64_t end, uint32_t worker) {
    for (int64_t t = begin; t < end; ++t) RouteRow(a, t, scratch[worker]);
  });
}

namespace {

// One (token, expert) pair that is computed here.
struct Pair {
  int64_t token;
  int64_t place;  // in the token's list
};

// A run of groups of one expert.
struct Job {
  int64_t slot;
  int64_t group, end;
};

class Experts {
 public:
  Experts(const Context& context, const rsn_moe_experts& a)
      : context_(context),
        a_(a),
        rows_(a.in.shape[0]),
        used_(a.ids.shape[1]),
        width_(a.in.shape[1]),
        stacked_(a.gate.shape[0]),
        inner_(a.gate.shape[1]) {}

  absl::Status Run() {
    RSN_RETURN_IF_ERROR(Sort());
    scratch_ = TakeGroupScratch(context_);
    if (pairs_ > 0) {
      RSN_RETURN_IF_ERROR(GateUp());
      RSN_RETURN_IF_ERROR(Down());
    }
    return Add();
  }

 private:
  // Counting sort of the pairs by slot; order_[t, i]: the places of token t by ascending expert.
  absl::Status Sort() {
    const int32_t* slots = I32At(a_.slots);  // (experts)
    const int64_t experts = a_.slots.shape[0];
    begin_ = context_.scratch.Take<int64_t>(stacked_ + 1);
    sorted_ = context_.scratch.Take<Pair>(rows_ * used_);
    at_ = context_.scratch.Take<int64_t>(rows_ * used_);
    order_ = context_.scratch.Take<int32_t>(rows_ * used_);
    std::fill(begin_, begin_ + stacked_ + 1, 0);
    for (int64_t t = 0; t < rows_; ++t) {
      const int32_t* ids = I32At(a_.ids, t);
      int32_t* order = order_ + t * used_;
      for (int64_t i = 0; i < used_; ++i) {
        if (ids[i] < 0 || ids[i] >= experts) {
          return absl::InvalidArgumentError(absl::StrCat("moe_experts: ids[", t, ", ", i, "] is ",
                                                         ids[i], " of ", experts, " experts"));
        }
        const int32_t slot = slots[ids[i]];
        if (slot < -1 || slot >= stacked_) {
          return absl::InvalidArgumentError(absl::StrCat("moe_experts: slots[", ids[i], "] is ",
                                                         slot, " of ", stacked_));
        }
        if (slot >= 0) ++begin_[slot + 1];
        int64_t j = i;
        for (; j > 0 && ids[order[j - 1]] > ids[i]; --j) order[j] = order[j - 1];
        order[j] = static_cast<int32_t>(i);
      }
    }
    for (int64_t s = 0; s < stacked_; ++s) begin_[s + 1] += begin_[s];
    pairs_ = begin_[stacked_];
    auto* next = context_.scratch.Take<int64_t>(stacked_);
    std::copy(begin_, begin_ + stacked_, next);
    for (int64_t t = 0; t < rows_; ++t) {
      const int32_t* ids = I32At(a_.ids, t);
      for (int64_t i = 0; i < used_; ++i) {
        const int32_t slot = slots[ids[i]];
        int64_t& at = at_[t * used_ + i];
        at = -1;
        if (slot < 0) continue;
        at = next[slot]++;
        sorted_[at] = {t, i};
      }
    }
    return absl::OkStatus();
  }

  int64_t Tokens(int64_t slot) const { return begin_[slot + 1] - begin_[slot]; }

  // Jobs over the rows of all experts that have tokens, in multiples of `unit` groups.
  int64_t Plan(int64_t groups, int64_t unit, Job** jobs) const {
    int64_t active = 0;
    for (int64_t s = 0; s < stacked_; ++s) active += Tokens(s) > 0;
    constexpr int64_t kJobsPerThread = 8;
    const int64_t wanted = active * groups / (context_.threads() * kJobsPerThread);
    constexpr int64_t kMostGroups = 24;
    const int64_t grain = std::clamp(wanted / unit * unit, unit, kMostGroups / unit * unit);
    *jobs = context_.scratch.Take<Job>(active * ((groups + grain - 1) / grain));
    int64_t count = 0;
    for (int64_t s = 0; s < stacked_; ++s) {
      if (Tokens(s) == 0) continue;
      for (int64_t g = 0; g < groups; g += grain) {
        (*jobs)[count++] = {s, g, std::min(groups, g + grain)};
      }
    }
    return count;
  }

  // hidden[p] = silu(gate x) * (up x), quantised at once where `down` wants that.
  absl::Status GateUp() {
    const bool gate_q = QuantizesActivations(a_.gate.dtype);
    const bool up_q = QuantizesActivations(a_.up.dtype);
    Activations acts[2];
    for (int q = 0; q < 2; ++q) {
      if (gate_q != (q == 1) && up_q != (q == 1)) continue;
      RSN_ASSIGN_OR_RETURN(acts[q],
                           Activations::Make(context_, rows_, width_, q == 1,
                                             [&](int64_t t) { return F32At(a_.in, t); }));
    }
    const void** x[2];
    for (int q = 0; q < 2; ++q) {
      x[q] = context_.scratch.Take<const void*>(pairs_);
      if (gate_q != (q == 1) && up_q != (q == 1)) continue;
      for (int64_t p = 0; p < pairs_; ++p) x[q][p] = *acts[q].row(sorted_[p].token);
    }
    down_q_ = QuantizesActivations(a_.down.dtype);
    hidden_ = context_.scratch.Take<const void*>(pairs_);
    const int64_t blocks = inner_ / 32;
    auto* quantized = context_.scratch.Take<ActBlock>(down_q_ ? pairs_ * blocks : 0);
    auto* plain = context_.scratch.Take<float>(down_q_ ? 0 : pairs_ * inner_);
    for (int64_t p = 0; p < pairs_; ++p) {
      hidden_[p] = down_q_ ? static_cast<const void*>(quantized + p * blocks) : plain + p * inner_;
    }
    auto* up_sums = context_.scratch.Take<float>(context_.threads() * kTokenBlock * kGroupRows);
    auto* pieces = context_.scratch.Take<float>(context_.threads() * kTokenBlock * kGroupRows * 2);
    Job* jobs;
    // Two groups are 32 rows: one block of the quantised product.
    const int64_t groups = (inner_ + kGroupRows - 1) / kGroupRows;
    const int64_t count = Plan(groups, 2, &jobs);
    return context_.ForEach(count, [&](int64_t index, uint32_t worker) {
      const Job& job = jobs[index];
      const Matrix gate = Matrix::Of(a_.gate, job.slot), up = Matrix::Of(a_.up, job.slot);
      GroupScratch second = scratch_[worker];
      second.sums = up_sums + worker * kTokenBlock * kGroupRows;
      float* piece = pieces + worker * kTokenBlock * kGroupRows * 2;  // (tokens, 32)
      for (int64_t p0 = begin_[job.slot]; p0 < begin_[job.slot + 1]; p0 += kTokenBlock) {
        const int64_t n = std::min(kTokenBlock, begin_[job.slot + 1] - p0);
        for (int64_t g = job.group; g < job.end; ++g) {
          MultiplyGroup(context_.kernels(), gate, g, x[gate_q] + p0, n, scratch_[worker]);
          MultiplyGroup(context_.kernels(), up, g, x[up_q] + p0, n, second);
          const int64_t have = std::min<int64_t>(kGroupRows, inner_ - g * kGroupRows);
          context_.kernels().silu_mul(scratch_[worker].sums, second.sums, second.sums,
                                      n * kGroupRows);
          for (int64_t t = 0; t < n; ++t) {
            const float* from = second.sums + t * kGroupRows;
            float* to = down_q_ ? piece + t * 32 + g % 2 * kGroupRows
                                : plain + (p0 + t) * inner_ + g * kGroupRows;
            std::copy(from, from + have, to);
          }
          if (!down_q_ || g % 2 == 0) continue;
          for (int64_t t = 0; t < n; ++t) {
            context_.kernels().quantize(piece + t * 32, 32, quantized + (p0 + t) * blocks + g / 2);
          }
        }
      }
    });
  }

  // results[p] = down hidden[p]
  absl::Status Down() {
    results_ = context_.scratch.Take<float>(pairs_ * width_);
    Job* jobs;
    const int64_t groups = (width_ + kGroupRows - 1) / kGroupRows;
    const int64_t count = Plan(groups, 1, &jobs);
    return context_.ForEach(count, [&](int64_t index, uint32_t worker) {
      const Job& job = jobs[index];
      const Matrix down = Matrix::Of(a_.down, job.slot);
      const float* sums = scratch_[worker].sums;
      for (int64_t p0 = begin_[job.slot]; p0 < begin_[job.slot + 1]; p0 += kTokenBlock) {
        const int64_t n = std::min(kTokenBlock, begin_[job.slot + 1] - p0);
        for (int64_t g = job.group; g < job.end; ++g) {
          MultiplyGroup(context_.kernels(), down, g, hidden_ + p0, n, scratch_[worker]);
          const int64_t have = std::min<int64_t>(kGroupRows, width_ - g * kGroupRows);
          for (int64_t t = 0; t < n; ++t) {
            std::copy(sums + t * kGroupRows, sums + t * kGroupRows + have,
                      results_ + (p0 + t) * width_ + g * kGroupRows);
          }
        }
      }
    });
  }

  absl::Status Add() const {
    return context_.ForRange(rows_, 8, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t t = begin; t < end; ++t) {
        float* out = F32At(a_.out, t);  // (width)
        const float* weights = F32At(a_.weights, t);
        if (a_.accumulate == 0) std::memset(out, 0, static_cast<size_t>(width_) * sizeof(float));
        for (int64_t i = 0; i < used_; ++i) {
          const int32_t place = order_[t * used_ + i];
          const int64_t at = at_[t * used_ + place];
          if (at < 0) continue;
          context_.kernels().add_scaled(results_ + at * width_, weights[place], out, width_);
        }
      }
    });
  }

  const Context& context_;
  const rsn_moe_experts& a_;
  const int64_t rows_, used_, width_, stacked_, inner_;
  int64_t pairs_ = 0;
  int64_t* begin_ = nullptr;         // (stacked + 1): first sorted pair of each slot
  Pair* sorted_ = nullptr;           // (pairs)
  int64_t* at_ = nullptr;            // (rows, used): index of the sorted pair, or -1
  int32_t* order_ = nullptr;         // (rows, used): places by ascending expert
  GroupScratch* scratch_ = nullptr;  // (threads)
  bool down_q_ = false;
  const void** hidden_ = nullptr;  // (pairs)
  float* results_ = nullptr;       // (pairs, width)
};

}  // namespace

absl::Status Run(const Context& context, const rsn_moe_experts& a) {
  if (a.in.shape[0] == 0 || a.in.shape[1] == 0) return absl::OkStatus();
  return Experts(context, a).Run();
}

}  // namespace raison::cpu
