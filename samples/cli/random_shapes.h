// The shapes of known models: their GGUF metadata and tensors, without any weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/dtype.h"
#include "core/file/gguf_writer.h"

namespace raison::cli {

struct RandomTensor {
  enum class Fill { kRandom, kOnes, kZeros };
  std::string name;
  DType type;
  std::vector<int64_t> shape;  // outermost first
  Fill fill = Fill::kRandom;
};

struct RandomShape {
  std::string architecture, pre_tokenizer, name;
  std::vector<std::pair<std::string, uint32_t>> numbers;  // keys without the architecture
  std::vector<std::pair<std::string, float>> reals;
  std::vector<std::pair<std::string, bool>> switches;
  std::string rope_scaling;  // empty: none
  uint32_t vocabulary = 0;
  std::vector<RandomTensor> tensors;
};

// UsageError for an unknown shape or type. layers 0: the shape's own.
RandomShape MakeRandomShape(const std::string& shape, const std::string& type, uint32_t layers);

// Metadata and a byte-level vocabulary.
void WriteRandomHeader(const RandomShape& shape, GgufWriter* writer);

}  // namespace raison::cli
