#include "core/reasoning/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace raison {
namespace {

struct Result {
  std::string text;
  std::optional<size_t> matched;
};

Result Match(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher = *StopMatcher::Create(stops);
  Result r;
  for (const std::string& piece : pieces) r.text += matcher.Feed(piece);
  r.text += matcher.Finish();
  r.matched = matcher.matched();
  return r;
}

TEST(StopMatcher, StopsAndLeavesTheStopStringOut) {
  Result r = Match({"END", "\n\n"}, {"one\ntwo", "E", "N", "D more", " and more"});
  EXPECT_EQ(r.text, "one\ntwo");
  EXPECT_EQ(r.matched, 0u);
  r = Match({"END", "\n\n"}, {"one\n", "\nEND"});
  EXPECT_EQ(r.text, "one");
  EXPECT_EQ(r.matched, 1u);
  r = Match({"END"}, {"EN", "EN"});
  EXPECT_EQ(r.text, "ENEN");
  EXPECT_FALSE(r.matched);
}

TEST(StopMatcher, OverlapsAndTies) {
  EXPECT_EQ(Match({"aab"}, {"aaab"}).text, "a");
  EXPECT_EQ(Match({"abc", "b"}, {"abc"}).text, "a");  // "b" was complete first
  EXPECT_EQ(Match({"b", "ab"}, {"xab"}).text, "x");   // same end: the longer one
  EXPECT_EQ(Match({"b", "ab"}, {"xab"}).matched, 1u);
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStop) {
  StopMatcher matcher = *StopMatcher::Create({"STOP"});
  EXPECT_EQ(matcher.Feed("go ST"), "go ");
  EXPECT_EQ(matcher.held_bytes(), 2u);
  EXPECT_EQ(matcher.Feed("art"), "STart");
  EXPECT_EQ(StopMatcher().Feed("anything"), "anything");
}

TEST(StopMatcher, CutsMakeNoDifferenceAndCopiesGoBack) {
  std::mt19937 random(41);
  for (int trial = 0; trial < 2000; ++trial) {
    const auto word = [&](size_t n) {
      std::string s;
      for (; n > 0; --n) s += static_cast<char>('a' + random() % 2);
      return s;
    };
    std::vector<std::string> stops;
    for (size_t n = 1 + random() % 3; n > 0; --n) stops.push_back(word(2 + random() % 4));
    const std::string text = word(random() % 20);
    const Result whole = Match(stops, {text});
    StopMatcher matcher = *StopMatcher::Create(stops);
    std::string got;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(1 + random() % 4, text.size() - at);
      const StopMatcher saved = matcher;
      matcher.Feed(word(3));
      matcher = saved;
      got += matcher.Feed(std::string_view(text).substr(at, n));
      at += n;
    }
    got += matcher.Finish();
    ASSERT_EQ(got, whole.text);
    ASSERT_EQ(matcher.matched(), whole.matched);
    // Against the plain search.
    size_t best = text.npos;
    for (const std::string& stop : stops) {
      const size_t at = text.find(stop);
      if (at != text.npos) best = std::min(best, at + stop.size());
    }
    ASSERT_EQ(whole.matched.has_value(), best != text.npos);
    if (whole.matched) {
      ASSERT_EQ(whole.text.size() + stops[*whole.matched].size(), best);
    } else {
      ASSERT_EQ(whole.text, text);
    }
  }
}

TEST(StopMatcher, EmptyStopIsRefusedByIndex) {
  const auto bad = StopMatcher::Create({"a", ""});
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bad.status().message().find("stop[1]"), 0u);
}

}  // namespace
}  // namespace raison
