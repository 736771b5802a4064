// Latent attention in expanded form. A task is one head and some rows of a sequence: it walks the
// keys block by block, expands each block into the worker's scratch and lets its rows attend to it,
// so that memory does not grow with the context and expansion is shared by up to 512 rows.
#include <algorithm>
#include <span>

#include "core/backend/cpu/matmul.h"
#include "core/backend/cpu/mla.h"
#include "core/backend/cpu/ops.h"

namespace raison::cpu {
namespace {

constexpr int64_t kMostRows = 512;    // of a task: a prompt's chunk
constexpr int64_t kLeastRows = 128;   // below, expansion costs more than idle threads
constexpr int64_t kExpandKeys = 64;   // latent rows widened at a time: they stay in the cache

// One head's matrix as groups of 16 output columns: panel[(g * in + i) * 16 + r] = column 16 g + r.
struct Panels {
  float* data;
  int64_t in;
  int64_t out;
  int64_t groups() const { return (out + kGroupRows - 1) / kGroupRows; }
  int64_t size() const { return groups() * in * kGroupRows; }
};

// Rows of one sequence, by their numbers in the step.
struct Part {
  const Sequences::One* sequence;
  int64_t begin, end;
};

struct Worker {
  int64_t head = -1;  // whose panels these are
  Panels to_key;      // latent -> nope
  Panels to_value;    // latent -> value
  float* decoded;     // (16, the wider of nope and latent)
  uint8_t* blocks;    // one row's blocks
  float* latent;      // (kExpandKeys, latent)
  float* sums;        // (kMostTokens, 16)
  float* keys;        // (kKeyBlock, nope + rope)
  float* values;      // (kKeyBlock, value)
  float* queries;     // (kMostRows, nope + rope), scale included
  float* maximum;     // (kMostRows)
  float* sum;         // (kMostRows)
  float* scores;      // (kMostQueries, kKeyBlock)
  float* packed;      // (nope + rope, 32)
  float* partial;     // (kMostQueries, value)
};

class Expanded {
 public:
  Expanded(const Context& context, const rsn_mla_attention& a)
      : context_(context),
        a_(a),
        heads_(a.q_nope.shape[1]),
        nope_(a.q_nope.shape[2]),
        rope_(a.q_rope.shape[2]),
        latent_(a.w_k.shape[1]),
        value_(a.w_v.shape[1]),
        width_(nope_ + rope_) {}

  absl::Status Run(std::span<const Sequences::One* const> sequences) {
    int64_t rows = kMostRows;
    while (rows > kLeastRows && heads_ * CountParts(sequences, rows) < context_.threads()) rows /= 2;
    const int64_t count = CountParts(sequences, rows);
    auto* parts = context_.scratch.Take<Part>(count);
    int64_t n = 0;
    for (const Sequences::One* s : sequences) {
      const int64_t end = s->first_row + s->rows;
      for (int64_t row = s->first_row; row < end; row += rows) {
        parts[n++] = {s, row, std::min(row + rows, end)};
      }
    }
    auto* workers = context_.scratch.Take<Worker>(context_.threads());
    for (uint32_t i = 0; i < context_.threads(); ++i) workers[i] = NewWorker();
    // Head by head: a worker's next task often finds its head's panels.
    return context_.ForEach(heads_ * count, [&](int64_t task, uint32_t worker) {
      RunTask(task / count, parts[task % count], workers[worker]);
    });
  }

 private:
  static int64_t CountParts(std::span<const Sequences::One* const> sequences, int64_t rows) {
    int64_t n = 0;
    for (const Sequences::One* s : sequences) n += (s->rows + rows - 1) / rows;
    return n;
  }

  Worker NewWorker() const {
    Scratch& s = context_.scratch;
    Worker w;
    w.to_key = {nullptr, latent_, nope_};
    w.to_value = {nullptr, latent_, value_};
    w.to_key.data = s.Take<float>(w.to_key.size());
    w.to_value.data = s.Take<float>(w.to_value.size());
    w.decoded = s.Take<float>(kGroupRows * std::max(nope_, latent_));
    w.blocks = s.Take<uint8_t>(4 * std::max(nope_, latent_));
    w.latent = s.Take<float>(kExpandKeys * latent_);
    w.sums = s.Take<float>(kMostTokens * kGroupRows);
    w.keys = s.Take<float>(kKeyBlock * width_);
    w.values = s.Take<float>(kKeyBlock * value_);
    w.queries = s.Take<float>(kMostRows * width_);
    w.maximum = s.Take<float>(kMostRows);
    w.sum = s.Take<float>(kMostRows);
    w.scores = s.Take<float>(kMostQueries * kKeyBlock);
    w.packed = s.Take<float>(width_ * 32);
    w.partial = s.Take<float>(kMostQueries * value_);
    return w;
  }

  void RunTask(int64_t head, const Part& part, Worker& w) const {
    if (w.head != head) FillPanels(head, w);
    for (int64_t row = part.begin; row < part.end; ++row) {
      float* q = w.queries + (row - part.begin) * width_;
      context_.kernels().scale(F32At(a_.q_nope, row, head), a_.scale, q, nope_);
      context_.kernels().scale(F32At(a_.q_rope, row, head), a_.scale, q + nope_, rope_);
    }
    const int64_t visible = part.sequence->Position(part.end - 1) + 1;
    for (int64_t first = 0; first < visible; first += kKeyBlock) {
      Expand(*part.sequence, first, std::min<int64_t>(kKeyBlock, visible - first), w);
      for (int64_t row = part.begin; row < part.end; row += kMostQueries) {
        const int64_t rows = std::min(kMostQueries, part.end - row);
        if (part.sequence->Position(row + rows - 1) < first) continue;  // sees nothing of the block
        Attend({.head = head, .row = row, .rows = rows, .first = first}, part, w);
      }
    }
    for (int64_t row = part.begin; row < part.end; ++row) {
      float* out = F32At(a_.out, row, head);
      context_.kernels().scale(out, 1.0f / w.sum[row - part.begin], out, value_);
    }
  }

  // w_k (latent, nope) has the columns of `to_key` side by side, w_v (value, latent) has those of
  // `to_value` as rows.
  void FillPanels(int64_t head, Worker& w) const {
    const Matrix k = Matrix::Of(a_.w_k, head);
    for (int64_t g = 0; g < k.groups(); ++g) {
      DecodeGroup(k, g, w.blocks, w.decoded);
      const int64_t rows = std::min<int64_t>(kGroupRows, latent_ - g * kGroupRows);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t p = 0; p < w.to_key.groups(); ++p) {
          float* to = w.to_key.data + (p * latent_ + g * kGroupRows + r) * kGroupRows;
          const float* from = w.decoded + r * nope_ + p * kGroupRows;
          const int64_t n = std::min<int64_t>(kGroupRows, nope_ - p * kGroupRows);
          std::copy(from, from + n, to);
          std::fill(to + n, to + kGroupRows, 0.0f);
        }
      }
    }
    const Matrix v = Matrix::Of(a_.w_v, head);
    const uint8_t* rows[kGroupRows];
    for (int r = 0; r < kGroupRows; ++r) {
      rows[r] = reinterpret_cast<const uint8_t*>(w.decoded + r * latent_);
    }
    for (int64_t g = 0; g < v.groups(); ++g) {
      DecodeGroup(v, g, w.blocks, w.decoded);
      context_.kernels().interleave4(
          rows, latent_, reinterpret_cast<uint8_t*>(w.to_value.data + g * latent_ * kGroupRows));
    }
    w.head = head;
  }

  // The keys [first, first + n) of the sequence into w.keys and w.values.
  void Expand(const Sequences::One& sequence, int64_t first, int64_t n, const Worker& w) const {
    const CacheType type = CacheTypeOf(a_.cache.dtype);
    const int64_t rope_at = latent_ * (type == CacheType::kF32 ? 4 : 2);
    for (int64_t done = 0; done < n; done += kExpandKeys) {
      const int64_t now = std::min(kExpandKeys, n - done);
      const void* latent[kExpandKeys];
      for (int64_t i = 0; i < now; ++i) {
        const int64_t key = first + done + i;
        const uint8_t* row = RowAt(a_.cache, sequence.pages[key / a_.ragged.page_tokens], 0,
                                   key % a_.ragged.page_tokens);
        latent[i] = w.latent + i * latent_;
        context_.kernels().widen(type, row, w.latent + i * latent_, latent_);
        context_.kernels().widen(type, row + rope_at, w.keys + (done + i) * width_ + nope_, rope_);
      }
      Multiply(w.to_key, latent, now, w.sums, w.keys + done * width_, width_);
      Multiply(w.to_value, latent, now, w.sums, w.values + done * value_, value_);
    }
  }

  void Multiply(const Panels& m, const void* const* in, int64_t rows, float* sums, float* out,
                int64_t out_row) const {
    const auto dots = context_.kernels().dots[RSN_DTYPE_F32];
    for (int64_t g = 0; g < m.groups(); ++g) {
      const int64_t columns = std::min<int64_t>(kGroupRows, m.out - g * kGroupRows);
      const auto* panel = reinterpret_cast<const uint8_t*>(m.data + g * m.in * kGroupRows);
      for (int64_t t = 0; t < rows; t += kMostTokens) {
        const int n = static_cast<int>(std::min<int64_t>(kMostTokens, rows - t));
        std::fill(sums, sums + n * kGroupRows, 0.0f);
        dots(panel, m.in, in + t, n, sums);
        for (int i = 0; i < n; ++i) {
          std::copy(sums + i * kGroupRows, sums + i * kGroupRows + columns,
                    out + (t + i) * out_row + g * kGroupRows);
        }
      }
    }
  }

  // Some rows of a part against the block of keys at `first`, which lies expanded in `w`.
  struct Tile {
    int64_t head, row, rows, first;
  };
  void Attend(const Tile& t, const Part& part, const Worker& w) const {
    const Sequences::One& sequence = *part.sequence;
    const int64_t seen = sequence.Position(t.row + t.rows - 1) + 1 - t.first;
    const int keys = static_cast<int>(std::min<int64_t>(kKeyBlock, seen));
    const uint8_t* key_rows[kKeyBlock];
    const uint8_t* value_rows[kKeyBlock];
    for (int j = 0; j < keys; ++j) {
      key_rows[j] = reinterpret_cast<const uint8_t*>(w.keys + j * width_);
      value_rows[j] = reinterpret_cast<const uint8_t*>(w.values + j * value_);
    }
    const float* q[kMostQueries];
    float* value[kMostQueries];
    int visible[kMostQueries];
    float maximum[kMostQueries], sum[kMostQueries];
    for (int64_t i = 0; i < t.rows; ++i) {
      q[i] = w.queries + (t.row - part.begin + i) * width_;
      value[i] = t.first == 0 ? F32At(a_.out, t.row + i, t.head) : w.partial + i * value_;
      visible[i] = static_cast<int>(
          std::clamp<int64_t>(sequence.Position(t.row + i) + 1 - t.first, 0, keys));
    }
    float* maximum_all = w.maximum + (t.row - part.begin);
    float* sum_all = w.sum + (t.row - part.begin);
    context_.kernels().attend({.type = CacheType::kF32,
                               .keys = keys,
                               .key_width = static_cast<int>(width_),
                               .value_width = static_cast<int>(value_),
                               .queries = static_cast<int>(t.rows),
                               .key_rows = key_rows,
                               .value_rows = value_rows,
                               .q = q,
                               .visible = visible,
                               .scores = w.scores,
                               .packed = w.packed,
                               .maximum = t.first == 0 ? maximum_all : maximum,
                               .sum = t.first == 0 ? sum_all : sum,
                               .value = value});
    if (t.first == 0) return;
    for (int64_t i = 0; i < t.rows; ++i) {
      if (visible[i] == 0) continue;
      context_.kernels().merge(maximum_all + i, sum_all + i, F32At(a_.out, t.row + i, t.head),
                               maximum[i], sum[i], value[i], static_cast<int>(value_));
    }
  }

  const Context& context_;
  const rsn_mla_attention& a_;
  const int64_t heads_, nope_, rope_, latent_, value_;
  const int64_t width_;  // of an expanded key
};

}  // namespace

absl::Status AttendExpanded(const Context& context,
                            std::span<const Sequences::One* const> sequences,
                            const rsn_mla_attention& a) {
  if (sequences.empty()) return absl::OkStatus();
  return Expanded(context, a).Run(sequences);
}

}  // namespace raison::cpu
