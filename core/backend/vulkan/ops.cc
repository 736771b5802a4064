#include "core/backend/vulkan/ops.h"

#include "core/backend/reference/operands.h"
#include "core/backend/reference/ops.h"
#include "core/backend/vulkan/operand.h"

namespace raison::vulkan {
namespace {

// Elements per invocation group of the element-wise shaders.
constexpr uint64_t kElements = 64;
constexpr uint64_t kPieces = 1024;       // of kv_copy_page.comp
constexpr uint32_t kMostExperts = 1024;  // the arrays of moe_route.comp
constexpr uint32_t kMostGroups = 512;
// Of logits.glsl: logits that a workgroup reads, and bytes of their sums.
constexpr uint32_t kLogitChunk = 4096, kLogitChunkBytes = 48;

absl::Status Refused(const char* what, uint64_t value, uint64_t most) {
  return absl::UnimplementedError(
      absl::StrCat("Vulkan: ", what, " is ", value, ", at most ", most, " is possible"));
}

// Sizes are 32-bit numbers in the shaders, and a row's bytes are counted in 32 bits.
template <typename Args>
absl::Status RefuseSizes(const Args& a) {
  constexpr int64_t kMost = int64_t{1} << 29;
  absl::Status status;
  reference::Operands(a, [&](const rsn_tensor& t) {
    for (uint32_t d = 0; d < std::min(t.rank, 4u) && status.ok(); ++d) {
      if (t.shape[d] > kMost) status = Refused("a size", static_cast<uint64_t>(t.shape[d]), kMost);
    }
  });
  return status;
}

absl::Status RefuseProduct(const char* what, std::initializer_list<uint64_t> factors) {
  constexpr uint64_t kMost = uint64_t{1} << 31;
  uint64_t product = 1;
  for (uint64_t f : factors) {
    product *= f;  // each is below 2^31 and so is the product so far
    if (product >= kMost) return Refused(what, product, kMost - 1);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Refuse(const rsn_embed& a) { return RefuseSizes(a); }
absl::Status Encode(Queue& queue, const rsn_embed& a) {
  struct Push {
    uint64_t table, tokens, target, table_row, target_row;
    uint32_t rows, width, vocabulary;
  } push{Address(a.table), Address(a.tokens), Address(a.out), Stride(a.table, 0),
         Stride(a.out, 0), Size(a.out, 0),    Width(a.table), Size(a.table, 0)};
  Dispatch d{.shader = Shader::kEmbed,
             .constants = {a.table.dtype},
             .groups = CeilDivide(uint64_t{push.rows} * CeilDivide(push.width, 8), kElements),
             .reads = {RangeOf(a.table), RangeOf(a.tokens)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_gather_rows& a) { return RefuseSizes(a); }
absl::Status Encode(Queue& queue, const rsn_gather_rows& a) {
  struct Push {
    uint64_t source, index, target, source_row, target_row;
    uint32_t count, width, rows;
  } push{Address(a.in),    Address(a.index), Address(a.out), Stride(a.in, 0),
         Stride(a.out, 0), Size(a.out, 0),   Width(a.in),    Size(a.in, 0)};
  Dispatch d{.shader = Shader::kGatherRows,
             .groups = CeilDivide(uint64_t{push.count} * push.width, kElements),
             .reads = {RangeOf(a.in), RangeOf(a.index)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_rms_norm& a) {
  RSN_RETURN_IF_ERROR(RefuseSizes(a));
  return RefuseProduct("rows times heads", {Size(a.in, 0), a.in.rank == 3 ? Size(a.in, 1) : 1u});
}
absl::Status Encode(Queue& queue, const rsn_rms_norm& a) {
  const bool heads = a.in.rank == 3;
  struct Push {
    uint64_t source, weight, target, source_row, source_head, target_row, target_head;
    uint32_t rows, heads, width;
    float epsilon;
  } push{Address(a.in),
         Address(a.weight),
         Address(a.out),
         Stride(a.in, 0),
         heads ? Stride(a.in, 1) : 0,
         Stride(a.out, 0),
         heads ? Stride(a.out, 1) : 0,
         Size(a.in, 0),
         heads ? Size(a.in, 1) : 1,
         Width(a.in),
         a.epsilon};
  Dispatch d{.shader = Shader::kRmsNorm,
             .groups = push.width == 0 ? 0 : uint64_t{push.rows} * push.heads,
             .reads = {RangeOf(a.in), RangeOf(a.weight)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_rope_table& a) { return RefuseSizes(a); }
absl::Status Encode(Queue& queue, const rsn_rope_table& a) {
  struct Push {
    uint64_t positions, frequencies, target, frequency_row, target_row, target_pair;
    uint32_t rows, pairs;
    float magnitude;
  } push{Address(a.positions),     Address(a.frequencies), Address(a.out),
         Stride(a.frequencies, 0), Stride(a.out, 0),       Stride(a.out, 1),
         Size(a.positions, 0),     Size(a.frequencies, 0), a.magnitude};
  Dispatch d{.shader = Shader::kRopeTable,
             .groups = CeilDivide(uint64_t{push.rows} * push.pairs, kElements),
             .reads = {RangeOf(a.positions), RangeOf(a.frequencies)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_rope& a) {
  RSN_RETURN_IF_ERROR(RefuseSizes(a));
  return RefuseProduct("heads times pairs", {Size(a.x, 1), Size(a.table, 1)});
}
absl::Status Encode(Queue& queue, const rsn_rope& a) {
  struct Push {
    uint64_t table, x, table_row, table_pair, x_row, x_head;
    uint32_t rows, heads, pairs, interleaved;
  } push{Address(a.table), Address(a.x), Stride(a.table, 0), Stride(a.table, 1), Stride(a.x, 0),
         Stride(a.x, 1),   Size(a.x, 0), Size(a.x, 1),       Size(a.table, 1),   a.interleaved};
  Dispatch d{.shader = Shader::kRope,
             .groups = CeilDivide(uint64_t{push.rows} * push.heads * push.pairs, kElements),
             .reads = {RangeOf(a.table), RangeOf(a.x)},
             .writes = {RangeOf(a.x)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_silu_mul& a) { return RefuseSizes(a); }
absl::Status Encode(Queue& queue, const rsn_silu_mul& a) {
  struct Push {
    uint64_t gate, up, target, gate_row, up_row, target_row;
    uint32_t rows, width;
  } push{Address(a.gate), Address(a.up),    Address(a.out),  Stride(a.gate, 0),
         Stride(a.up, 0), Stride(a.out, 0), Size(a.gate, 0), Width(a.gate)};
  Dispatch d{.shader = Shader::kSiluMul,
             .groups = CeilDivide(uint64_t{push.rows} * push.width, kElements),
             .reads = {RangeOf(a.gate), RangeOf(a.up)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_kv_write& a) {
  RSN_RETURN_IF_ERROR(RefuseSizes(a));
  return RefuseProduct("heads times width", {Size(a.in, 1), Size(a.in, 2)});
}
absl::Status Encode(Queue& queue, const rsn_kv_write& a) {
  struct Push {
    uint64_t source, slots, cache, source_row, source_head, cache_page, cache_head, cache_token;
    uint32_t rows, heads, width, page_tokens, pages;
  } push{Address(a.in),   Address(a.slots),   Address(a.cache),   Stride(a.in, 0),
         Stride(a.in, 1), Stride(a.cache, 0), Stride(a.cache, 1), Stride(a.cache, 2),
         Size(a.in, 0),   Size(a.in, 1),      Size(a.in, 2),      Size(a.cache, 2),
         Size(a.cache, 0)};
  Dispatch d{.shader = Shader::kKvWrite,
             .constants = {a.cache.dtype},
             .groups = CeilDivide(uint64_t{push.rows} * push.heads * push.width, kElements),
             .reads = {RangeOf(a.in), RangeOf(a.slots)},
             .writes = {RangeOf(a.cache)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_kv_copy_page& a) {
  RSN_RETURN_IF_ERROR(RefuseSizes(a));
  return RefuseProduct("the elements of a page",
                       {Size(a.cache, 1), Size(a.cache, 2), Size(a.cache, 3)});
}
absl::Status Encode(Queue& queue, const rsn_kv_copy_page& a) {
  const uint32_t size = a.cache.dtype == RSN_DTYPE_F32 ? 4 : 2, row = Width(a.cache) * size;
  const uint32_t piece = row % 16 == 0 && RowsAligned(a.cache) ? 16 : size;
  struct Push {
    uint64_t cache, from, to, cache_page, cache_head, cache_token;
    uint32_t count, heads, page_tokens, width, pages, groups;
  } push{Address(a.cache),   Address(a.from),    Address(a.to),    Stride(a.cache, 0),
         Stride(a.cache, 1), Stride(a.cache, 2), Size(a.from, 0),  Size(a.cache, 1),
         Size(a.cache, 2),   row / piece,        Size(a.cache, 0), 0};
  const uint64_t page = uint64_t{push.heads} * push.page_tokens * push.width;
  push.groups = static_cast<uint32_t>(CeilDivide(page, kPieces));
  Dispatch d{.shader = Shader::kKvCopyPage,
             .constants = {piece},
             .groups = uint64_t{push.groups} * push.count,
             .reads = {RangeOf(a.cache), RangeOf(a.from), RangeOf(a.to)},
             .writes = {RangeOf(a.cache)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Refuse(const rsn_moe_route& a) {
  RSN_RETURN_IF_ERROR(RefuseSizes(a));
  if (Size(a.logits, 1) > kMostExperts) return Refused("experts", Size(a.logits, 1), kMostExperts);
  return a.groups > kMostGroups ? Refused("groups", a.groups, kMostGroups) : absl::OkStatus();
}
absl::Status Encode(Queue& queue, const rsn_moe_route& a) {
  const bool bias = a.bias.rank != 0 && a.bias.buffer != nullptr;
  struct Push {
    uint64_t logits, bias, ids, weights, logits_row, ids_row, weights_row;
    uint32_t rows, experts, used, scoring, groups, groups_used, group_rule, masked_are_zero,
        normalize;
    float scale;
  } push{Address(a.logits),
         bias ? Address(a.bias) : 0,
         Address(a.ids),
         Address(a.weights),
         Stride(a.logits, 0),
         Stride(a.ids, 0),
         Stride(a.weights, 0),
         Size(a.logits, 0),
         Size(a.logits, 1),
         Size(a.ids, 1),
         a.scoring,
         a.groups,
         a.groups_used,
         a.group_rule,
         a.masked_are_zero,
         a.normalize,
         a.scale};
  Dispatch d{.shader = Shader::kMoeRoute,
             .groups = push.rows,
             .reads = {RangeOf(a.logits)},
             .writes = {RangeOf(a.ids), RangeOf(a.weights)}};
  if (bias) d.reads.push_back(RangeOf(a.bias));
  d.SetPush(push);
  return queue.Enqueue(d);
}

namespace {
// Candidates are sorted in a power of two of places.
uint64_t PlacesFor(uint64_t count) {
  uint64_t places = 1;
  while (places < count) places *= 2;
  return places;
}
}  // namespace

absl::Status Refuse(const rsn_reduce_logits& a) {
  RSN_RETURN_IF_ERROR(RefuseSizes(a));
  for (const rsn_tensor* t : {&a.logits, &a.records, &a.ids, &a.values, &a.raw}) {
    if (Stride(*t, 0) > UINT32_MAX) return Refused("a row's stride", Stride(*t, 0), UINT32_MAX);
  }
  return absl::OkStatus();
}
absl::Status Encode(Queue& queue, const rsn_reduce_logits& a) {
  const uint32_t rows = Size(a.logits, 0), vocabulary = Size(a.logits, 1);
  const uint32_t capacity = Size(a.adjust_id, 0), count = std::min(a.top, vocabulary);
  const uint64_t chunks = CeilDivide(vocabulary, kLogitChunk);
  // A chunk may hold all of the row's best.
  const uint32_t keep = std::min(count, kLogitChunk);
  const auto sorted = static_cast<uint32_t>(PlacesFor(count));
  const uint64_t bytes = rows * (8 * (sorted + chunks * keep) + chunks * kLogitChunkBytes +
                                 CeilDivide(vocabulary, 2) * 8);
  RSN_ASSIGN_OR_RETURN(const uint64_t scratch, queue.GetScratch(bytes));
  const Range kept = {scratch, scratch + bytes};
  struct ChunkPush {
    uint64_t logits, adjust_begin, adjust_id, adjust_divisor, adjust_add, scratch;
    uint32_t logits_row, rows, vocabulary, capacity, keep, sorted;
  } push{Address(a.logits),
         Address(a.adjust_begin),
         Address(a.adjust_id),
         Address(a.adjust_divisor),
         Address(a.adjust_add),
         scratch,
         Stride32(a.logits, 0),
         rows,
         vocabulary,
         capacity,
         keep,
         sorted};
  Dispatch d{.shader = Shader::kReduceLogits,
             .groups = rows * chunks,
             .reads = {RangeOf(a.logits), RangeOf(a.adjust_begin), RangeOf(a.adjust_id),
                       RangeOf(a.adjust_divisor), RangeOf(a.adjust_add)},
             .writes = {kept}};
  d.SetPush(push);
  RSN_RETURN_IF_ERROR(queue.Enqueue(d));
  struct FoldPush {
    uint64_t logits, adjust_begin, records, ids, values, raw, scratch;
    uint32_t logits_row, records_row, ids_row, values_row, raw_row;
    uint32_t rows, vocabulary, capacity, keep, sorted, count;
  } fold{Address(a.logits),
         Address(a.adjust_begin),
         Address(a.records),
         Address(a.ids),
         Address(a.values),
         Address(a.raw),
         scratch,
         Stride32(a.logits, 0),
         Stride32(a.records, 0),
         Stride32(a.ids, 0),
         Stride32(a.values, 0),
         Stride32(a.raw, 0),
         rows,
         vocabulary,
         capacity,
         keep,
         sorted,
         count};
  Dispatch f{
      .shader = Shader::kReduceLogitsFold,
      .groups = rows,
      .reads = {RangeOf(a.logits), RangeOf(a.adjust_begin)},
      .writes = {RangeOf(a.records), RangeOf(a.ids), RangeOf(a.values), RangeOf(a.raw), kept}};
  f.SetPush(fold);
  return queue.Enqueue(f);
}

namespace {
template <typename Args>
absl::Status RefuseCopied(const void* args) {
  Args copy;
  RSN_RETURN_IF_ERROR(reference::CopyArgs(args, copy));
  return Refuse(copy);
}
}  // namespace

absl::Status RefuseNumbered(uint32_t op, const void* args) {
  switch (op) {
    case RSN_OP_EMBED:
      return RefuseCopied<rsn_embed>(args);
    case RSN_OP_GATHER_ROWS:
      return RefuseCopied<rsn_gather_rows>(args);
    case RSN_OP_RMS_NORM:
      return RefuseCopied<rsn_rms_norm>(args);
    case RSN_OP_MATMUL:
      return RefuseCopied<rsn_matmul>(args);
    case RSN_OP_ROPE_TABLE:
      return RefuseCopied<rsn_rope_table>(args);
    case RSN_OP_ROPE:
      return RefuseCopied<rsn_rope>(args);
    case RSN_OP_KV_WRITE:
      return RefuseCopied<rsn_kv_write>(args);
    case RSN_OP_KV_COPY_PAGE:
      return RefuseCopied<rsn_kv_copy_page>(args);
    case RSN_OP_ATTENTION:
      return RefuseCopied<rsn_attention>(args);
    case RSN_OP_MLA_ATTENTION:
      return RefuseCopied<rsn_mla_attention>(args);
    case RSN_OP_SILU_MUL:
      return RefuseCopied<rsn_silu_mul>(args);
    case RSN_OP_MOE_ROUTE:
      return RefuseCopied<rsn_moe_route>(args);
    case RSN_OP_MOE_EXPERTS:
      return RefuseCopied<rsn_moe_experts>(args);
    default:
      return RefuseCopied<rsn_reduce_logits>(args);
  }
}

}  // namespace raison::vulkan
