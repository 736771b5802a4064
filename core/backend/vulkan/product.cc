#include "core/backend/vulkan/product.h"

#include "core/backend/tensor.h"

namespace raison::vulkan {
namespace {

constexpr uint32_t kTileOutputs = 64;  // of matmul_tiles.comp
constexpr uint32_t kMostQuadRows = 2;  // beyond, adding over quads costs more than it saves

bool Plain(uint32_t type) { return !QuantizesActivations(type); }

// For many rows. A matrix unit's sums have one scale to a block of 32: not Q6_K's.
bool UsesMatrix(uint32_t type, const Features& features) {
  return features.matrix && !Plain(type) && type != RSN_DTYPE_Q6_K;
}
Shader TilesShader(uint32_t type, const Features& features) {
  return UsesMatrix(type, features) ? Shader::kMatmulTilesMatrix
                                    : Variant(Shader::kMatmulTiles, features, false);
}

struct RowsPush {
  uint64_t weight, source, scales, target, bias, ids, slots;
  uint64_t weight_row, weight_batch, source_row, source_batch, target_row, target_batch;
  uint32_t width, outputs, rows, batch, accumulate, stacked;
};
struct TilesPush {
  uint64_t weight, source, scales, target, bias, groups;
  uint64_t weight_row, weight_batch, source_row, source_batch, target_row, target_batch;
  uint32_t width, outputs, rows, batch, accumulate, used;
};

bool Batched(const Product& p) { return p.in.plain.rank == 3; }
uint32_t Outputs(const Product& p) { return Size(p.weight, p.weight.rank - 2); }

// What both forms take.
template <typename Push>
Push PushOf(const Product& p) {
  const bool plain = Plain(p.weight.dtype), batched = Batched(p);
  Push push{};
  push.weight = Address(p.weight);
  push.source = plain ? Address(p.in.plain) : p.in.codes;
  push.scales = p.in.scales;
  push.target = Address(p.out);
  push.bias = p.bias != nullptr ? Address(*p.bias) : 0;
  push.weight_row = Stride(p.weight, p.weight.rank - 2);
  push.weight_batch = p.weight.rank == 3 ? Stride(p.weight, 0) : 0;
  push.source_row = Stride(p.in.plain, 0);
  push.source_batch = batched ? Stride(p.in.plain, 1) : 0;
  push.target_row = Stride(p.out, 0);
  push.target_batch = batched ? Stride(p.out, 1) : 0;
  push.width = Width(p.weight);
  push.outputs = Outputs(p);
  push.rows = Size(p.in.plain, 0);
  push.batch = batched ? Size(p.in.plain, 1) : 1;
  push.accumulate = p.accumulate ? 1u : 0u;
  return push;
}
Dispatch DispatchOf(const Product& p, Shader shader) {
  Dispatch d{.shader = shader,
             .reads = {Plain(p.weight.dtype) ? RangeOf(p.in.plain) : p.in.range, RangeOf(p.weight)},
             .writes = {RangeOf(p.out)}};
  if (p.bias != nullptr) d.reads.push_back(RangeOf(*p.bias));
  d.work = uint64_t{Size(p.in.plain, 0)} * (Batched(p) ? Size(p.in.plain, 1) : 1) * Outputs(p) *
           Width(p.weight);
  return d;
}
uint32_t Aligned(const Product& p) { return RowsAligned(p.in.plain) ? 1u : 0u; }

// Rows of one dispatch: no longer than a driver allows, and whole tiles.
uint32_t RowsAtOnce(const Product& p) {
  const uint64_t row = std::max<uint64_t>(1, DispatchOf(p, Shader::kMatmulTiles).work /
                                                 std::max(1u, Size(p.in.plain, 0)));
  return static_cast<uint32_t>(std::clamp<uint64_t>(kMostWork / row / 64 * 64, 64, 1u << 30));
}
absl::Status MultiplySlices(Queue& queue, const Product& p, uint32_t slice) {
  const uint32_t rows = Size(p.in.plain, 0), width = Width(p.in.plain);
  for (uint32_t first = 0; first < rows; first += std::min(slice, rows - first)) {
    const uint32_t count = std::min(slice, rows - first);
    const uint64_t before = uint64_t{first} * (Batched(p) ? Size(p.in.plain, 1) : 1);
    Activations in = p.in;
    in.plain = Rows(p.in.plain, first, count);
    in.codes += before * width;
    in.scales += before * (width / 32) * 8;
    const rsn_tensor out = Rows(p.out, first, count);
    RSN_RETURN_IF_ERROR(Multiply(queue, {.in = in,
                                         .weight = p.weight,
                                         .bias = p.bias,
                                         .out = out,
                                         .accumulate = p.accumulate,
                                         .features = p.features}));
  }
  return absl::OkStatus();
}

}  // namespace

Shader Variant(Shader first, const Features& features, bool quads) {
  return static_cast<Shader>(static_cast<uint32_t>(first) + (features.integer_dot ? 1 : 0) +
                             (quads ? 2 : 0));
}

uint32_t OutputsPerGroup(uint32_t type, bool quads) { return Plain(type) || quads ? 4 : 16; }

absl::Status RefuseWork(const char* op, const char* what, uint64_t value, uint64_t most) {
  return absl::UnimplementedError(
      absl::StrCat("Vulkan: ", op, ": ", what, " is ", value, ", at most ", most, " is possible"));
}

bool QuantizesActivations(uint32_t type) {
  return type != RSN_DTYPE_F32 && type != RSN_DTYPE_F16 && type != RSN_DTYPE_BF16;
}

Temporary::Temporary(uint64_t address, uint32_t rows, uint32_t width) {
  buffer.memory.address = address;
  tensor = {.buffer = reference::BufferOf(&buffer), .dtype = RSN_DTYPE_F32, .rank = 2};
  tensor.shape[0] = rows, tensor.shape[1] = width;
  tensor.stride[1] = 4, tensor.stride[0] = int64_t{width} * 4;
}
Temporary::Temporary(uint64_t address, uint32_t rows, uint32_t heads, uint32_t width) {
  buffer.memory.address = address;
  tensor = {.buffer = reference::BufferOf(&buffer), .dtype = RSN_DTYPE_F32, .rank = 3};
  tensor.shape[0] = rows, tensor.shape[1] = heads, tensor.shape[2] = width;
  tensor.stride[2] = 4, tensor.stride[1] = int64_t{width} * 4;
  tensor.stride[0] = tensor.stride[1] * heads;
}

uint64_t QuantizedBytes(uint64_t rows, uint64_t width) {
  return CeilDivide(rows * width + rows * (width / 32) * 8, 64) * 64;
}

absl::Status Quantize(Queue& queue, Activations& in, const rsn_tensor* gated, uint64_t scratch) {
  const bool batched = in.plain.rank == 3;
  const uint32_t rows = Size(in.plain, 0), batch = batched ? Size(in.plain, 1) : 1;
  const uint32_t width = Width(in.plain);
  const uint64_t all = uint64_t{rows} * batch, bytes = QuantizedBytes(all, width);
  RSN_ASSIGN_OR_RETURN(const uint64_t base, queue.GetScratch(scratch + bytes));
  in.codes = base + scratch;
  in.scales = in.codes + all * width;
  in.range = {in.codes, in.codes + bytes};
  struct Push {
    uint64_t source, up, codes, scales, source_row, source_batch;
    uint32_t rows, batch, width;
  } push{Address(in.plain),
         gated != nullptr ? Address(*gated) : 0,
         in.codes,
         in.scales,
         Stride(in.plain, 0),
         batched ? Stride(in.plain, 1) : 0,
         rows,
         batch,
         width};
  Dispatch d{.shader = Shader::kQuantize,
             .constants = {gated != nullptr ? 1u : 0u},
             .groups = CeilDivide(all * (width / 32), 64),
             .reads = {RangeOf(in.plain)},
             .writes = {in.range}};
  if (gated != nullptr) d.reads.push_back(RangeOf(*gated));
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status Multiply(Queue& queue, const Product& p) {
  const Features& features = p.features != nullptr ? *p.features : queue.device().features();
  const uint32_t type = p.weight.dtype, rows = Size(p.in.plain, 0);
  if (rows > kMostFewRows) {
    const uint32_t slice = RowsAtOnce(p);
    if (rows > slice) return MultiplySlices(queue, p, slice);
    const uint32_t tokens = rows <= 16 ? 1 : rows <= 32 ? 2 : 4;
    TilesPush push = PushOf<TilesPush>(p);
    Dispatch d = DispatchOf(p, TilesShader(type, features));
    d.constants = {type, tokens, Aligned(p), 0, queue.device().physical().matrix_columns};
    d.groups = CeilDivide(rows, uint64_t{16} * tokens) * CeilDivide(push.outputs, kTileOutputs) *
               push.batch;
    d.SetPush(push);
    return queue.Enqueue(d);
  }
  const uint32_t tile = rows <= 1 ? 1 : rows <= 2 ? 2 : rows <= 4 ? 4 : 8;
  const bool quads = features.quads && !Plain(type) && tile <= kMostQuadRows;
  RowsPush push = PushOf<RowsPush>(p);
  Dispatch d = DispatchOf(p, Variant(Shader::kMatmul, features, quads));
  d.constants = {type, tile, Aligned(p)};
  d.groups =
      CeilDivide(rows, tile) * CeilDivide(push.outputs, OutputsPerGroup(type, quads)) * push.batch;
  if (d.groups >> 31 != 0) {
    return RefuseWork("matmul", "workgroups", d.groups, (uint64_t{1} << 31) - 1);
  }
  d.SetPush(push);
  return queue.Enqueue(d);
}

absl::Status MultiplyPairs(Queue& queue, const Product& p, const Choices& c) {
  const Features& features = queue.device().features();
  const uint32_t type = p.weight.dtype;
  const bool quads = features.quads && !Plain(type);
  RowsPush push = PushOf<RowsPush>(p);
  push.ids = Address(c.ids), push.slots = Address(c.slots);
  push.target_batch = Stride(c.ids, 0);
  push.batch = Size(c.ids, 1);
  push.rows *= push.batch;
  push.accumulate = Size(c.slots, 0);
  push.stacked = c.stacked;
  Dispatch d = DispatchOf(p, Variant(Shader::kMatmul, features, quads));
  d.work *= push.batch;
  d.constants = {type, 1, Aligned(p), 1};
  d.groups = push.rows * CeilDivide(push.outputs, OutputsPerGroup(type, quads));
  d.reads.insert(d.reads.end(), {RangeOf(c.ids), RangeOf(c.slots)});
  d.SetPush(push);
  return queue.Enqueue(d);
}

// One row and many; of a stack, each also by expert. Rows of activations are aligned in every
// model.
void PrepareProducts(Device& device, const rsn_tensor& weight) {
  const Features& features = device.features();
  const uint32_t type = weight.dtype, columns = device.physical().matrix_columns;
  const bool quads = features.quads && !Plain(type);
  const Shader rows = Variant(Shader::kMatmul, features, quads);
  const Shader tiles = TilesShader(type, features);
  if (weight.rank == 2) {
    device.pipelines().Prepare(rows, {type, 1, 1});
    device.pipelines().Prepare(tiles, {type, 4, 1, 0, columns});
  } else if (weight.rank == 3) {
    device.pipelines().Prepare(rows, {type, 1, 1, 1});
    device.pipelines().Prepare(Variant(Shader::kMoeDown, features, quads), {type, 1, 1});
    for (uint32_t mode : {1u, 2u}) device.pipelines().Prepare(tiles, {type, 4, 1, mode, columns});
  }
}

uint64_t GroupBytes(const Groups& g) {
  return CeilDivide(8 + uint64_t{g.pairs} * 4 + uint64_t{g.tiles} * 12, 64) * 64;
}

absl::Status MultiplySorted(Queue& queue, const Product& p, const Groups& g, Sorted which) {
  TilesPush push = PushOf<TilesPush>(p);
  push.groups = g.address;
  push.rows = g.pairs, push.batch = g.tiles, push.used = g.used;
  Dispatch d = DispatchOf(p, TilesShader(p.weight.dtype, queue.device().features()));
  d.constants = {p.weight.dtype, g.tokens, Aligned(p), static_cast<uint32_t>(which),
                 queue.device().physical().matrix_columns};
  d.groups = CeilDivide(push.outputs, kTileOutputs) * g.tiles;
  d.work = uint64_t{g.pairs} * push.outputs * push.width;
  d.reads.push_back(g.range);
  d.SetPush(push);
  return queue.Enqueue(d);
}

}  // namespace raison::vulkan
