// reduce_logits: sums over the raw row, adjustments, and the best candidates. Rows are cut into
// chunks; a chunk gives its sums and its best, and the chunks' bests compete again. Sums are f64,
// added in the order of the chunks; candidates are unique 64-bit keys (value, then lower id), so
// that every order of comparisons gives the same list.
#include "core/backend/cuda/launch.h"
#include "core/backend/cuda/ops.h"

namespace raison::cuda {
namespace {

using Key = unsigned long long;

constexpr int kThreads = 256;
constexpr int kSorted = 4096;        // keys that one block sorts: 32 KiB of shared memory
constexpr int kMostByChunks = 2048;  // a chunk must leave at most half of its keys
constexpr Key kNoKey = ~Key{0};

// Sums of e^(z - largest), and of e^(z - largest) (z - largest).
struct Sums {
  double sum, weighted;
  float largest;
  int bad;  // a NaN or +inf was seen
};

struct LogitArgs {
  View logits, adjust_begin, adjust_id, adjust_divisor, adjust_add;
  View records, ids, values, raw;
  int64_t rows, vocabulary, capacity, chunks;
  int count;            // candidates per row
  float* adjusted;      // (rows, vocabulary): only of rows that have adjustments
  int* owner;           // (rows, vocabulary): the first adjustment of an id
  int* uses;            // (rows, vocabulary): how many it has
  Sums* raw_sums;       // (rows, chunks)
  Sums* adjusted_sums;  // (rows, chunks)
  Fault* fault;
};

// The adjustments of row t; none where the step buffer is wrong.
__device__ bool Adjustments(const LogitArgs& a, int64_t t, int& begin, int& end) {
  begin = At<int>(a.adjust_begin)[t];
  end = At<int>(a.adjust_begin)[t + 1];
  if (begin < 0 || end < begin || end > a.capacity) {
    Report(a.fault, FaultKind::kAdjustBegin, t, begin < 0 || end < begin ? begin : end, a.capacity);
    return false;
  }
  return end > begin;
}
__device__ const float* AdjustedRow(const LogitArgs& a, int64_t t) {
  int begin, end;
  return Adjustments(a, t, begin, end) ? a.adjusted + t * a.vocabulary : At<float>(a.logits, t);
}

__device__ void SumChunk(const float* z, int64_t count, Sums* to) {
  __shared__ double sums[kThreads / kWarp];
  __shared__ float maxima[kThreads / kWarp];
  float largest = -Infinity();
  int bad = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    bad |= !(z[i] < Infinity());
    largest = fmaxf(largest, z[i]);
  }
  largest = BlockMax(largest, maxima);
  double sum = 0, weighted = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    const float d = z[i] - largest;
    const float e = largest == -Infinity() ? 0.0f : expf(d);
    sum += static_cast<double>(e);
    if (e != 0) weighted += static_cast<double>(e) * static_cast<double>(d);
  }
  sum = BlockSum(sum, sums);
  weighted = BlockSum(weighted, sums);
  const double any = BlockSum(static_cast<double>(bad), sums);
  if (threadIdx.x == 0) *to = {sum, weighted, largest, any != 0};
}

// Grid: (chunks, rows).
__global__ void RawSumsKernel(LogitArgs a) {
  const int64_t t = blockIdx.y, first = static_cast<int64_t>(blockIdx.x) * kSorted;
  const int64_t left = a.vocabulary - first;
  const float* z = At<float>(a.logits, t) + first;
  SumChunk(z, left < kSorted ? left : kSorted, &a.raw_sums[t * a.chunks + blockIdx.x]);
  int begin, end;
  if (!Adjustments(a, t, begin, end)) return;
  float* to = a.adjusted + t * a.vocabulary + first;
  for (int64_t i = threadIdx.x; i < left && i < kSorted; i += kThreads) to[i] = z[i];
}

// One block per row. An id that is listed several times is taken through its list in order.
__global__ void AdjustKernel(LogitArgs a) {
  const int64_t t = blockIdx.x;
  int begin, end;
  if (!Adjustments(a, t, begin, end)) return;
  const int* ids = At<int>(a.adjust_id);
  const float* divisors = At<float>(a.adjust_divisor);
  const float* adds = At<float>(a.adjust_add);
  int* owner = a.owner + t * a.vocabulary;
  int* uses = a.uses + t * a.vocabulary;
  float* z = a.adjusted + t * a.vocabulary;
  const int first = begin + static_cast<int>(threadIdx.x);
  for (int i = first; i < end; i += kThreads) {
    if (!InRange(a.fault, FaultKind::kAdjustId, i, ids[i], a.vocabulary)) continue;
    owner[ids[i]] = end;
    uses[ids[i]] = 0;
  }
  __syncthreads();
  for (int i = first; i < end; i += kThreads) {
    if (ids[i] < 0 || ids[i] >= a.vocabulary) continue;
    atomicMin(&owner[ids[i]], i);
    atomicAdd(&uses[ids[i]], 1);
  }
  __syncthreads();
  for (int i = first; i < end; i += kThreads) {
    const int id = ids[i];
    if (id < 0 || id >= a.vocabulary || owner[id] != i) continue;
    float x = z[id];
    int left = uses[id];
    for (int j = i; left > 0; ++j) {
      if (ids[j] != id) continue;
      x = (x > 0 ? x / divisors[j] : x * divisors[j]) + adds[j];
      --left;
    }
    z[id] = x;
  }
}

__global__ void AdjustedSumsKernel(LogitArgs a) {
  const int64_t t = blockIdx.y, first = static_cast<int64_t>(blockIdx.x) * kSorted;
  int begin, end;
  if (!Adjustments(a, t, begin, end)) return;
  const int64_t left = a.vocabulary - first;
  SumChunk(a.adjusted + t * a.vocabulary + first, left < kSorted ? left : kSorted,
           &a.adjusted_sums[t * a.chunks + blockIdx.x]);
}

// Ascending keys are descending values; a NaN ranks with -inf, -0 with 0.
__device__ Key KeyOf(float z, int64_t id) {
  if (z != z) z = -Infinity();
  unsigned bits = __float_as_uint(z == 0.0f ? 0.0f : z);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<Key>(~bits) << 32 | static_cast<Key>(id);
}
__device__ int64_t IdOf(Key key) { return static_cast<int64_t>(key & 0xffffffffu); }

__device__ void SortShared(Key* keys, int size) {  // size: a power of two
  for (int run = 2; run <= size; run *= 2) {
    for (int gap = run / 2; gap > 0; gap /= 2) {
      __syncthreads();
      for (int n = static_cast<int>(threadIdx.x); n < size / 2; n += kThreads) {
        const int low = n / gap * 2 * gap + n % gap, high = low + gap;
        const bool up = (low & run) == 0;
        if ((keys[low] > keys[high]) == up) {
          const Key other = keys[low];
          keys[low] = keys[high];
          keys[high] = other;
        }
      }
    }
  }
  __syncthreads();
}

struct BestArgs {
  const Key* from;  // (rows, count_in); nullptr: the logits themselves
  Key* to;          // (rows, gridDim.x * keep)
  int64_t count_in;
  int keep, size;   // size: the power of two that is sorted
};
// Grid: (chunks, rows). Each chunk's first `keep` keys.
__global__ void BestKernel(LogitArgs a, BestArgs b) {
  Key* const keys = reinterpret_cast<Key*>(DynamicShared());
  const int64_t t = blockIdx.y, first = static_cast<int64_t>(blockIdx.x) * b.size;
  const float* z = AdjustedRow(a, t);
  for (int i = static_cast<int>(threadIdx.x); i < b.size; i += kThreads) {
    const int64_t at = first + i;
    keys[i] = at >= b.count_in      ? kNoKey
              : b.from != nullptr ? b.from[t * b.count_in + at]
                                    : KeyOf(z[at], at);
  }
  SortShared(keys, b.size);
  Key* to = b.to + (t * gridDim.x + blockIdx.x) * b.keep;
  for (int i = static_cast<int>(threadIdx.x); i < b.keep; i += kThreads) {
    to[i] = i < b.size ? keys[i] : kNoKey;
  }
}

// The whole row is wanted: one step of a bitonic sort in global memory per launch.
struct WholeArgs {
  Key* keys;  // (rows, size)
  int64_t size, run, gap;
};
__global__ void WholeKeysKernel(LogitArgs a, WholeArgs w) {
  const int64_t t = blockIdx.y;
  const float* z = AdjustedRow(a, t);
  for (int64_t i = GlobalThread(); i < w.size; i += GlobalThreads()) {
    w.keys[t * w.size + i] = i < a.vocabulary ? KeyOf(z[i], i) : kNoKey;
  }
}
__global__ void WholeStepKernel(WholeArgs w) {
  Key* keys = w.keys + blockIdx.y * w.size;
  for (int64_t n = GlobalThread(); n < w.size / 2; n += GlobalThreads()) {
    const int64_t low = n / w.gap * 2 * w.gap + n % w.gap, high = low + w.gap;
    const bool up = (low & w.run) == 0;
    const Key x = keys[low], y = keys[high];
    if ((x > y) == up) {
      keys[low] = y;
      keys[high] = x;
    }
  }
}

__device__ Sums AddChunks(const Sums* chunks, int64_t count) {
  Sums all{0, 0, -Infinity(), 0};
  for (int64_t c = 0; c < count; ++c) {
    all.bad |= chunks[c].bad;
    all.largest = fmaxf(all.largest, chunks[c].largest);
  }
  for (int64_t c = 0; c < count; ++c) {
    if (chunks[c].sum == 0) continue;
    const double below =
        static_cast<double>(chunks[c].largest) - static_cast<double>(all.largest);
    const double factor = exp(below);
    if (factor == 0) continue;
    all.sum += factor * chunks[c].sum;
    all.weighted += factor * (chunks[c].weighted + below * chunks[c].sum);
  }
  return all;
}
__device__ float LogOf(const Sums& s) {
  if (s.bad != 0) return QuietNaN();
  if (s.largest == -Infinity()) return s.largest;
  return static_cast<float>(static_cast<double>(s.largest) + log(s.sum));
}

// One block per row. stride: keys per row of the sorted list.
__global__ void RecordKernel(LogitArgs a, const Key* keys, int64_t stride) {
  const int64_t t = blockIdx.x;
  const float* raw = At<float>(a.logits, t);
  const float* z = AdjustedRow(a, t);
  for (int i = static_cast<int>(threadIdx.x); i < a.count; i += kThreads) {
    const int64_t id = IdOf(keys[t * stride + i]);
    At<int>(a.ids, t)[i] = static_cast<int>(id);
    At<float>(a.values, t)[i] = z[id];
    At<float>(a.raw, t)[i] = raw[id];
  }
  if (threadIdx.x != 0) return;
  const Sums sums = AddChunks(a.raw_sums + t * a.chunks, a.chunks);
  rsn_logit_record record{};
  record.flags = sums.bad != 0 ? 1 : 0;
  record.logsumexp = LogOf(sums);
  if (sums.bad != 0) {
    record.entropy = QuietNaN();
  } else if (sums.sum != 0) {
    record.entropy = static_cast<float>(log(sums.sum) - sums.weighted / sums.sum);
  }
  int begin, end;
  record.adjusted_logsumexp =
      Adjustments(a, t, begin, end) ? LogOf(AddChunks(a.adjusted_sums + t * a.chunks, a.chunks))
                                    : record.logsumexp;
  record.count = static_cast<uint32_t>(a.count);
  *At<rsn_logit_record>(a.records, t) = record;
}

int PowerOfTwo(int64_t least, int64_t begin) {
  int64_t size = begin;
  while (size < least) size *= 2;
  return static_cast<int>(size);
}

}  // namespace

void Run(Context& c, const rsn_reduce_logits& a) {
  const int64_t rows = a.logits.shape[0], n = a.logits.shape[1];
  if (rows == 0) return;
  LogitArgs k{.logits = ViewOf(a.logits),
              .adjust_begin = ViewOf(a.adjust_begin),
              .adjust_id = ViewOf(a.adjust_id),
              .adjust_divisor = ViewOf(a.adjust_divisor),
              .adjust_add = ViewOf(a.adjust_add),
              .records = ViewOf(a.records),
              .ids = ViewOf(a.ids),
              .values = ViewOf(a.values),
              .raw = ViewOf(a.raw),
              .rows = rows,
              .vocabulary = n,
              .capacity = a.adjust_id.shape[0],
              .chunks = DivideUp(n, kSorted),
              .count = static_cast<int>(a.top < n ? a.top : n),
              .adjusted = nullptr,
              .owner = nullptr,
              .uses = nullptr,
              .raw_sums = nullptr,
              .adjusted_sums = nullptr,
              .fault = c.fault};
  k.raw_sums = c.Take<Sums>(rows * k.chunks);
  k.adjusted_sums = c.Take<Sums>(rows * k.chunks);
  k.adjusted = c.Take<float>(rows * n);
  if (k.capacity > 0) {
    k.owner = c.Take<int>(rows * n);
    k.uses = c.Take<int>(rows * n);
  }
  const Grid chunks{.x = k.chunks, .y = rows, .threads = kThreads};
  Launch(c, chunks, RawSumsKernel, k);
  if (k.capacity > 0) {
    Launch(c, {.x = rows, .threads = kThreads}, AdjustKernel, k);
    Launch(c, chunks, AdjustedSumsKernel, k);
  }
  const Key* best = nullptr;
  int64_t stride = 1;
  if (k.count > 0 && k.count <= (n <= kSorted ? kSorted : kMostByChunks)) {
    BestArgs b{.from = nullptr, .to = nullptr, .count_in = n, .keep = k.count, .size = 0};
    for (int64_t now = k.chunks;; now = DivideUp(b.count_in, kSorted)) {
      b.size = now == 1 ? PowerOfTwo(b.count_in, 2) : kSorted;
      b.to = c.Take<Key>(rows * now * b.keep);
      Launch(c,
             {.x = now,
              .y = rows,
              .threads = kThreads,
              .shared = static_cast<size_t>(b.size) * sizeof(Key)},
             BestKernel, k, b);
      best = b.from = b.to;
      b.count_in = now * b.keep;
      if (now == 1) break;
    }
    stride = k.count;
  } else if (k.count > 0) {
    WholeArgs w{.keys = nullptr, .size = PowerOfTwo(n, kSorted), .run = 0, .gap = 0};
    w.keys = c.Take<Key>(rows * w.size);
    const Grid grid{.x = Blocks(w.size / 2, kThreads), .y = rows, .threads = kThreads};
    Launch(c, grid, WholeKeysKernel, k, w);
    for (w.run = 2; w.run <= w.size; w.run *= 2) {
      for (w.gap = w.run / 2; w.gap > 0; w.gap /= 2) Launch(c, grid, WholeStepKernel, w);
    }
    best = w.keys;
    stride = w.size;
  }
  Launch(c, {.x = rows, .threads = kThreads}, RecordKernel, k, best, stride);
}

}  // namespace raison::cuda
