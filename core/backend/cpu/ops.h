// The operations of the CPU back end. Check refuses a description that cannot work (with memory:
// also one that leaves its buffer); Run trusts a checked description, but not the contents of the
// step buffer: numbers from there are compared with their ranges before use.
#pragma once

#include "core/backend/cpu/state.h"
#include "core/base/status.h"

namespace raison::cpu {

enum class CheckLevel { kShapes, kMemory };

#define RSN_CPU_OPS(X)                                                                          \
  X(embed) X(gather_rows) X(rms_norm) X(matmul) X(rope_table) X(rope) X(kv_write)               \
  X(kv_copy_page) X(attention) X(mla_attention) X(silu_mul) X(moe_route) X(moe_experts)         \
  X(reduce_logits)

#define RSN_CPU_DECLARE(op)                                      \
  absl::Status Check(const rsn_##op& args, CheckLevel level);    \
  absl::Status Run(const Context& context, const rsn_##op& args);
RSN_CPU_OPS(RSN_CPU_DECLARE)
#undef RSN_CPU_DECLARE

// The description given to rsn_backend.weight.
absl::Status CheckWeight(const rsn_tensor& t, uint64_t size);

}  // namespace raison::cpu
