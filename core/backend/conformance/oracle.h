// Products of weights and activations by plain loops in f64, as dequantised weights times exact
// activations and, for quantised weights, times activations quantised in blocks: the oracle of
// integer kernels; for prompts' chunks as both rounded to f16, the oracle of tensor cores. Independent of
// the reference back end, which is checked against it too.
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
// `undecided`, if given: the step d where x lies within kUndecided of a step of two values' border,
// else 0.
void QuantizeActivations(const float* x, int64_t n, int64_t block, double* out,
                         double* undecided = nullptr);

// A kernel's own activations differ from the oracle's by about 1e-6 of their terms, that is up to
// about 2e-3 of a step of 1/127 of the largest.
inline constexpr double kUndecided = 0x1p-9;

struct Product {
  int64_t rows, batch, out, in;
  const float* weight;            // (batch, out, in)
  const float* x;                 // (rows, batch, in)
  const float* bias = nullptr;    // (out)
  const float* before = nullptr;  // (rows, batch, out), added
  bool quantized = false;         // of the weight's type
  int64_t superblock = 0;         // 256 where activations may be quantised so
  bool halves = false;            // weights and activations may be rounded to f16's 11 bits
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

// Latent attention with quantised w_k and w_v: expanded without rounding (the two forms are then
// one value), and absorbed with the query and the mixed latent quantised before their products.
struct LatentHeads {
  int64_t rows, heads, nope, rope, latent, value;
  float scale;
  const float* q;                               // (rows, heads, nope + rope)
  const float* w_k;                             // (heads, latent, nope)
  const float* w_v;                             // (heads, value, latent)
  std::vector<std::vector<const float*>> keys;  // (rows) of (keys seen) rows (latent + rope)
};
std::vector<Definition> LatentDefinitions(const LatentHeads& l);

}  // namespace raison::conformance
