// Visits the views of every operation, so that each buffer can be asked whether it is ours.
#pragma once

#include "raison/backend.h"

namespace raison::far {

template <typename F>
void Operands(const rsn_ragged& a, const F& f) {
  for (const auto* t : {&a.row_begin, &a.kv_length, &a.page_begin, &a.pages}) f(*t);
}
template <typename F>
void Operands(const rsn_embed& a, const F& f) {
  for (const auto* t : {&a.table, &a.tokens, &a.out}) f(*t);
}
template <typename F>
void Operands(const rsn_gather_rows& a, const F& f) {
  for (const auto* t : {&a.in, &a.index, &a.out}) f(*t);
}
template <typename F>
void Operands(const rsn_rms_norm& a, const F& f) {
  for (const auto* t : {&a.in, &a.weight, &a.out}) f(*t);
}
template <typename F>
void Operands(const rsn_matmul& a, const F& f) {
  f(a.in);
  for (uint32_t j = 0; j < a.terms && j < 4; ++j) {
    for (const auto* t : {&a.term[j].weight, &a.term[j].bias, &a.term[j].out}) f(*t);
  }
}
template <typename F>
void Operands(const rsn_rope_table& a, const F& f) {
  for (const auto* t : {&a.positions, &a.frequencies, &a.out}) f(*t);
}
template <typename F>
void Operands(const rsn_rope& a, const F& f) {
  for (const auto* t : {&a.table, &a.x}) f(*t);
}
template <typename F>
void Operands(const rsn_kv_write& a, const F& f) {
  for (const auto* t : {&a.in, &a.slots, &a.cache}) f(*t);
}
template <typename F>
void Operands(const rsn_kv_copy_page& a, const F& f) {
  for (const auto* t : {&a.cache, &a.from, &a.to}) f(*t);
}
template <typename F>
void Operands(const rsn_attention& a, const F& f) {
  for (const auto* t : {&a.q, &a.k_cache, &a.v_cache, &a.out}) f(*t);
  Operands(a.ragged, f);
}
template <typename F>
void Operands(const rsn_mla_attention& a, const F& f) {
  for (const auto* t : {&a.q_nope, &a.q_rope, &a.w_k, &a.w_v, &a.cache, &a.out}) f(*t);
  Operands(a.ragged, f);
}
template <typename F>
void Operands(const rsn_silu_mul& a, const F& f) {
  for (const auto* t : {&a.gate, &a.up, &a.out}) f(*t);
}
template <typename F>
void Operands(const rsn_moe_route& a, const F& f) {
  for (const auto* t : {&a.logits, &a.bias, &a.ids, &a.weights}) f(*t);
}
template <typename F>
void Operands(const rsn_moe_experts& a, const F& f) {
  for (const auto* t : {&a.in, &a.ids, &a.weights, &a.slots, &a.gate, &a.up, &a.down, &a.out}) {
    f(*t);
  }
}
template <typename F>
void Operands(const rsn_reduce_logits& a, const F& f) {
  for (const auto* t : {&a.logits, &a.adjust_begin, &a.adjust_id, &a.adjust_divisor, &a.adjust_add,
                        &a.records, &a.ids, &a.values, &a.raw}) {
    f(*t);
  }
}

}  // namespace raison::far
