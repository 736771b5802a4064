// matmul, attention and mla_attention as dispatches.
#include "core/backend/tensor.h"
#include "core/backend/vulkan/ops.h"
#include "core/backend/vulkan/product.h"

namespace raison::vulkan {
namespace {

constexpr uint32_t kWidest = 2048;  // of a query: the array of attention.comp
constexpr uint64_t kKeysPerBlock = 128;
constexpr uint32_t kMostTogether = 8;
// Workgroups: twice what the largest cards run at once; a software device's cores.
constexpr uint64_t kGroups = 2048, kCpuGroups = 16;
// Of the sums of blocks: places for this many of a row (164 k keys; what a software device gains by
// them is little), and for no more rows at a time than this much memory holds.
constexpr uint64_t kPlaces = 1280, kCpuPlaces = 64, kMostPartBytes = uint64_t{128} << 20;
constexpr uint64_t kLongContext = 65536;  // keys that a row is taken to have at most

struct Attend {
  const rsn_tensor& q;
  const rsn_tensor& k;
  const rsn_tensor& v;
  const rsn_tensor& out;
  const rsn_ragged& ragged;
  float scale;
  uint64_t scratch_before = 0;  // bytes of the queue's scratch that the caller uses
};

// Rows are taken `rows` at a time. The blocks of keys of a row and tile of heads are shared by
// `parts` workgroups, so that a decode step fills the device too; the sums of each block then go to
// one of `places`. Longer rows, which the host cannot know, fall back to one workgroup.
struct Cut {
  uint32_t tile = 1;   // query heads that a workgroup takes together
  uint32_t rows = 1;   // at a time
  uint32_t parts = 0;  // 0: not shared
  uint64_t places = 0, bytes = 0;
  uint64_t work = 0;  // of a row
};

Cut CutOf(const Queue& queue, const rsn_tensor& q, uint32_t width, uint32_t kv_heads,
          uint32_t value_width, const rsn_ragged& g) {
  const PhysicalDevice& physical = queue.device().physical();
  const uint32_t heads = Size(q, 1), rows = Size(q, 0);
  Cut cut;
  if (rows == 0 || heads == 0 || kv_heads == 0) return cut;
  // Query heads that share their keys: as many as a workgroup's memory and registers hold.
  const uint32_t sharing = heads / kv_heads;
  while (cut.tile < kMostTogether && sharing % (2 * cut.tile) == 0 &&
         2 * cut.tile * (width + 256) * 4 + 2048 <= physical.shared_memory) {
    cut.tile *= 2;
  }
  const uint64_t tiles = heads / cut.tile;
  const bool cpu = physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  const uint64_t groups = cpu ? kCpuGroups : kGroups;
  // The capacity is that of all sequences of a step.
  const uint64_t keys = static_cast<uint64_t>(g.pages.shape[0]) * g.page_tokens;
  const uint64_t blocks = CeilDivide(keys, kKeysPerBlock);
  cut.work = heads * std::min(keys, kLongContext) * (uint64_t{width} + value_width);
  // No longer at a time than a driver allows, but enough to fill the device.
  const uint64_t least = CeilDivide(groups, tiles);
  cut.rows = static_cast<uint32_t>(
      std::min<uint64_t>(rows, std::max(kMostWork / std::max<uint64_t>(cut.work, 1), least)));
  if (blocks < 2 || groups < 2 * rows * tiles) return cut;
  const uint64_t most = std::min(kMostPartBytes, queue.device().memory().largest() / 4);
  const uint64_t place_bytes = uint64_t{heads} * (2 + value_width) * 4;
  const uint64_t wanted = std::min(blocks, cpu ? kCpuPlaces : kPlaces);
  const uint64_t together = std::clamp<uint64_t>(most / (wanted * place_bytes), 1, rows);
  const uint64_t places = std::min(wanted, most / (together * place_bytes));
  if (places < 2) return cut;
  cut.rows = static_cast<uint32_t>(together);
  cut.places = places;
  cut.bytes = together * places * place_bytes;
  cut.parts = static_cast<uint32_t>(std::clamp<uint64_t>(groups / (together * tiles), 1, places));
  return cut;
}

struct Push {
  uint64_t q, k, v, target, row_begin, kv_length, page_begin, pages;
  uint32_t q_row, q_head, k_page, k_head, k_token, v_page, v_head, v_token, target_row, target_head;
  uint32_t first_row, rows, page_count, capacity, sequences;
  float scale;
};
struct FoldPush {
  uint64_t scratch, target, row_begin, kv_length, page_begin, pages, target_row, target_head;
  uint32_t first_row, rows, heads, value_width, page_tokens, capacity, sequences, places;
};

absl::Status Run(Queue& queue, const Attend& a) {
  const uint32_t width = Width(a.q), value_width = Width(a.v);
  const uint32_t rows = Size(a.q, 0), heads = Size(a.q, 1);
  if (rows == 0 || heads == 0 || value_width == 0) return absl::OkStatus();
  const rsn_ragged& g = a.ragged;
  const Cut cut = CutOf(queue, a.q, width, Size(a.k, 1), value_width, g);
  const bool shared = cut.parts != 0;
  uint64_t scratch = 0;
  if (shared) {
    RSN_ASSIGN_OR_RETURN(scratch, queue.GetScratch(a.scratch_before + cut.bytes));
    scratch += a.scratch_before;
  }
  Push push{.q = Address(a.q),
            .k = Address(a.k),
            .v = Address(a.v),
            .target = shared ? scratch : Address(a.out),
            .row_begin = Address(g.row_begin),
            .kv_length = Address(g.kv_length),
            .page_begin = Address(g.page_begin),
            .pages = Address(g.pages),
            .q_row = Stride32(a.q, 0),
            .q_head = Stride32(a.q, 1),
            .k_page = Stride32(a.k, 0),
            .k_head = Stride32(a.k, 1),
            .k_token = Stride32(a.k, 2),
            .v_page = Stride32(a.v, 0),
            .v_head = Stride32(a.v, 1),
            .v_token = Stride32(a.v, 2),
            .target_row = shared ? static_cast<uint32_t>(cut.places) : Stride32(a.out, 0),
            .target_head = shared ? cut.parts : Stride32(a.out, 1),
            .first_row = 0,
            .rows = 0,
            .page_count = Size(a.k, 0),
            .capacity = Size(g.pages, 0),
            .sequences = Size(g.kv_length, 0),
            .scale = a.scale};
  FoldPush fold{scratch,
                Address(a.out),
                push.row_begin,
                push.kv_length,
                push.page_begin,
                push.pages,
                Stride(a.out, 0),
                Stride(a.out, 1),
                0,
                0,
                heads,
                value_width,
                g.page_tokens,
                push.capacity,
                push.sequences,
                static_cast<uint32_t>(cut.places)};
  const Range sums = {scratch, scratch + cut.bytes};
  const Constants constants = {
      a.k.dtype,   shared ? 1u : 0u, cut.tile, heads / Size(a.k, 1),      width,
      value_width, g.page_tokens,    heads,    RowsAligned(a.k) ? 1u : 0u};
  const std::vector<Range> geometry = {RangeOf(g.row_begin), RangeOf(g.kv_length),
                                       RangeOf(g.page_begin), RangeOf(g.pages)};
  for (uint32_t first = 0; first < rows; first += std::min(cut.rows, rows - first)) {
    const uint32_t count = std::min(cut.rows, rows - first);
    const Range out = RangeOf(Rows(a.out, first, count));
    push.first_row = fold.first_row = first;
    push.rows = fold.rows = count;
    Dispatch d{.shader = Shader::kAttention,
               .constants = constants,
               .groups = uint64_t{count} * (heads / cut.tile) * std::max(cut.parts, 1u),
               .work = count * cut.work,
               .reads = geometry,
               .writes = {shared ? sums : out}};
    d.reads.insert(d.reads.end(), {RangeOf(a.q), RangeOf(a.k), RangeOf(a.v)});
    d.SetPush(push);
    RSN_RETURN_IF_ERROR(queue.Enqueue(d));
    if (!shared) continue;
    Dispatch f{.shader = Shader::kAttentionFold,
               .groups = uint64_t{count} * heads,
               .reads = geometry,
               .writes = {out}};
    f.reads.push_back(sums);
    f.SetPush(fold);
    RSN_RETURN_IF_ERROR(queue.Enqueue(f));
  }
  return absl::OkStatus();
}

absl::Status RefuseAttention(const rsn_tensor& q, const rsn_tensor& k, const rsn_tensor& v,
                             uint64_t width, uint64_t value_width) {
  constexpr uint64_t kMost = uint64_t{1} << 29;
  for (const rsn_tensor* t : {&q, &k, &v}) {
    for (uint32_t d = 0; d < t->rank; ++d) {
      if (t->shape[d] > static_cast<int64_t>(kMost)) {
        return RefuseWork("attention", "a size", static_cast<uint64_t>(t->shape[d]), kMost);
      }
      if (d + 1 < t->rank && Stride(*t, d) > UINT32_MAX) {
        return RefuseWork("attention", "a stride", Stride(*t, d), UINT32_MAX);
      }
    }
  }
  if (width > kWidest) return RefuseWork("attention", "the width of a query", width, kWidest);
  if (value_width > kWidest)
    return RefuseWork("attention", "the width of a value", value_width, kWidest);
  const uint64_t groups = uint64_t{Size(q, 0)} * Size(q, 1);
  if (groups >> 31 != 0)
    return RefuseWork("attention", "rows times heads", groups, uint64_t{1} << 31);
  return absl::OkStatus();
}

absl::Status RefuseRagged(const rsn_ragged& g) {
  constexpr int64_t kMost = int64_t{1} << 29;
  for (const rsn_tensor* t : {&g.row_begin, &g.pages}) {
    if (t->shape[0] > kMost) {
      return RefuseWork("attention", "a list's length", static_cast<uint64_t>(t->shape[0]), kMost);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Refuse(const rsn_matmul& a) {
  constexpr int64_t kMost = int64_t{1} << 29;
  for (uint32_t d = 0; d < a.in.rank; ++d) {
    if (a.in.shape[d] > kMost) {
      return RefuseWork("matmul", "a size of in", static_cast<uint64_t>(a.in.shape[d]), kMost);
    }
  }
  for (uint32_t j = 0; j < a.terms; ++j) {
    const rsn_tensor& w = a.term[j].weight;
    const uint32_t outputs = w.rank - 2;
    if (w.shape[outputs] > kMost) {
      return RefuseWork("matmul", "outputs", static_cast<uint64_t>(w.shape[outputs]), kMost);
    }
    const unsigned __int128 groups = static_cast<unsigned __int128>(CeilDivide(Size(a.in, 0), 8)) *
                                     CeilDivide(Size(w, outputs), 4) *
                                     (a.in.rank == 3 ? Size(a.in, 1) : 1);
    if (groups >> 30 != 0)
      return RefuseWork("matmul", "workgroups", static_cast<uint64_t>(groups), 1 << 30);
  }
  return absl::OkStatus();
}

absl::Status Encode(Queue& queue, const rsn_matmul& a) {
  Activations in{.plain = a.in};
  for (uint32_t j = 0; j < a.terms && in.codes == 0; ++j) {
    if (QuantizesActivations(a.term[j].weight.dtype)) {
      RSN_RETURN_IF_ERROR(Quantize(queue, in, nullptr, 0));
    }
  }
  for (uint32_t j = 0; j < a.terms; ++j) {
    const rsn_matmul_term& term = a.term[j];
    const bool bias = term.bias.rank != 0 && term.bias.buffer != nullptr;
    RSN_RETURN_IF_ERROR(Multiply(queue, {.in = in,
                                         .weight = term.weight,
                                         .bias = bias ? &term.bias : nullptr,
                                         .out = term.out,
                                         .accumulate = a.accumulate != 0}));
  }
  return absl::OkStatus();
}

absl::Status Refuse(const rsn_attention& a) {
  RSN_RETURN_IF_ERROR(RefuseRagged(a.ragged));
  return RefuseAttention(a.q, a.k_cache, a.v_cache, static_cast<uint64_t>(a.q.shape[2]),
                         static_cast<uint64_t>(a.v_cache.shape[3]));
}

absl::Status Encode(Queue& queue, const rsn_attention& a) {
  return Run(queue, {.q = a.q,
                     .k = a.k_cache,
                     .v = a.v_cache,
                     .out = a.out,
                     .ragged = a.ragged,
                     .scale = a.scale});
}

absl::Status Refuse(const rsn_mla_attention& a) {
  RSN_RETURN_IF_ERROR(RefuseRagged(a.ragged));
  return RefuseAttention(a.q_nope, a.cache, a.cache, static_cast<uint64_t>(a.cache.shape[3]),
                         static_cast<uint64_t>(a.w_k.shape[1]));
}

// The absorbed form whatever `form` asks for: both forms have one value, and one form for every row
// is what keeps a row's bits when a sequence is cut otherwise.
absl::Status Encode(Queue& queue, const rsn_mla_attention& a) {
  const uint32_t rows = Size(a.q_nope, 0), heads = Size(a.q_nope, 1);
  const uint32_t latent = Size(a.w_k, 1), rope = Size(a.q_rope, 2);
  if (rows == 0 || heads == 0) return absl::OkStatus();
  const uint64_t query_bytes = uint64_t{rows} * heads * (latent + rope) * 4;
  const uint64_t mixed_bytes = uint64_t{rows} * heads * latent * 4;
  // Both products' quantised inputs have one place: the second's are made when the first is done.
  const uint64_t codes_at = CeilDivide(query_bytes + mixed_bytes, 64) * 64;
  const uint64_t codes_bytes =
      QuantizedBytes(uint64_t{rows} * heads, std::max(Size(a.w_k, 2), latent));
  const uint64_t mine = codes_at + codes_bytes;
  RSN_ASSIGN_OR_RETURN(
      const uint64_t scratch,
      queue.GetScratch(mine + CutOf(queue, a.q_nope, latent + rope, 1, latent, a.ragged).bytes));
  const Temporary query(scratch, rows, heads, latent + rope);  // (rows, heads, latent + rope)
  const Temporary mixed(scratch + query_bytes, rows, heads, latent);  // (rows, heads, latent)
  rsn_tensor absorbed = query.tensor;
  absorbed.shape[2] = latent;
  Activations nope{.plain = a.q_nope};
  if (QuantizesActivations(a.w_k.dtype)) {
    RSN_RETURN_IF_ERROR(Quantize(queue, nope, nullptr, codes_at));
  }
  RSN_RETURN_IF_ERROR(Multiply(queue, {.in = nope, .weight = a.w_k, .out = absorbed}));
  rsn_tensor rotated = query.tensor;
  rotated.offset = uint64_t{latent} * 4;
  rotated.shape[2] = rope;
  struct Push {
    uint64_t source, target, source_row, source_head, target_row, target_head;
    uint32_t rows, heads, width;
  } push{Address(a.q_rope),
         Address(rotated),
         Stride(a.q_rope, 0),
         Stride(a.q_rope, 1),
         Stride(rotated, 0),
         Stride(rotated, 1),
         rows,
         heads,
         rope};
  Dispatch copy{.shader = Shader::kCopyRows,
                .groups = CeilDivide(uint64_t{rows} * heads * rope, 64),
                .reads = {RangeOf(a.q_rope)},
                .writes = {RangeOf(rotated)}};
  copy.SetPush(push);
  RSN_RETURN_IF_ERROR(queue.Enqueue(copy));
  rsn_tensor values = a.cache;
  values.shape[3] = latent;
  RSN_RETURN_IF_ERROR(Run(queue, {.q = query.tensor,
                                  .k = a.cache,
                                  .v = values,
                                  .out = mixed.tensor,
                                  .ragged = a.ragged,
                                  .scale = a.scale,
                                  .scratch_before = mine}));
  Activations latents{.plain = mixed.tensor};
  if (QuantizesActivations(a.w_v.dtype)) {
    RSN_RETURN_IF_ERROR(Quantize(queue, latents, nullptr, codes_at));
  }
  return Multiply(queue, {.in = latents, .weight = a.w_v, .out = a.out});
}

}  // namespace raison::vulkan
