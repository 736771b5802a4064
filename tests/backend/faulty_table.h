// The right table under the faulty one, and its entry for each operation's arguments.
#pragma once

#include "absl/types/span.h"
#include "raison/backend.h"
#include "tests/backend/faulty.h"

namespace raison::testing {

const rsn_backend& Right();
// The host that a device of the faulty back end was opened with.
const rsn_backend_host& HostOf(rsn_device_state* device);

absl::Span<const Fault> OperationFaults();

#define RSN_FAULTY_CALL(Args, field) \
  inline int32_t Call(rsn_queue* queue, const Args& args) { return Right().field(queue, &args); }
RSN_FAULTY_CALL(rsn_embed, embed)
RSN_FAULTY_CALL(rsn_gather_rows, gather_rows)
RSN_FAULTY_CALL(rsn_rms_norm, rms_norm)
RSN_FAULTY_CALL(rsn_matmul, matmul)
RSN_FAULTY_CALL(rsn_rope_table, rope_table)
RSN_FAULTY_CALL(rsn_rope, rope)
RSN_FAULTY_CALL(rsn_kv_write, kv_write)
RSN_FAULTY_CALL(rsn_kv_copy_page, kv_copy_page)
RSN_FAULTY_CALL(rsn_attention, attention)
RSN_FAULTY_CALL(rsn_mla_attention, mla_attention)
RSN_FAULTY_CALL(rsn_silu_mul, silu_mul)
RSN_FAULTY_CALL(rsn_moe_route, moe_route)
RSN_FAULTY_CALL(rsn_moe_experts, moe_experts)
RSN_FAULTY_CALL(rsn_reduce_logits, reduce_logits)
#undef RSN_FAULTY_CALL

}  // namespace raison::testing
