// Every operation of the table as dispatches. Refuse says what the shaders cannot do (sizes beyond
// 32 bits, very wide heads); Encode enqueues an operation whose description was checked.
#pragma once

#include "core/backend/vulkan/queue.h"
#include "raison/backend.h"

namespace raison::vulkan {

#define RSN_VULKAN_OP(Args)           \
  absl::Status Refuse(const Args& a); \
  absl::Status Encode(Queue& queue, const Args& a);
RSN_VULKAN_OP(rsn_embed)
RSN_VULKAN_OP(rsn_gather_rows)
RSN_VULKAN_OP(rsn_rms_norm)
RSN_VULKAN_OP(rsn_matmul)
RSN_VULKAN_OP(rsn_rope_table)
RSN_VULKAN_OP(rsn_rope)
RSN_VULKAN_OP(rsn_kv_write)
RSN_VULKAN_OP(rsn_kv_copy_page)
RSN_VULKAN_OP(rsn_attention)
RSN_VULKAN_OP(rsn_mla_attention)
RSN_VULKAN_OP(rsn_silu_mul)
RSN_VULKAN_OP(rsn_moe_route)
RSN_VULKAN_OP(rsn_moe_experts)
RSN_VULKAN_OP(rsn_reduce_logits)
#undef RSN_VULKAN_OP

// Of an operation known by its number; the description was checked.
absl::Status RefuseNumbered(uint32_t op, const void* args);

}  // namespace raison::vulkan
