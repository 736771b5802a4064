// Causal attention over the paged cache, shared by `attention` and `mla_attention`: query vectors of
// one key head against blocks of 256 keys, merged in ascending order.
#pragma once

#include "core/backend/cpu/state.h"

namespace raison::cpu {

// The step's geometry, read once and checked.
struct Sequences {
  struct One {
    int64_t first_row;
    int64_t rows;
    int64_t length;  // keys visible to the last row
    const int32_t* pages;

    // Of row `row` of the step.
    int64_t Position(int64_t row) const { return length - (first_row + rows - row); }
  };
  const One* one;  // (count)
  int64_t count;

  // key_pages: pages of the cache.
  static absl::StatusOr<Sequences> Read(const Context& context, const rsn_ragged& ragged,
                                        int64_t rows, int64_t key_pages);
};

// How the kernels read a cache of this type.
CacheType CacheTypeOf(uint32_t dtype);

// Queries of one call of the kernel: rows times heads of the group.
inline constexpr int64_t kMostQueries = 64;

struct AttentionProblem {
  rsn_tensor keys;    // (pages, kv_heads, page_tokens, key width)
  rsn_tensor values;  // (pages, kv_heads, page_tokens, value width); may be the keys' first columns
  int64_t page_tokens;
  int64_t group;        // query heads per key head
  int64_t first_row;    // of the step, of q's and out's row 0
  int64_t rows;
  const float* q;       // (rows, kv_heads * group, key width), scale included
  float* out;           // (rows, kv_heads * group, ...)
  int64_t out_row;      // floats between rows of out
  int64_t out_head;     // floats between heads of out
};

// The rows [first_row, first_row + rows) of one sequence, or of several whole ones.
absl::Status Attend(const Context& context, const Sequences& sequences,
                    const AttentionProblem& problem);

}  // namespace raison::cpu
