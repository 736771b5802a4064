// Reads vectors/blocks.txt: lines of a verb, a type name and two hexadecimal byte strings.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/dtype.h"

namespace raison::testing {

struct BlockVector {
  std::string verb, type;
  std::string input, output;  // bytes
};

inline std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

inline std::vector<BlockVector> ReadBlockVectors() {
  std::ifstream file(RAISON_SOURCE_DIR "/tests/file/vectors/blocks.txt");
  std::vector<BlockVector> vectors;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    BlockVector v;
    std::string input, output;
    words >> v.verb >> v.type >> input >> output;
    v.input = FromHex(input);
    v.output = FromHex(output);
    vectors.push_back(std::move(v));
  }
  return vectors;
}

inline DType TypeNamed(const std::string& name) {
  for (uint32_t id = 0; id < 64; ++id) {
    const DTypeTraits* traits = FindDTypeTraits(id);
    if (traits != nullptr && traits->name == name) return static_cast<DType>(id);
  }
  return DType::kI32;
}

}  // namespace raison::testing
