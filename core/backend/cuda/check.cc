#include "core/backend/cuda/check.h"

#include <initializer_list>

namespace raison::cuda {
namespace {

constexpr int64_t kMostInt = INT32_MAX;
constexpr int64_t kMostGrid = 65535;           // of a grid's second and third dimension
constexpr int64_t kSharedBytes = 47 << 10;     // of 48 KiB; kernels have a little more than is counted
constexpr int64_t kRowsPerBlock = 8;           // at most, of a product (product.h, kMostTokens)

absl::Status AtMost(const char* op, const char* what, int64_t value, int64_t most) {
  if (value <= most) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat(op, ": ", what, " is ", value, ", the CUDA kernels work up to ", most));
}

absl::Status All(std::initializer_list<absl::Status> statuses) {
  for (const absl::Status& s : statuses) {
    if (!s.ok()) return s;
  }
  return absl::OkStatus();
}

// Sizes that kernels keep in an int.
absl::Status SmallShape(const char* op, const char* name, const rsn_tensor& t) {
  int64_t count = 1;
  for (uint32_t d = 0; d < t.rank; ++d) {
    RSN_RETURN_IF_ERROR(AtMost(op, name, t.shape[d], kMostInt));
    if (t.shape[d] == 0) return absl::OkStatus();
  }
  for (uint32_t d = 0; d < t.rank; ++d) {
    if (count > (int64_t{1} << 46) / t.shape[d]) return AtMost(op, name, INT64_MAX, kMostInt);
    count *= t.shape[d];
  }
  return absl::OkStatus();
}

// Rows of a quantised weight begin where its words can be loaded.
absl::Status Aligned(const char* op, const char* name, const rsn_tensor& t) {
  int64_t unit = 1;
  switch (t.dtype) {
    case RSN_DTYPE_Q4_0:
    case RSN_DTYPE_Q5_0:
    case RSN_DTYPE_Q8_0:
    case RSN_DTYPE_Q6_K:
      unit = IsPacked(t) ? 16 : 2;
      break;
    case RSN_DTYPE_Q4_1:
    case RSN_DTYPE_Q5_1:
      unit = 4;
      break;
    case RSN_DTYPE_Q4_K:
    case RSN_DTYPE_Q5_K:
      unit = 16;
      break;
    default:
      return SmallShape(op, name, t);
  }
  bool even = t.offset % static_cast<uint64_t>(unit) == 0;
  for (uint32_t d = 0; d + 1 < t.rank; ++d) {
    even = even && (t.shape[d] <= 1 || t.stride[d] % unit == 0);
  }
  if (!even) {
    return absl::UnimplementedError(absl::StrCat(
        op, ": rows of ", name, " do not begin at multiples of ", unit, " bytes"));
  }
  return SmallShape(op, name, t);
}

absl::Status CheckCache(const char* op, const rsn_ragged& g, int64_t value_width) {
  const int64_t keys =
      g.pages.shape[0] > kMostInt ? kMostInt + 1 : g.pages.shape[0] * g.page_tokens;
  return All({AtMost(op, "the width of a value", value_width, kMostValueWidth),
              AtMost(op, "the keys of all pages", keys, kMostInt)});
}

}  // namespace

absl::Status CheckLimits(const rsn_embed& a) { return Aligned("embed", "table", a.table); }
absl::Status CheckLimits(const rsn_gather_rows& a) { return SmallShape("gather_rows", "in", a.in); }
absl::Status CheckLimits(const rsn_rms_norm& a) {
  const int64_t heads = a.in.rank == 3 ? a.in.shape[1] : 1;
  return All({SmallShape("rms_norm", "in", a.in),
              AtMost("rms_norm", "rows times heads", a.in.shape[0] * heads, kMostInt)});
}
absl::Status CheckLimits(const rsn_matmul& a) {
  RSN_RETURN_IF_ERROR(SmallShape("matmul", "in", a.in));
  RSN_RETURN_IF_ERROR(AtMost("matmul", "rows", a.in.shape[0], kMostGrid * kRowsPerBlock));
  if (a.in.rank == 3) RSN_RETURN_IF_ERROR(AtMost("matmul", "batch", a.in.shape[1], kMostGrid));
  for (uint32_t j = 0; j < a.terms && j < 4; ++j) {
    RSN_RETURN_IF_ERROR(Aligned("matmul", "weight", a.term[j].weight));
  }
  return absl::OkStatus();
}
absl::Status CheckLimits(const rsn_rope_table& a) { return SmallShape("rope_table", "out", a.out); }
absl::Status CheckLimits(const rsn_rope& a) { return SmallShape("rope", "x", a.x); }
absl::Status CheckLimits(const rsn_kv_write& a) {
  return All({SmallShape("kv_write", "in", a.in), SmallShape("kv_write", "cache", a.cache),
              AtMost("kv_write", "rows times heads", a.in.shape[0] * a.in.shape[1], kMostInt)});
}
absl::Status CheckLimits(const rsn_kv_copy_page& a) {
  RSN_RETURN_IF_ERROR(SmallShape("kv_copy_page", "cache", a.cache));
  const int64_t page = a.cache.shape[1] * a.cache.shape[2] * a.cache.shape[3];  // at most 2^46
  return AtMost("kv_copy_page", "the elements of a page", page, kMostInt);
}
absl::Status CheckLimits(const rsn_attention& a) {
  if (a.k_cache.dtype != a.v_cache.dtype) {
    return absl::UnimplementedError(absl::StrCat("attention: keys of dtype ", a.k_cache.dtype,
                                                 " with values of dtype ", a.v_cache.dtype));
  }
  return All({SmallShape("attention", "q", a.q), SmallShape("attention", "k_cache", a.k_cache),
              AtMost("attention", "rows times heads", a.q.shape[0] * a.q.shape[1], kMostInt),
              AtMost("attention", "key heads", a.k_cache.shape[1], kMostGrid),
              CheckCache("attention", a.ragged, a.v_cache.shape[3])});
}
absl::Status CheckLimits(const rsn_mla_attention& a) {
  const char* op = "mla_attention";
  return All({SmallShape(op, "q_nope", a.q_nope), SmallShape(op, "cache", a.cache),
              Aligned(op, "w_k", a.w_k), Aligned(op, "w_v", a.w_v),
              AtMost(op, "rows", a.q_nope.shape[0], kMostGrid * kRowsPerBlock),
              AtMost(op, "rows times heads", a.q_nope.shape[0] * a.q_nope.shape[1], kMostInt),
              AtMost(op, "heads", a.q_nope.shape[1], kMostGrid),
              CheckCache(op, a.ragged, a.w_k.shape[1])});
}
absl::Status CheckLimits(const rsn_silu_mul& a) { return SmallShape("silu_mul", "gate", a.gate); }
absl::Status CheckLimits(const rsn_moe_route& a) {
  const int64_t experts = a.logits.shape[1];
  return All({SmallShape("moe_route", "logits", a.logits),
              AtMost("moe_route", "experts", experts, kMostExperts),
              AtMost("moe_route", "bytes of scores", (3 * experts + int64_t{a.groups}) * 4,
                     kSharedBytes)});
}
absl::Status CheckLimits(const rsn_moe_experts& a) {
  const char* op = "moe_experts";
  return All({SmallShape(op, "in", a.in), SmallShape(op, "ids", a.ids),
              SmallShape(op, "slots", a.slots), Aligned(op, "gate", a.gate),
              Aligned(op, "up", a.up), Aligned(op, "down", a.down),
              AtMost(op, "rows", a.in.shape[0], kMostInt / 1024),
              AtMost(op, "experts of a row", a.ids.shape[1], 1024),
              AtMost(op, "tiles", a.in.shape[0] * a.ids.shape[1] / kRowsPerBlock + a.gate.shape[0],
                     kMostGrid)});
}
absl::Status CheckLimits(const rsn_reduce_logits& a) {
  return All({SmallShape("reduce_logits", "logits", a.logits),
              SmallShape("reduce_logits", "adjust_id", a.adjust_id),
              AtMost("reduce_logits", "rows", a.logits.shape[0], kMostGrid),
              AtMost("reduce_logits", "vocabulary", a.logits.shape[1], int64_t{1} << 30),
              AtMost("reduce_logits", "top", a.top, kMostInt)});
}

}  // namespace raison::cuda
