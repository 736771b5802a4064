// The operations of the table as types: number, name and entry of each argument struct.
#pragma once

#include "raison/backend.h"

namespace raison {

template <typename Args>
struct Op;

#define RSN_OP_OF(Args, field, number)                  \
  template <>                                           \
  struct Op<Args> {                                     \
    static constexpr auto kField = &rsn_backend::field; \
    static constexpr uint32_t kNumber = number;         \
    static constexpr const char* kName = #field;        \
  };
RSN_OP_OF(rsn_embed, embed, RSN_OP_EMBED)
RSN_OP_OF(rsn_gather_rows, gather_rows, RSN_OP_GATHER_ROWS)
RSN_OP_OF(rsn_rms_norm, rms_norm, RSN_OP_RMS_NORM)
RSN_OP_OF(rsn_matmul, matmul, RSN_OP_MATMUL)
RSN_OP_OF(rsn_rope_table, rope_table, RSN_OP_ROPE_TABLE)
RSN_OP_OF(rsn_rope, rope, RSN_OP_ROPE)
RSN_OP_OF(rsn_kv_write, kv_write, RSN_OP_KV_WRITE)
RSN_OP_OF(rsn_kv_copy_page, kv_copy_page, RSN_OP_KV_COPY_PAGE)
RSN_OP_OF(rsn_attention, attention, RSN_OP_ATTENTION)
RSN_OP_OF(rsn_mla_attention, mla_attention, RSN_OP_MLA_ATTENTION)
RSN_OP_OF(rsn_silu_mul, silu_mul, RSN_OP_SILU_MUL)
RSN_OP_OF(rsn_moe_route, moe_route, RSN_OP_MOE_ROUTE)
RSN_OP_OF(rsn_moe_experts, moe_experts, RSN_OP_MOE_EXPERTS)
RSN_OP_OF(rsn_reduce_logits, reduce_logits, RSN_OP_REDUCE_LOGITS)
#undef RSN_OP_OF

}  // namespace raison
