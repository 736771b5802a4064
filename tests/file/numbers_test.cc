// Number formats: 16-bit floats over their whole range, and blocks against the `gguf` package.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/base/blocks.h"
#include "core/base/dequantize.h"
#include "core/base/half.h"
#include "core/base/quantize.h"
#include "tests/file/vectors.h"

namespace raison {
namespace {

using testing::BlockVector;
using testing::ReadBlockVectors;
using testing::TypeNamed;

TEST(Half, EveryF16SurvivesTheWayThroughF32) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = F16ToF32(static_cast<uint16_t>(h));
    if ((h & 0x7fff) > 0x7c00) {
      EXPECT_TRUE(std::isnan(f)) << h;
      EXPECT_TRUE(std::isnan(F16ToF32(F32ToF16(f)))) << h;
    } else {
      EXPECT_EQ(F32ToF16(f), h);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  for (uint32_t h = 0; h < 0x7c00; ++h) {  // between each f16 and the next
    const double low = F16ToF32(static_cast<uint16_t>(h));
    const double high = h + 1 == 0x7c00 ? 65536 : F16ToF32(static_cast<uint16_t>(h + 1));
    const float middle = static_cast<float>((low + high) / 2);
    EXPECT_EQ(F32ToF16(middle), h % 2 == 0 ? h : h + 1) << h;
    EXPECT_EQ(F32ToF16(std::nextafter(middle, 0.0f)), h);
    EXPECT_EQ(F32ToF16(std::nextafter(middle, 1e9f)), h + 1);
    EXPECT_EQ(F32ToF16(-middle), 0x8000 | (h % 2 == 0 ? h : h + 1));
  }
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(F32ToF16(1e30f), 0x7c00);
  EXPECT_EQ(F32ToF16(1e-30f), 0);
}

TEST(Half, Bf16RoundsToNearestEven) {
  for (uint32_t h = 0; h < 0x7f80; ++h) {
    const uint32_t bits = h << 16;
    EXPECT_EQ(F32ToBF16(BF16ToF32(static_cast<uint16_t>(h))), h);
    EXPECT_EQ(F32ToBF16(std::bit_cast<float>(bits | 0x8000)), h % 2 == 0 ? h : h + 1);
    EXPECT_EQ(F32ToBF16(std::bit_cast<float>(bits | 0x7fff)), h);
    EXPECT_EQ(F32ToBF16(std::bit_cast<float>(bits | 0x8001)), h + 1);
  }
  EXPECT_TRUE(std::isnan(BF16ToF32(F32ToBF16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Blocks, DequantiseAsTheGgufPackage) {
  int seen = 0;
  for (const BlockVector& v : ReadBlockVectors()) {
    if (v.verb != "dequantize") continue;
    const DType type = TypeNamed(v.type);
    const size_t n = v.output.size() / 4;
    ASSERT_EQ(RowBytes(type, n), v.input.size()) << v.type;
    // One byte off, so that the source is not aligned.
    std::string shifted = "x" + v.input;
    std::vector<float> got(n);
    DequantizeRow(type, reinterpret_cast<const std::byte*>(shifted.data() + 1), n, got.data());
    std::vector<float> want(n);
    std::memcpy(want.data(), v.output.data(), v.output.size());
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(got[i], want[i]) << v.type << " weight " << i;
    ++seen;
  }
  EXPECT_EQ(seen, 10);
}

TEST(Blocks, QuantiseAsTheGgufPackage) {
  int seen = 0;
  for (const BlockVector& v : ReadBlockVectors()) {
    if (v.verb != "quantize") continue;
    const DType type = TypeNamed(v.type);
    const size_t n = v.input.size() / 4;
    std::vector<float> weights(n);
    std::memcpy(weights.data(), v.input.data(), v.input.size());
    std::vector<std::byte> got(RowBytes(type, n));
    QuantizeRow(type, weights.data(), n, got.data());
    ASSERT_EQ(got.size(), v.output.size()) << v.type;
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(static_cast<int>(got[i]), static_cast<uint8_t>(v.output[i]))
          << v.type << " byte " << i;
    }
    ++seen;
  }
  EXPECT_EQ(seen, 7);
}

// Relative root-mean-square error on normal weights. The package has no K quantisers; the bounds are
// 1.02 times what this code reaches, so that a change which makes it worse is seen.
TEST(Blocks, KQuantisersKeepTheirQuality) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> weights(256 * 64);
  for (float& w : weights) w = normal(random);
  const struct {
    DType type;
    double bound;
  } kCases[] = {{DType::kQ4_K, 0.0731}, {DType::kQ5_K, 0.0371}, {DType::kQ6_K, 0.0182},
                {DType::kQ4_0, 0.0873}, {DType::kQ8_0, 0.00544}};
  for (const auto& c : kCases) {
    std::vector<std::byte> blocks(RowBytes(c.type, weights.size()));
    QuantizeRow(c.type, weights.data(), weights.size(), blocks.data());
    std::vector<float> back(weights.size());
    DequantizeRow(c.type, blocks.data(), weights.size(), back.data());
    double error = 0, energy = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      error += std::pow(static_cast<double>(back[i]) - weights[i], 2);
      energy += std::pow(static_cast<double>(weights[i]), 2);
    }
    EXPECT_LT(std::sqrt(error / energy), c.bound) << Traits(c.type).name;
    EXPECT_GT(std::sqrt(error / energy), c.bound / 2) << Traits(c.type).name;
  }
}

TEST(Blocks, HardRowsStayFinite) {
  const float kInf = std::numeric_limits<float>::infinity();
  const float kNan = std::numeric_limits<float>::quiet_NaN();
  const float kValues[][4] = {{0, 0, 0, 0},           {1e-30f, -1e-30f, 0, 1e-38f},
                              {3e4f, -3e4f, 1, 2},    {5, 5, 5, 5},
                              {-5, -5, -5, -5},       {kNan, 1, 2, 3},
                              {kInf, 1, -kInf, kNan}, {3e38f, -3e38f, 3e38f, -3e38f}};
  for (size_t set = 0; set < std::size(kValues); ++set) {
    std::vector<float> weights(256);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = kValues[set][i % 4];
    for (const DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                             DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
      std::vector<std::byte> blocks(RowBytes(type, 256));
      QuantizeRow(type, weights.data(), 256, blocks.data());  // must not trap, whatever comes
      std::vector<float> back(256);
      DequantizeRow(type, blocks.data(), 256, back.data());
      if (set > 4) continue;
      for (size_t i = 0; i < 256; ++i) {
        EXPECT_NEAR(back[i], weights[i], 0.13 * std::fabs(kValues[set][0]) + 1e-7)  // Q4_0: one step
            << Traits(type).name << " set " << set << " weight " << i;
      }
    }
  }
}

TEST(Blocks, ScalesOfKBlocksPackAndUnpack) {
  uint8_t sc[8], mn[8], packed[12], sc2[8], mn2[8];
  std::mt19937 random(3);
  for (int round = 0; round < 1000; ++round) {
    for (int k = 0; k < 8; ++k) {
      sc[k] = random() & 63;
      mn[k] = random() & 63;
    }
    PackScales(sc, mn, packed);
    UnpackScales(packed, sc2, mn2);
    ASSERT_EQ(std::memcmp(sc, sc2, 8), 0);
    ASSERT_EQ(std::memcmp(mn, mn2, 8), 0);
  }
}

}  // namespace
}  // namespace raison
