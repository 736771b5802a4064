// Products of prompts' chunks by a library for dense matrices (chunk.cu); matmul asks here which
// rows and which weights go that way. Everything else is product.h's.
#pragma once

#include <vector>

#include "core/backend/cuda/product.h"

namespace raison::cuda {

// What every call of the library has: the host cuts prompts at multiples of it.
constexpr int64_t kChunkRows = 512;
// Shorter chunks are the own kernels': filled up with zeros they would cost as much as a whole one.
constexpr int64_t kLeastRows = 128;
constexpr int kMostPieces = 2;

struct ChunkRows {
  int64_t first, count;  // count <= kChunkRows
};

// Memory of one matmul's chunks, which come one after another.
struct ChunkMemory {
  uint16_t* rows[kMostPieces] = {};     // (kChunkRows, width), f16
  int* row_exponents = nullptr;         // (kChunkRows)
  uint16_t* weights[kMostPieces] = {};  // (slab, width), f16
  int* output_exponents = nullptr;      // (slab)
  float* product = nullptr;             // (kChunkRows, slab)
  int64_t weights_size[kMostPieces] = {}, exponents_size = 0, product_size = 0;
};

// The rows of a matmul that are chunks, cut; empty where there is no library.
std::vector<ChunkRows> ChunksOf(const Context& c, const rsn_matmul& a);
// Does the weight go to the library? Then its memory is to be taken before any chunk.
bool IsDense(const Context& c, const Product& p);
void TakeMemory(Context& c, const Product& p, ChunkMemory& m);
// For each chunk: its rows in pieces, then each product.
void CutRows(Context& c, const View& in, const ChunkRows& rows, int64_t width,
             const ChunkMemory& m);
void MultiplyChunk(Context& c, const Product& p, const ChunkRows& rows, const ChunkMemory& m);

}  // namespace raison::cuda
