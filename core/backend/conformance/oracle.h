// Products of weights and activations by plain loops in f64, as dequantised weights times exact
// activations and, for quantised weights, times activations quantised in blocks: the oracle of
// integer kernels. Independent of the reference back end, which is checked against it too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/backend/conformance/problem.h"

namespace raison::conformance {

// Weights (batch, out, in) as f32.
std::vector<float> Dequantize(uint32_t dtype, const std::vector<std::byte>& bytes, int64_t n);

// x as it is after quantisation in blocks: d = amax / 127, q = round to nearest even of x * (127 /
// amax), both in f32. A block below 1e-35 is zero; a block with a NaN or an infinity is NaN.
void QuantizeActivations(const float* x, int64_t n, int64_t block, double* out);

struct Product {
  int64_t rows, batch, out, in;
  const float* weight;            // (batch, out, in)
  const float* x;                 // (rows, batch, in)
  const float* bias = nullptr;    // (out)
  const float* before = nullptr;  // (rows, batch, out), added
  bool quantized = false;         // of the weight's type
  int64_t superblock = 0;         // 256 where activations may be quantised so
};
std::vector<Definition> ProductDefinitions(const Product& p);

struct Experts {
  int64_t rows, width, inner, used;
  const float* gate;              // (stacked, inner, width)
  const float* up;                // (stacked, inner, width)
  const float* down;              // (stacked, width, inner)
  const float* x;                 // (rows, width)
  const int32_t* ids;             // (rows, used)
  const float* weights;           // (rows, used)
  const int32_t* slots;           // (experts)
  const float* before = nullptr;  // (rows, width), added
  bool quantized = false;
};
std::vector<Definition> ExpertDefinitions(const Experts& e);

}  // namespace raison::conformance
