// Every operation of the table twice: Check (is this description legal, are the views inside their
// buffers) and Run (the definition, executed now on host memory). Indices that lie in memory
// (tokens, slots, pages, experts) are checked by Run while it reads them.
#pragma once

#include <variant>

#include "core/base/status.h"
#include "raison/backend.h"

namespace raison::reference {

using AnyOp =
    std::variant<rsn_embed, rsn_gather_rows, rsn_rms_norm, rsn_matmul, rsn_rope_table, rsn_rope,
                 rsn_kv_write, rsn_kv_copy_page, rsn_attention, rsn_mla_attention, rsn_silu_mul,
                 rsn_moe_route, rsn_moe_experts, rsn_reduce_logits>;

// kShapes: buffers may be NULL (for `supports`). kBuffers: each view must lie inside its buffer.
enum class CheckLevel { kShapes, kBuffers };

#define RSN_REFERENCE_OP(Args)                         \
  absl::Status Check(const Args& a, CheckLevel level); \
  absl::Status Run(const Args& a, const rsn_backend_host& host);
RSN_REFERENCE_OP(rsn_embed)
RSN_REFERENCE_OP(rsn_gather_rows)
RSN_REFERENCE_OP(rsn_rms_norm)
RSN_REFERENCE_OP(rsn_matmul)
RSN_REFERENCE_OP(rsn_rope_table)
RSN_REFERENCE_OP(rsn_rope)
RSN_REFERENCE_OP(rsn_kv_write)
RSN_REFERENCE_OP(rsn_kv_copy_page)
RSN_REFERENCE_OP(rsn_attention)
RSN_REFERENCE_OP(rsn_mla_attention)
RSN_REFERENCE_OP(rsn_silu_mul)
RSN_REFERENCE_OP(rsn_moe_route)
RSN_REFERENCE_OP(rsn_moe_experts)
RSN_REFERENCE_OP(rsn_reduce_logits)
#undef RSN_REFERENCE_OP

// Check and Run for an operation known by its number (RSN_OP_*).
absl::Status CheckNumbered(uint32_t op, const void* args, CheckLevel level);
inline absl::Status RunAny(const AnyOp& op, const rsn_backend_host& host) {
  return std::visit([&](const auto& a) { return Run(a, host); }, op);
}

// The bytes of one logical weight or table: dense, plain layout, at most `size` bytes.
absl::Status CheckWeight(const rsn_tensor& description, uint64_t size);
// The same where `size` bytes are given, which repeat: how many bytes all of it has.
absl::StatusOr<uint64_t> CheckRepeatedWeight(const rsn_tensor& description, uint64_t size);

// Copies the prefix that both sides know; the rest is zero.
template <typename Args>
absl::Status CopyArgs(const void* from, Args& to);

}  // namespace raison::reference

#include <algorithm>
#include <cstring>

template <typename Args>
absl::Status raison::reference::CopyArgs(const void* from, Args& to) {
  uint32_t size = 0;
  if (from == nullptr) return absl::InvalidArgumentError("the argument struct is NULL");
  std::memcpy(&size, from, sizeof size);
  if (size < sizeof size) {
    return absl::InvalidArgumentError(absl::StrCat("struct_size is ", size));
  }
  to = Args{};
  std::memcpy(&to, from, std::min<size_t>(size, sizeof(Args)));
  to.struct_size = sizeof(Args);
  return absl::OkStatus();
}
