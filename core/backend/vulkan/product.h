// Products of stored weights and rows of activations, shared by matmul, latent attention and the
// experts: for few rows, for many rows, and for rows sorted by expert. Which form runs never
// changes a bit of a row (shaders/dot.glsl has the one definition). Offsets into the queue's
// scratch are the caller's: pieces that are in use together must not overlap.
#pragma once

#include "core/backend/vulkan/operand.h"

namespace raison::vulkan {

// Rows of a workgroup that shares decoded weights by registers; more go through tiles.
inline constexpr uint32_t kMostFewRows = 8;

// Of a shader with variants (shaders.h): the one for what the device offers.
Shader Variant(Shader first, const Features& features, bool quads);
// Outputs of a workgroup of matmul.comp and moe_down.comp.
uint32_t OutputsPerGroup(uint32_t type, bool quads);

// The weight's products want activations as int8 in blocks of 32.
bool QuantizesActivations(uint32_t weight_type);

// Rows of f32 as they are and, where a quantised weight wants it, as int8: `codes` of all rows,
// then (step, sum) of each block.
struct Activations {
  rsn_tensor plain;  // (rows, width) or (rows, batch, width)
  uint64_t codes = 0, scales = 0;
  Range range = {};  // of both
};
uint64_t QuantizedBytes(uint64_t rows, uint64_t width);  // rows: times batch
// `gated`, if given: of silu(in) * gated, both dense. At `scratch` bytes of the queue's scratch.
absl::Status Quantize(Queue& queue, Activations& in, const rsn_tensor* gated, uint64_t scratch);

// A dense f32 view of `rows` rows at an address of the scratch; its buffer is for Address alone.
struct Temporary {
  Buffer buffer;
  rsn_tensor tensor{};
  Temporary(uint64_t address, uint32_t rows, uint32_t width);
  Temporary(uint64_t address, uint32_t rows, uint32_t heads, uint32_t width);
};

// One term of a product, over (batch, out, in) weights.
struct Product {
  const Activations& in;
  const rsn_tensor& weight;
  const rsn_tensor* bias = nullptr;
  const rsn_tensor& out;
  bool accumulate = false;
  const Features* features = nullptr;  // others than the device's
};
absl::Status Multiply(Queue& queue, const Product& p);

// The chosen experts of each row: pair t * used + i.
struct Choices {
  const rsn_tensor& ids;
  const rsn_tensor& slots;
  uint32_t stacked;
};
// out (rows * used, width) of a stack's products, one pair after the other.
absl::Status MultiplyPairs(Queue& queue, const Product& p, const Choices& c);

// Pairs sorted by slot (moe_group.comp).
struct Groups {
  uint64_t address = 0;
  Range range = {};
  uint32_t pairs = 0, tiles = 0, used = 0;
  uint32_t tokens = 1;  // of a tile: 16 times this
};
uint64_t GroupBytes(const Groups& groups);
enum class Sorted { kResults = 1, kInputs = 2 };
// in by row and out by sorted place, or in by sorted place and out by pair.
absl::Status MultiplySorted(Queue& queue, const Product& p, const Groups& groups, Sorted which);

// Begins to make the pipelines of a weight's products.
void PrepareProducts(Device& device, const rsn_tensor& weight);

absl::Status RefuseWork(const char* op, const char* what, uint64_t value, uint64_t most);

}  // namespace raison::vulkan
