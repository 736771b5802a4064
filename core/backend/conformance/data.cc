#include "core/backend/conformance/data.h"

#include <cstring>

#include "core/base/dtype.h"
#include "core/base/half.h"
#include "raison/backend.h"

namespace raison::conformance {
namespace {

// Where a block keeps its f16 scales, and the scale that makes its weights about 1.
struct ScaleFields {
  int d, minimum;  // byte offsets; -1: none
  float usual;
};

ScaleFields ScaleFieldsOf(uint32_t dtype) {
  switch (dtype) {
    case RSN_DTYPE_Q4_0:
      return {0, -1, 0.12f};
    case RSN_DTYPE_Q4_1:
      return {0, 2, 0.12f};
    case RSN_DTYPE_Q5_0:
      return {0, -1, 0.06f};
    case RSN_DTYPE_Q5_1:
      return {0, 2, 0.06f};
    case RSN_DTYPE_Q8_0:
      return {0, -1, 0.01f};
    case RSN_DTYPE_Q4_K:
      return {0, 2, 0.002f};
    case RSN_DTYPE_Q5_K:
      return {0, 2, 0.001f};
    default:
      return {208, -1, 0.0005f};  // Q6_K
  }
}

float ScaleValue(float usual, WeightPattern pattern, Random& random) {
  switch (pattern) {
    case WeightPattern::kZeroScale:
      return 0;
    case WeightPattern::kTinyScale:
      return static_cast<float>(1 + random.Below(1000)) * 0x1p-24f;
    case WeightPattern::kNegative:
      return -usual * random.Uniform(0.5f, 1.5f);
    default:
      return usual * random.Uniform(0.5f, 1.5f);
  }
}

uint8_t Code(uint32_t dtype, size_t at, WeightPattern pattern, Random& random) {
  const bool bytes = dtype == RSN_DTYPE_Q8_0;
  const bool signed_scale = dtype == RSN_DTYPE_Q6_K && at >= 192;
  switch (pattern) {
    case WeightPattern::kHighest:
      return bytes ? (random.Next() & 1 ? 0x7f : 0x81) : signed_scale ? 0x7f : 0xff;
    case WeightPattern::kLowest:
      return bytes || signed_scale ? 0x80 : 0;
    case WeightPattern::kAlternate:
      return bytes || signed_scale ? (at & 1 ? 0x80 : 0x7f) : (at & 1 ? 0xf0 : 0x0f);
    default:
      return static_cast<uint8_t>(random.Next() >> 24);
  }
}

}  // namespace

uint64_t Random::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

float Random::Uniform(float low, float high) {
  return low + (high - low) * (static_cast<float>(Next() >> 40) * 0x1p-24f);
}

float Random::Normal() {
  float sum = 0;
  for (int i = 0; i < 6; ++i) sum += Uniform(-1, 1);
  return sum * 0.70710678f;  // the variance of a sum of six is 2
}

std::vector<float> Random::Normals(int64_t n, float scale) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = Normal() * scale;
  return values;
}

std::vector<int32_t> Random::Permutation(int32_t n) {
  std::vector<int32_t> order(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  for (int32_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(Below(i + 1))]);
  }
  return order;
}

std::vector<std::byte> Encode(uint32_t dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * Traits(static_cast<DType>(dtype)).bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == RSN_DTYPE_F32) {
      std::memcpy(&bytes[i * 4], &values[i], 4);
    } else {
      const uint16_t bits = dtype == RSN_DTYPE_F16 ? F32ToF16(values[i]) : F32ToBF16(values[i]);
      std::memcpy(&bytes[i * 2], &bits, 2);
    }
  }
  return bytes;
}

std::vector<std::byte> WeightBytes(uint32_t dtype, int64_t n, WeightPattern pattern,
                                   Random& random) {
  const DTypeTraits& traits = Traits(static_cast<DType>(dtype));
  if (traits.block == 1) {
    std::vector<float> values = random.Normals(n);
    for (size_t i = 0; i < values.size(); ++i) {
      if (pattern == WeightPattern::kHighest) values[i] = 60000;
      if (pattern == WeightPattern::kLowest) values[i] = -60000;
      if (pattern == WeightPattern::kAlternate) values[i] = i & 1 ? -60000.0f : 60000.0f;
      if (pattern == WeightPattern::kZeroScale) values[i] = 0;
      if (pattern == WeightPattern::kTinyScale) values[i] *= 1e-6f;
      if (pattern == WeightPattern::kNegative && values[i] > 0) values[i] = -values[i];
    }
    return Encode(dtype, values);
  }
  const ScaleFields fields = ScaleFieldsOf(dtype);
  std::vector<std::byte> bytes(static_cast<size_t>(n / traits.block * traits.bytes));
  for (size_t block = 0; block < bytes.size(); block += traits.bytes) {
    for (size_t i = 0; i < traits.bytes; ++i) {
      bytes[block + i] = static_cast<std::byte>(Code(dtype, i, pattern, random));
    }
    for (int field : {fields.d, fields.minimum}) {
      if (field < 0) continue;
      const uint16_t bits = F32ToF16(ScaleValue(fields.usual, pattern, random));
      std::memcpy(&bytes[block + static_cast<size_t>(field)], &bits, 2);
    }
  }
  return bytes;
}

std::vector<float> ActivationRows(int64_t rows, int64_t width, Activations kind, Random& random) {
  std::vector<float> x = random.Normals(rows * width);
  for (size_t i = 0; i < x.size(); ++i) {
    if (kind == Activations::kExtreme) x[i] = x[i] > 0 ? 3.0f : -3.0f;
    if (kind == Activations::kOutlier) x[i] *= 1e-3f;
    if (kind == Activations::kZero) x[i] = 0;
    if (kind == Activations::kTiny) x[i] *= 1e-34f;
  }
  if (kind == Activations::kOutlier) {
    for (int64_t t = 0; t < rows; ++t) {
      x[static_cast<size_t>(t * width + random.Below(static_cast<int32_t>(width)))] = 1e4f;
    }
  }
  return x;
}

}  // namespace raison::conformance
