// What GoogleTest alone does not have: a text contains another.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace raison::testing {

inline ::testing::AssertionResult Contains(std::string_view text, std::string_view part) {
  if (text.find(part) != text.npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << text << "' does not contain '" << part << "'";
}

}  // namespace raison::testing

#define EXPECT_HAS(text, part) EXPECT_TRUE(::raison::testing::Contains((text), (part)))
