// Deterministic random and hard data: the same bits on every machine (no libm in it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace raison::conformance {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t Next();  // splitmix64
  float Uniform(float low, float high);
  float Normal();  // about N(0, 1): a sum of uniforms
  int32_t Below(int32_t n) { return static_cast<int32_t>(Next() % static_cast<uint64_t>(n)); }
  std::vector<float> Normals(int64_t n, float scale = 1);
  std::vector<int32_t> Permutation(int32_t n);

 private:
  uint64_t state_;
};

enum class WeightPattern {
  kRandom,     // any bits in the codes, ordinary scales
  kHighest,    // all codes and sub-scales with all bits set, +-127 in Q8_0
  kLowest,     // -128 in Q8_0, code 0 elsewhere, sub-scales -128 where they are signed
  kAlternate,  // extremes of both signs side by side
  kZeroScale,  // d = 0 with arbitrary codes
  kTinyScale,  // subnormal f16 scales
  kNegative,   // negative scales
};
inline constexpr WeightPattern kHardWeights[] = {
    WeightPattern::kHighest,   WeightPattern::kLowest,    WeightPattern::kAlternate,
    WeightPattern::kZeroScale, WeightPattern::kTinyScale, WeightPattern::kNegative};

// The stored bytes of n elements (a multiple of the type's block).
std::vector<std::byte> WeightBytes(uint32_t dtype, int64_t n, WeightPattern pattern,
                                   Random& random);
// f32 values as plain f32, f16 or bf16 bytes.
std::vector<std::byte> Encode(uint32_t dtype, const std::vector<float>& values);

enum class Activations {
  kNormal,
  kExtreme,  // +-c, both ends of the quantised range
  kOutlier,  // one huge value per row
  kZero,
  kTiny,  // products near the smallest f32
};
inline constexpr Activations kHardActivations[] = {Activations::kExtreme, Activations::kOutlier,
                                                   Activations::kZero, Activations::kTiny};
std::vector<float> ActivationRows(int64_t rows, int64_t width, Activations kind, Random& random);

}  // namespace raison::conformance
