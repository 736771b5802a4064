#include "core/backend/cpu/attention.h"

#include <algorithm>
#include <cstring>

#include "core/backend/cpu/ops.h"

namespace raison::cpu {

absl::StatusOr<Sequences> Sequences::Read(const Context& context, const rsn_ragged& g, int64_t rows,
                                          int64_t key_pages) {
  const int64_t count = g.kv_length.shape[0];
  auto* one = context.scratch.Take<One>(count);
  const int32_t* begin = I32At(g.row_begin);  // (count + 1)
  if (begin[0] != 0 || begin[count] != rows) {
    return absl::InvalidArgumentError(absl::StrCat("attention: row_begin covers ", begin[0], " to ",
                                                   begin[count], " of ", rows, " rows"));
  }
  for (int64_t s = 0; s < count; ++s) {
    const int64_t length = I32At(g.kv_length)[s], first = I32At(g.page_begin)[s];
    const int64_t n = int64_t{begin[s + 1]} - begin[s];
    const int64_t pages = (length + g.page_tokens - 1) / g.page_tokens;
    if (n < 0 || begin[s] < 0 || length < n || first < 0 || first + pages > g.pages.shape[0]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "attention: sequence ", s, " has ", n, " rows, ", length, " keys, pages from ", first));
    }
    one[s] = {begin[s], n, length, I32At(g.pages) + first};
    if (n == 0) continue;
    for (int64_t p = 0; p < pages; ++p) {
      if (one[s].pages[p] < 0 || one[s].pages[p] >= key_pages) {
        return absl::InvalidArgumentError(absl::StrCat("attention: page ", p, " of sequence ", s,
                                                       " is ", one[s].pages[p]));
      }
    }
  }
  return Sequences{one, count};
}

CacheType CacheTypeOf(uint32_t dtype) {
  return dtype == RSN_DTYPE_F32   ? CacheType::kF32
         : dtype == RSN_DTYPE_F16 ? CacheType::kF16
                                  : CacheType::kBF16;
}

namespace {

// A tile of rows of one sequence for one key head, and the key blocks [block, block_end).
struct Task {
  const Sequences::One* sequence;
  int64_t head;
  int64_t row;  // of the step
  int64_t rows;
  int64_t head_begin, head_end;  // within the group
  int64_t block, block_end;
  int64_t partial;  // where the blocks' results go, or -1: merged at once into out
};

struct Worker {
  float* scores;  // (kMostQueries, kKeyBlock)
  float* packed;  // (key width, 32)
  float* value;   // (kMostQueries, value width)
};

class Attention {
 public:
  Attention(const Context& context, const AttentionProblem& p)
      : context_(context),
        p_(p),
        heads_(p.keys.shape[1] * p.group),
        key_width_(p.keys.shape[3]),
        value_width_(p.values.shape[3]) {}

  absl::Status Run(const Sequences& sequences) {
    PlanTasks(sequences);
    workers_ = context_.scratch.Take<Worker>(context_.threads());
    for (uint32_t i = 0; i < context_.threads(); ++i) {
      workers_[i] = {.scores = context_.scratch.Take<float>(kMostQueries * kKeyBlock),
                     .packed = context_.scratch.Take<float>(key_width_ * 32),
                     .value = context_.scratch.Take<float>(kMostQueries * value_width_)};
    }
    partial_ = context_.scratch.Take<float>(partials_ * (value_width_ + 2));
    RSN_RETURN_IF_ERROR(context_.ForEach(
        count_, [&](int64_t i, uint32_t worker) { RunTask(tasks_[i], workers_[worker]); }));
    if (partials_ == 0) return absl::OkStatus();
    return MergePartials();
  }

 private:
  void PlanTasks(const Sequences& sequences) {
    int64_t most = 0;
    const int64_t tile = std::max<int64_t>(1, kMostQueries / p_.group);
    const int64_t head_step = std::min(p_.group, kMostQueries);
    const int64_t head_parts = (p_.group + head_step - 1) / head_step;
    for (int64_t s = 0; s < sequences.count; ++s) {
      const Sequences::One& one = sequences.one[s];
      const int64_t rows = std::min(one.first_row + one.rows, p_.first_row + p_.rows) -
                           std::max(one.first_row, p_.first_row);
      if (rows <= 0) continue;
      const int64_t parts = rows <= kFewRows ? one.length / (kKeyBlock * kBlocksPerTask) + 2 : 1;
      most += ((rows + tile - 1) / tile) * p_.keys.shape[1] * head_parts * parts;
    }
    tasks_ = context_.scratch.Take<Task>(most);
    for (int64_t s = 0; s < sequences.count; ++s) {
      const Sequences::One& one = sequences.one[s];
      const int64_t begin = std::max(one.first_row, p_.first_row);
      const int64_t end = std::min(one.first_row + one.rows, p_.first_row + p_.rows);
      // Few rows against many keys: the keys are shared out, too.
      const bool split = end - begin <= kFewRows;
      for (int64_t row = begin; row < end; row += tile) {
        const int64_t rows = std::min(tile, end - row);
        const int64_t blocks = one.Position(row + rows - 1) / kKeyBlock + 1;
        const int64_t step = split ? kBlocksPerTask : blocks;
        for (int64_t head = 0; head < p_.keys.shape[1]; ++head) {
          for (int64_t h = 0; h < p_.group; h += head_step) {
            const int64_t h_end = std::min(p_.group, h + head_step);
            for (int64_t b = 0; b < blocks; b += step) {
              Task& task = tasks_[count_++];
              task = {&one, head, row, rows, h, h_end, b, std::min(blocks, b + step), -1};
              if (step < blocks) {
                task.partial = partials_;
                partials_ += rows * (h_end - h) * (task.block_end - b);
              }
            }
          }
        }
      }
    }
  }

  float* Out(const Task& task, int64_t row, int64_t h) const {
    return p_.out + (row - p_.first_row) * p_.out_row + (task.head * p_.group + h) * p_.out_head;
  }

  void RunTask(const Task& task, const Worker& w) const {
    const int64_t group = task.head_end - task.head_begin;
    const int queries = static_cast<int>(task.rows * group);
    const float* q[kMostQueries];
    float* value[kMostQueries];
    float maximum[kMostQueries], sum[kMostQueries];          // of the block
    float maximum_all[kMostQueries], sum_all[kMostQueries];  // merged so far
    int visible[kMostQueries];
    const uint8_t* key_rows[kKeyBlock];
    const uint8_t* value_rows[kKeyBlock];
    for (int i = 0; i < queries; ++i) {
      const int64_t row = task.row + i / group, h = task.head_begin + i % group;
      q[i] = p_.q + ((row - p_.first_row) * heads_ + task.head * p_.group + h) * key_width_;
    }
    const int64_t last = task.sequence->Position(task.row + task.rows - 1);
    for (int64_t b = task.block; b < task.block_end; ++b) {
      const int64_t first = b * kKeyBlock;
      const int keys = static_cast<int>(std::min<int64_t>(kKeyBlock, last + 1 - first));
      for (int j = 0; j < keys; ++j) {
        const int64_t page = task.sequence->pages[(first + j) / p_.page_tokens];
        const int64_t at = (first + j) % p_.page_tokens;
        key_rows[j] = RowAt(p_.keys, page, task.head, at);
        value_rows[j] = RowAt(p_.values, page, task.head, at);
      }
      const bool direct = task.partial < 0 && b == 0;
      for (int i = 0; i < queries; ++i) {
        const int64_t row = task.row + i / group;
        visible[i] = static_cast<int>(std::clamp<int64_t>(
            task.sequence->Position(row) + 1 - first, 0, keys));
        if (task.partial >= 0) {
          value[i] = Partial(task, i, b);
        } else if (direct) {
          value[i] = Out(task, row, task.head_begin + i % group);
        } else {
          value[i] = w.value + i * value_width_;
        }
      }
      context_.kernels().attend({.type = CacheTypeOf(p_.keys.dtype),
                                 .keys = keys,
                                 .key_width = static_cast<int>(key_width_),
                                 .value_width = static_cast<int>(value_width_),
                                 .queries = queries,
                                 .key_rows = key_rows,
                                 .value_rows = value_rows,
                                 .q = q,
                                 .visible = visible,
                                 .scores = w.scores,
                                 .packed = w.packed,
                                 .maximum = direct ? maximum_all : maximum,
                                 .sum = direct ? sum_all : sum,
                                 .value = value});
      for (int i = 0; i < queries; ++i) {
        if (task.partial >= 0) {
          value[i][value_width_] = maximum[i];
          value[i][value_width_ + 1] = visible[i] > 0 ? sum[i] : 0;
        } else if (!direct && visible[i] > 0) {
          const int64_t row = task.row + i / group;
          context_.kernels().merge(maximum_all + i, sum_all + i,
                                   Out(task, row, task.head_begin + i % group), maximum[i], sum[i],
                                   value[i], static_cast<int>(value_width_));
        }
      }
    }
    if (task.partial >= 0) return;
    for (int i = 0; i < queries; ++i) {
      float* out = Out(task, task.row + i / group, task.head_begin + i % group);
      context_.kernels().scale(out, 1.0f / sum_all[i], out, value_width_);
    }
  }

  // The results of a task lie query by query, block by block: value, maximum, sum.
  float* Partial(const Task& task, int64_t query, int64_t block) const {
    const int64_t blocks = task.block_end - task.block;
    return partial_ + (task.partial + query * blocks + block - task.block) * (value_width_ + 2);
  }

  // Tasks of one tile follow each other in the order of their blocks.
  absl::Status MergePartials() {
    auto* tiles = context_.scratch.Take<int64_t>(count_);
    int64_t n = 0;
    for (int64_t i = 0; i < count_; ++i) {
      if (tasks_[i].partial >= 0 && tasks_[i].block == 0) tiles[n++] = i;
    }
    return context_.ForEach(n, [&](int64_t index, uint32_t) {
      const Task& first = tasks_[tiles[index]];
      const int64_t group = first.head_end - first.head_begin;
      for (int64_t i = 0; i < first.rows * group; ++i) {
        float* out = Out(first, first.row + i / group, first.head_begin + i % group);
        float maximum = 0, sum = 0;
        for (const Task* t = &first;; ++t) {
          for (int64_t b = t->block; b < t->block_end; ++b) {
            const float* v = Partial(*t, i, b);
            const float m = v[value_width_], s = v[value_width_ + 1];
            if (b == 0) {
              std::memcpy(out, v, static_cast<size_t>(value_width_) * 4);
              maximum = m, sum = s;
            } else if (s != 0) {  // 0: the row sees no key of this block
              context_.kernels().merge(&maximum, &sum, out, m, s, v,
                                       static_cast<int>(value_width_));
            }
          }
          if (t + 1 == tasks_ + count_ || t[1].partial < 0 || t[1].block == 0) break;
        }
        context_.kernels().scale(out, 1.0f / sum, out, value_width_);
      }
    });
  }

  static constexpr int64_t kBlocksPerTask = 2;
  static constexpr int64_t kFewRows = 16;

  const Context& context_;
  const AttentionProblem& p_;
  const int64_t heads_;
  const int64_t key_width_;
  const int64_t value_width_;
  Task* tasks_ = nullptr;
  int64_t count_ = 0;
  Worker* workers_ = nullptr;
  float* partial_ = nullptr;  // (partials, value width + 2)
  int64_t partials_ = 0;
};

}  // namespace

absl::Status Attend(const Context& context, const Sequences& sequences,
                    const AttentionProblem& problem) {
  return Attention(context, problem).Run(sequences);
}

absl::Status Run(const Context& context, const rsn_attention& a) {
  const int64_t rows = a.q.shape[0], heads = a.q.shape[1], width = a.q.shape[2];
  if (rows == 0 || heads == 0) return absl::OkStatus();
  RSN_ASSIGN_OR_RETURN(const Sequences sequences,
                       Sequences::Read(context, a.ragged, rows, a.k_cache.shape[0]));
  auto* q = context.scratch.Take<float>(rows * heads * width);
  RSN_RETURN_IF_ERROR(context.ForRange(
      rows, 16384 / (heads * width) + 1, [&](int64_t begin, int64_t end, uint32_t) {
        for (int64_t t = begin; t < end; ++t) {
          for (int64_t h = 0; h < heads; ++h) {
            context.kernels().scale(F32At(a.q, t, h), a.scale, q + (t * heads + h) * width, width);
          }
        }
      }));
  return Attend(context, sequences,
                {.keys = a.k_cache,
                 .values = a.v_cache,
                 .page_tokens = a.ragged.page_tokens,
                 .group = heads / a.k_cache.shape[1],
                 .first_row = 0,
                 .rows = rows,
                 .q = q,
                 .out = F32At(a.out),
                 .out_row = a.out.stride[0] / 4,
                 .out_head = a.out.stride[1] / 4});
}

}  // namespace raison::cpu
