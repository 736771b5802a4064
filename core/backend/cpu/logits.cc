// reduce_logits: sums over the raw row, adjustments, and the best candidates.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/backend/cpu/ops.h"

namespace raison::cpu {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Candidate {
  float rank;  // the logit; NaN ranks last
  int32_t id;
};

// Better: larger, then the lower id.
bool Better(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.id < b.id;
}

// A heap whose root is the worst of the best `top` so far; ids come in ascending order, so an equal
// value never replaces the root.
uint32_t Best(const float* z, int64_t n, int64_t top, Candidate* heap) {
  int64_t size = 0;
  for (int64_t i = 0; i < n && size < top; ++i) {
    heap[size++] = {std::isnan(z[i]) ? kNever : z[i], static_cast<int32_t>(i)};
  }
  std::make_heap(heap, heap + size, Better);
  if (size > 0) {
    for (int64_t i = size; i < n; ++i) {
      if (!(z[i] > heap[0].rank)) continue;
      std::pop_heap(heap, heap + size, Better);
      heap[size - 1] = {z[i], static_cast<int32_t>(i)};
      std::push_heap(heap, heap + size, Better);
    }
  }
  std::sort(heap, heap + size, Better);
  return static_cast<uint32_t>(size);
}

struct Saved {
  int32_t id;
  float raw;
};

struct Worker {
  Candidate* heap;  // (top)
  Saved* saved;     // (adjustments)
};

double LogSum(const LogitSums& s) {
  return s.maximum == -std::numeric_limits<double>::infinity() ? s.maximum
                                                               : s.maximum + std::log(s.sum);
}

void ReduceRow(const Context& context, const rsn_reduce_logits& a, int64_t t, const Worker& w) {
  const int64_t n = a.logits.shape[1];
  float* z = F32At(a.logits, t);  // (vocabulary)
  rsn_logit_record record{};
  const LogitSums raw = context.kernels().logit_sums(z, n);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  record.flags = raw.bad ? 1u : 0u;
  record.logsumexp = raw.bad ? nan : static_cast<float>(LogSum(raw));
  record.entropy = raw.bad || raw.sum == 0
                       ? (raw.bad ? nan : 0.0f)
                       : static_cast<float>(std::log(raw.sum) - raw.weighted / raw.sum);

  const int32_t begin = I32At(a.adjust_begin)[t], end = I32At(a.adjust_begin)[t + 1];
  const int32_t* ids = I32At(a.adjust_id);
  const float* divisors = F32At(a.adjust_divisor);
  const float* adds = F32At(a.adjust_add);
  for (int32_t i = begin; i < end; ++i) {
    float& x = z[ids[i]];
    w.saved[i - begin] = {ids[i], x};
    x = (x > 0 ? x / divisors[i] : x * divisors[i]) + adds[i];
  }
  // Of an id that is listed twice the first entry holds the raw value.
  Saved* const saved_end = w.saved + (end - begin);
  std::stable_sort(w.saved, saved_end, [](const Saved& x, const Saved& y) { return x.id < y.id; });
  if (begin == end) {
    record.adjusted_logsumexp = record.logsumexp;
  } else {
    const LogitSums adjusted = context.kernels().logit_sums(z, n);
    record.adjusted_logsumexp = adjusted.bad ? nan : static_cast<float>(LogSum(adjusted));
  }
  record.count = Best(z, n, std::min<int64_t>(a.top, n), w.heap);
  int32_t* out_ids = I32At(a.ids, t);    // (top)
  float* values = F32At(a.values, t);    // (top)
  float* raws = F32At(a.raw, t);         // (top)
  for (uint32_t i = 0; i < record.count; ++i) {
    const int32_t id = w.heap[i].id;
    out_ids[i] = id;
    values[i] = z[id];
    raws[i] = z[id];
    const Saved* found = std::lower_bound(
        w.saved, saved_end, id, [](const Saved& s, int32_t wanted) { return s.id < wanted; });
    if (found != saved_end && found->id == id) raws[i] = found->raw;
  }
  // The row stays raw for its host; of a repeated id the first entry, the raw value, is written last.
  for (Saved* s = saved_end; s != w.saved;) {
    --s;
    z[s->id] = s->raw;
  }
  std::memcpy(F32At(a.records, t), &record, sizeof record);
}

}  // namespace

absl::Status Run(const Context& context, const rsn_reduce_logits& a) {
  const int64_t rows = a.logits.shape[0], n = a.logits.shape[1], capacity = a.adjust_id.shape[0];
  const int32_t* begin = I32At(a.adjust_begin);  // (rows + 1)
  int64_t most = 0;
  for (int64_t t = 0; t < rows; ++t) {
    if (begin[t] < 0 || begin[t] > begin[t + 1] || begin[t + 1] > capacity) {
      return absl::InvalidArgumentError(absl::StrCat("reduce_logits: row ", t, " has adjustments ",
                                                     begin[t], " to ", begin[t + 1], " of ",
                                                     capacity));
    }
    most = std::max<int64_t>(most, begin[t + 1] - begin[t]);
    for (int32_t i = begin[t]; i < begin[t + 1]; ++i) {
      if (const int32_t id = I32At(a.adjust_id)[i]; id < 0 || id >= n) {
        return absl::InvalidArgumentError(
            absl::StrCat("reduce_logits: adjust_id[", i, "] is ", id, " of ", n));
      }
    }
  }
  const int64_t top = std::min<int64_t>(a.top, n);
  auto* workers = context.scratch.Take<Worker>(context.threads());
  for (uint32_t i = 0; i < context.threads(); ++i) {
    workers[i] = {.heap = context.scratch.Take<Candidate>(top),
                  .saved = context.scratch.Take<Saved>(most)};
  }
  return context.ForEach(rows, [&](int64_t t, uint32_t worker) {
    ReduceRow(context, a, t, workers[worker]);
  });
}

}  // namespace raison::cpu
