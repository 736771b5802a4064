#include "core/sampler/philox.h"

#include <gtest/gtest.h>

#include <set>

namespace raison {
namespace {

// Known-answer vectors of philox4x32-10 as published with the authors' Random123 library.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(Philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EveryPartOfTheKeyMatters) {
  std::set<double> draws;
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
    for (uint32_t branch : {0u, 1u}) {
      for (uint64_t position : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
        draws.insert(UniformDraw({.seed = seed, .branch = branch, .position = position}));
      }
    }
  }
  EXPECT_EQ(draws.size(), 18u);
}

TEST(Philox, UniformInUnitInterval) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = UniformDraw({.seed = 7, .position = static_cast<uint64_t>(i)});
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 1.0 / 2, 0.005);  // five standard errors are 0.0046
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.005);
}

// Pins the map itself: a saved trace replays only if it never changes.
TEST(Philox, DrawsArePinned) {
  EXPECT_EQ(UniformDraw({}), (((uint64_t{0xe169c58d} << 32) | 0x6627e8d5) >> 11) * 0x1p-53);
}

}  // namespace
}  // namespace raison
