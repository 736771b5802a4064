// Seeded damage to files: bytes, runs and numbers. A seed and a file always give the same result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace raison::testing {

// Where a binary file keeps what: damage to structure is noticed at once, so most goes deeper.
struct Fields {
  struct Run {
    size_t at = 0, size = 0;
  };
  std::vector<size_t> structure;  // offsets of counts, lengths and types
  std::vector<size_t> values;     // offsets of numbers that mean something
  std::vector<Run> contents;      // texts and arrays, whose bytes may change without moving others
};

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}

  uint64_t Next();
  size_t Below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(Next() % n); }
  bool Chance(int percent) { return Below(100) < static_cast<size_t>(percent); }
  // A number at which parsers break: near `old`, a power of two, the file's size, zero, all ones.
  uint64_t Number(uint64_t old, size_t file_size);

  // One to three changes within the first `limit` bytes and the fields.
  std::string Binary(std::string file, size_t limit, const Fields& fields);
  // The same for JSON: numbers, literals, strings and lines as wholes, and bytes.
  std::string Text(std::string file);

 private:
  void BinaryStep(std::string& file, size_t limit, const Fields& fields);
  void TextStep(std::string& file);

  uint64_t state_;
};

}  // namespace raison::testing
