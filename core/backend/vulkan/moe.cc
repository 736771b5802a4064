// moe_experts as dispatches: pair by pair for few rows, sorted by expert for many. Both give a row
// the same bits.
#include "core/backend/tensor.h"
#include "core/backend/vulkan/ops.h"
#include "core/backend/vulkan/product.h"

namespace raison::vulkan {
namespace {

constexpr uint32_t kMostSlots = 1024;  // of moe_group.comp
// Rows are taken in slices, so that the rows of the pairs need no more than some 100 MiB.
constexpr uint32_t kMostPairs = 4096;

struct Scratchpad {
  Queue& queue;
  uint64_t used = 0;
  absl::StatusOr<uint64_t> Take(uint64_t bytes) {
    const uint64_t at = used;
    used += CeilDivide(bytes, 64) * 64;
    RSN_ASSIGN_OR_RETURN(const uint64_t base, queue.GetScratch(used));
    return base + at;
  }
};

bool Quantizes(const rsn_moe_experts& a) {
  return QuantizesActivations(a.gate.dtype) || QuantizesActivations(a.up.dtype);
}

absl::Status Gate(Queue& queue, const rsn_tensor& gate, const rsn_tensor& up,
                  const rsn_tensor& out) {
  rsn_silu_mul a{.struct_size = sizeof a, .gate = gate, .up = up, .out = out};
  return Encode(queue, a);
}

// silu(gate) * up as the stack of `down` wants it; plain results overwrite gate.
absl::Status Hidden(Scratchpad& pad, const rsn_moe_experts& a, Activations& gate,
                    const rsn_tensor& up) {
  if (!QuantizesActivations(a.down.dtype)) return Gate(pad.queue, gate.plain, up, gate.plain);
  const uint64_t at = pad.used;
  RSN_RETURN_IF_ERROR(
      pad.Take(QuantizedBytes(static_cast<uint64_t>(gate.plain.shape[0]), Width(gate.plain)))
          .status());
  return Quantize(pad.queue, gate, &up, at);
}

absl::Status EncodePairs(Queue& queue, const rsn_moe_experts& a) {
  const uint32_t rows = Size(a.in, 0), used = Size(a.ids, 1), inner = Size(a.gate, 1);
  const uint32_t stacked = Size(a.gate, 0), width = Width(a.in);
  Scratchpad pad{queue};
  Activations in{.plain = a.in};
  if (Quantizes(a)) {
    RSN_RETURN_IF_ERROR(pad.Take(QuantizedBytes(rows, width)).status());
    RSN_RETURN_IF_ERROR(Quantize(queue, in, nullptr, 0));
  }
  const uint64_t bytes = uint64_t{rows} * used * inner * 4;
  RSN_ASSIGN_OR_RETURN(const uint64_t gate_at, pad.Take(bytes));
  RSN_ASSIGN_OR_RETURN(const uint64_t up_at, pad.Take(bytes));
  const Temporary gate(gate_at, rows * used, inner), up(up_at, rows * used, inner);
  const Choices choices{.ids = a.ids, .slots = a.slots, .stacked = stacked};
  RSN_RETURN_IF_ERROR(
      MultiplyPairs(queue, {.in = in, .weight = a.gate, .out = gate.tensor}, choices));
  RSN_RETURN_IF_ERROR(MultiplyPairs(queue, {.in = in, .weight = a.up, .out = up.tensor}, choices));
  Activations hidden{.plain = gate.tensor};
  RSN_RETURN_IF_ERROR(Hidden(pad, a, hidden, up.tensor));
  const bool plain = !QuantizesActivations(a.down.dtype);
  const Features& features = queue.device().features();
  const bool quads = features.quads && !plain;
  struct Push {
    uint64_t hidden, scales, ids, weights, slots, down, target;
    uint64_t ids_row, weights_row, down_slot, down_row, target_row;
    uint32_t rows, used, experts, stacked, inner, width_and_accumulate;
  } push{plain ? gate_at : hidden.codes,
         hidden.scales,
         Address(a.ids),
         Address(a.weights),
         Address(a.slots),
         Address(a.down),
         Address(a.out),
         Stride(a.ids, 0),
         Stride(a.weights, 0),
         Stride(a.down, 0),
         Stride(a.down, 1),
         Stride(a.out, 0),
         rows,
         used,
         Size(a.slots, 0),
         stacked,
         inner,
         width << 1 | (a.accumulate != 0 ? 1u : 0u)};
  Dispatch d{.shader = Variant(Shader::kMoeDown, features, quads),
             .constants = {a.down.dtype, 1, inner % 4 == 0 ? 1u : 0u},
             .groups = rows * CeilDivide(width, OutputsPerGroup(a.down.dtype, quads)),
             .reads = {plain ? Range{gate_at, gate_at + bytes} : hidden.range, RangeOf(a.ids),
                       RangeOf(a.weights), RangeOf(a.slots), RangeOf(a.down)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Sort(Queue& queue, const rsn_moe_experts& a, const Groups& g) {
  struct Push {
    uint64_t ids, slots, groups, ids_row;
    uint32_t rows, used, experts, stacked, tile;
  } push{Address(a.ids), Address(a.slots), g.address,       Stride(a.ids, 0), Size(a.in, 0),
         Size(a.ids, 1), Size(a.slots, 0), Size(a.gate, 0), 16 * g.tokens};
  Dispatch d{.shader = Shader::kMoeGroup,
             .groups = 1,
             .reads = {RangeOf(a.ids), RangeOf(a.slots)},
             .writes = {g.range}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Combine(Queue& queue, const rsn_moe_experts& a, const rsn_tensor& products) {
  struct Push {
    uint64_t products, ids, weights, slots, target, ids_row, weights_row, target_row;
    uint32_t rows, used, experts, stacked, width, accumulate;
  } push{Address(products),    Address(a.ids),
         Address(a.weights),   Address(a.slots),
         Address(a.out),       Stride(a.ids, 0),
         Stride(a.weights, 0), Stride(a.out, 0),
         Size(a.in, 0),        Size(a.ids, 1),
         Size(a.slots, 0),     Size(a.gate, 0),
         Width(a.in),          a.accumulate != 0 ? 1u : 0u};
  Dispatch d{.shader = Shader::kMoeCombine,
             .groups = CeilDivide(uint64_t{push.rows} * push.width, 64),
             .reads = {RangeOf(products), RangeOf(a.ids), RangeOf(a.weights), RangeOf(a.slots)},
             .writes = {RangeOf(a.out)}};
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status EncodeSorted(Queue& queue, const rsn_moe_experts& a) {
  const uint32_t rows = Size(a.in, 0), used = Size(a.ids, 1), inner = Size(a.gate, 1);
  const uint32_t stacked = Size(a.gate, 0), width = Width(a.in), pairs = rows * used;
  const uint32_t busy = std::min(stacked, pairs);
  Groups groups{.pairs = pairs, .used = used};
  groups.tokens = pairs >= 48 * busy ? 4 : pairs >= 16 * busy ? 2 : 1;
  groups.tiles = busy + pairs / (16 * groups.tokens);
  Scratchpad pad{queue};
  Activations in{.plain = a.in};
  if (Quantizes(a)) {
    RSN_RETURN_IF_ERROR(pad.Take(QuantizedBytes(rows, width)).status());
    RSN_RETURN_IF_ERROR(Quantize(queue, in, nullptr, 0));
  }
  RSN_ASSIGN_OR_RETURN(groups.address, pad.Take(GroupBytes(groups)));
  groups.range = {groups.address, groups.address + GroupBytes(groups)};
  RSN_RETURN_IF_ERROR(Sort(queue, a, groups));
  const uint64_t bytes = uint64_t{pairs} * inner * 4;
  RSN_ASSIGN_OR_RETURN(const uint64_t gate_at, pad.Take(bytes));
  RSN_ASSIGN_OR_RETURN(const uint64_t up_at, pad.Take(bytes));
  const Temporary gate(gate_at, pairs, inner), up(up_at, pairs, inner);
  RSN_RETURN_IF_ERROR(MultiplySorted(queue, {.in = in, .weight = a.gate, .out = gate.tensor},
                                     groups, Sorted::kResults));
  RSN_RETURN_IF_ERROR(MultiplySorted(queue, {.in = in, .weight = a.up, .out = up.tensor}, groups,
                                     Sorted::kResults));
  Activations hidden{.plain = gate.tensor};
  RSN_RETURN_IF_ERROR(Hidden(pad, a, hidden, up.tensor));
  RSN_ASSIGN_OR_RETURN(const uint64_t products_at, pad.Take(uint64_t{pairs} * width * 4));
  const Temporary products(products_at, pairs, width);
  RSN_RETURN_IF_ERROR(MultiplySorted(
      queue, {.in = hidden, .weight = a.down, .out = products.tensor}, groups, Sorted::kInputs));
  return Combine(queue, a, products.tensor);
}

}  // namespace

absl::Status Refuse(const rsn_moe_experts& a) {
  constexpr uint64_t kMost = uint64_t{1} << 31;
  const uint64_t rows = static_cast<uint64_t>(a.in.shape[0]),
                 used = static_cast<uint64_t>(a.ids.shape[1]);
  const uint64_t width = static_cast<uint64_t>(a.in.shape[1]),
                 inner = static_cast<uint64_t>(a.gate.shape[1]);
  for (uint64_t n : {rows, used, width, inner, static_cast<uint64_t>(a.slots.shape[0])}) {
    if (n > kMost >> 2) return RefuseWork("moe_experts", "a size", n, kMost >> 2);
  }
  const unsigned __int128 work =
      static_cast<unsigned __int128>(rows * used) * (std::max(width, inner) / 4 + 1);
  if (work >= kMost) {
    return RefuseWork("moe_experts", "workgroups", static_cast<uint64_t>(work), kMost - 1);
  }
  return absl::OkStatus();
}

absl::Status Encode(Queue& queue, const rsn_moe_experts& a) {
  const uint32_t rows = Size(a.in, 0), used = Size(a.ids, 1), stacked = Size(a.gate, 0);
  if (rows == 0 || Width(a.in) == 0) return absl::OkStatus();
  const uint32_t slice = std::max(1u, kMostPairs / std::max(1u, used));
  for (uint32_t first = 0; first < rows; first += std::min(slice, rows - first)) {
    const uint32_t count = std::min(slice, rows - first);
    rsn_moe_experts part = a;
    for (rsn_tensor* t : {&part.in, &part.ids, &part.weights, &part.out})
      *t = Rows(*t, first, count);
    // Sorting pays where experts have some rows each.
    const bool sorted = count > kMostFewRows && stacked <= kMostSlots &&
                        uint64_t{count} * used >= uint64_t{2} * stacked && used != 0 &&
                        Size(a.gate, 1) != 0;
    RSN_RETURN_IF_ERROR(sorted ? EncodeSorted(queue, part) : EncodePairs(queue, part));
  }
  return absl::OkStatus();
}

}  // namespace raison::vulkan
