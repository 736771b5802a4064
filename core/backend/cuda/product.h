// Products of stored weights and rows of activations, shared by matmul, latent attention and the
// experts. One output's arithmetic is the same whatever else is in the batch:
//   quantised weights  activations become int8 in blocks of 32; a row's blocks go by fours round
//                      kRuns runs, each summed in order by f32 fused multiply-adds of exact
//                      integer dot products, and the runs are added in order;
//   plain weights      pieces of 8 columns go round 32 chains of f32 fused multiply-adds, which are
//                      added in order.
#pragma once

#include "core/backend/cuda/launch.h"

namespace raison::cuda {

constexpr int kRuns = 8;        // of a quantised row; times 4 blocks, a lane each: a warp
constexpr int kMostTokens = 8;  // rows of activations that a warp multiplies at once
constexpr int kTileTokens = 32; // and a whole block of threads

// Rows of activations: f32 as they are and, where a quantised weight wants it, int8 with a step and
// a sum for each block of 32.
struct Activations {
  View plain;            // f32 (rows, batch, width)
  const int8_t* codes;   // (rows * batch, width)
  const float* steps;    // (rows * batch, width / 32)
  const int* sums;       // (rows * batch, width / 32), of codes
};

// Tokens sorted by expert: tile i holds `count` sorted pairs from `first` on, all of one slot.
struct ExpertTile {
  int slot;
  int first;
  int count;
};
struct Groups {
  const ExpertTile* tiles;  // (capacity), `*tile_count` of them in use
  const int* tile_count;
  const int* sorted;        // (pairs): pair t * used + i
  int64_t capacity;
  int used;                 // activation row of a pair = pair / used; 0: the sorted index itself
};

struct Product {
  View weight;              // (batch or slots, outputs, width)
  uint32_t type;
  int64_t rows, batch, outputs, width;
  Activations in;
  View out;                 // f32 (rows, batch, outputs); with groups (pairs, 1, outputs)
  const float* bias = nullptr;
  bool accumulate = false;
  Groups groups = {};       // tiles != nullptr: by expert
  int tokens = 1;           // of a tile, with groups: 1, 2, 4, 8 or kTileTokens
};

bool QuantizesActivations(uint32_t weight_type);
// f32 rows (rows, batch, width) as int8 in scratch memory.
void Quantize(Context& c, const View& in, int64_t rows, int64_t batch, int64_t width,
              Activations& to);
// The same of silu(gate) * up, dense rows of `width`; *count rows are in use.
struct Gated {
  const float* gate;
  const float* up;
  float* plain;      // receives the f32 rows, if not nullptr
  const int* count;  // on the device
};
void QuantizeGated(Context& c, const Gated& in, int64_t rows, int64_t width, Activations& to);
void GateOnly(Context& c, const Gated& in, int64_t rows, int64_t width);
void Multiply(Context& c, const Product& p);
// Products that differ in weight (of one type), outputs, out and bias only: one launch where it can be.
constexpr int kMostJoined = 4;
void MultiplyJoined(Context& c, const Product* products, int count);
void MultiplyTiles(Context& c, const Product& p);  // for many rows: the same bits

}  // namespace raison::cuda
