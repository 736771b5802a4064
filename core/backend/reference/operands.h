// Visits the views of every operation: to ask whether each buffer is ours, or to put buffers in.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "raison/backend.h"

namespace raison::reference {

// For each operation f(rsn_tensor&), of a const struct f(const rsn_tensor&).
#define RSN_OPERANDS(Args, ...)                \
  template <typename F>                        \
  void Operands(Args& a, const F& f) {         \
    for (auto* t : {__VA_ARGS__}) f(*t);       \
  }                                            \
  template <typename F>                        \
  void Operands(const Args& a, const F& f) {   \
    for (const auto* t : {__VA_ARGS__}) f(*t); \
  }
#define RSN_RAGGED_OPERANDS(g) &g.row_begin, &g.kv_length, &g.page_begin, &g.pages
RSN_OPERANDS(rsn_embed, &a.table, &a.tokens, &a.out)
RSN_OPERANDS(rsn_gather_rows, &a.in, &a.index, &a.out)
RSN_OPERANDS(rsn_rms_norm, &a.in, &a.weight, &a.out)
RSN_OPERANDS(rsn_matmul_term, &a.weight, &a.bias, &a.out)
RSN_OPERANDS(rsn_rope_table, &a.positions, &a.frequencies, &a.out)
RSN_OPERANDS(rsn_rope, &a.table, &a.x)
RSN_OPERANDS(rsn_kv_write, &a.in, &a.slots, &a.cache)
RSN_OPERANDS(rsn_kv_copy_page, &a.cache, &a.from, &a.to)
RSN_OPERANDS(rsn_attention, &a.q, &a.k_cache, &a.v_cache, &a.out, RSN_RAGGED_OPERANDS(a.ragged))
RSN_OPERANDS(rsn_mla_attention, &a.q_nope, &a.q_rope, &a.w_k, &a.w_v, &a.cache, &a.out,
             RSN_RAGGED_OPERANDS(a.ragged))
RSN_OPERANDS(rsn_silu_mul, &a.gate, &a.up, &a.out)
RSN_OPERANDS(rsn_moe_route, &a.logits, &a.bias, &a.ids, &a.weights)
RSN_OPERANDS(rsn_moe_experts, &a.in, &a.ids, &a.weights, &a.slots, &a.gate, &a.up, &a.down, &a.out)
RSN_OPERANDS(rsn_reduce_logits, &a.logits, &a.adjust_begin, &a.adjust_id, &a.adjust_divisor,
             &a.adjust_add, &a.records, &a.ids, &a.values, &a.raw)
#undef RSN_RAGGED_OPERANDS
#undef RSN_OPERANDS

template <typename F>
void Operands(rsn_matmul& a, const F& f) {
  f(a.in);
  for (uint32_t j = 0; j < a.terms && j < 4; ++j) Operands(a.term[j], f);
}
template <typename F>
void Operands(const rsn_matmul& a, const F& f) {
  f(a.in);
  for (uint32_t j = 0; j < a.terms && j < 4; ++j) Operands(a.term[j], f);
}

}  // namespace raison::reference
