// Seeded damage to files: bytes, runs and numbers. A seed and a file always give the same result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace raison::testing {

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}

  uint64_t Next();
  size_t Below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(Next() % n); }
  bool Chance(int percent) { return Below(100) < static_cast<size_t>(percent); }
  // A number at which parsers break: around powers of two, of the file's size, zero, all ones.
  uint64_t Number(size_t file_size);

  // One to three changes within the first `limit` bytes. `fields`: offsets of numbers, hit often.
  std::string Binary(std::string file, size_t limit, const std::vector<size_t>& fields);
  // The same for JSON: numbers, literals, strings and lines as wholes, and bytes.
  std::string Text(std::string file);

 private:
  void BinaryStep(std::string& file, size_t limit, const std::vector<size_t>& fields);
  void TextStep(std::string& file);

  uint64_t state_;
};

}  // namespace raison::testing
