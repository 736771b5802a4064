#include "core/reasoning/step_splitter.h"

#include <gtest/gtest.h>

#include <random>

namespace raison {
namespace {

using Kind = StepEvent::Kind;

// Follows the events as a session does and checks every promise about them.
struct Follower {
  explicit Follower(const StepRules& rules = {}) : splitter(rules) {}

  void Push(const std::string& text) {
    tokens.push_back(text);
    std::vector<StepEvent> events;
    splitter.Push(text, &events);
    Read(events);
    EXPECT_EQ(assigned + splitter.waiting_tokens(), tokens.size());
  }
  void Finish() {
    std::vector<StepEvent> events;
    splitter.Finish(&events);
    Read(events);
    EXPECT_FALSE(open);
    EXPECT_EQ(assigned, tokens.size());
  }
  void Read(const std::vector<StepEvent>& events) {
    for (const StepEvent& e : events) {
      switch (e.kind) {
        case Kind::kStepBegin:
          EXPECT_FALSE(open);
          open = true;
          steps.emplace_back();
          break;
        case Kind::kToken:
          EXPECT_TRUE(open);
          steps.back() += tokens[assigned++];
          break;
        case Kind::kStepEnd:
          EXPECT_TRUE(open);
          open = false;
          EXPECT_EQ(tokens.size() - assigned, e.lookahead);
          most_lookahead = std::max(most_lookahead, e.lookahead);
          break;
      }
    }
  }

  StepSplitter splitter;
  std::vector<std::string> tokens, steps;
  size_t assigned = 0, most_lookahead = 0;
  bool open = false;
};

std::vector<std::string> Split(const std::vector<std::string>& tokens,
                               const StepRules& rules = {}) {
  Follower f(rules);
  for (const std::string& t : tokens) f.Push(t);
  f.Finish();
  return f.steps;
}

using Steps = std::vector<std::string>;

// n words that make one long sentence without an end.
std::vector<std::string> Words(size_t n) {
  std::vector<std::string> out(n, " word");
  return out;
}
std::vector<std::string> Join(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(StepSplitter, BlankLineEndsAStepAfterItsToken) {
  EXPECT_EQ(Split({"Add", ".\n\n", "Then", " stop", "."}), (Steps{"Add.\n\n", "Then stop."}));
  EXPECT_EQ(Split({"a", "\n", "\n", "b"}), (Steps{"a\n\n", "b"}));
  EXPECT_EQ(Split({"a\n", "  \t", "\nb"}), (Steps{"a\n  \t\nb"}));  // not inside a token
  EXPECT_EQ(Split({"a\n", "  \t\n", "b"}), (Steps{"a\n  \t\n", "b"}));
  EXPECT_EQ(Split({"a\r\n\r\n", "b"}), (Steps{"a\r\n\r\n", "b"}));
  EXPECT_EQ(Split({"a", "\n", "b"}), (Steps{"a\nb"}));
}

TEST(StepSplitter, AStepIsNotMadeOfWhiteSpace) {
  EXPECT_EQ(Split({"\n", "\n\n", "a", "\n\n", "b"}), (Steps{"\n\n\na\n\n", "b"}));
}

TEST(StepSplitter, TheEndIsReportedWithTheLastToken) {
  StepSplitter splitter;
  std::vector<StepEvent> events;
  splitter.Push("a.\n\n", &events);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2].kind, Kind::kStepEnd);
  EXPECT_EQ(events[2].lookahead, 0u);
  EXPECT_EQ(splitter.waiting_tokens(), 0u);
}

TEST(StepSplitter, NothingSplitsInsideCodeAndFormulas) {
  EXPECT_EQ(Split({"Code:\n", "```python\n", "x = 1\n", "\n", "y = 2\n", "```\n", "\n", "Next"}),
            (Steps{"Code:\n```python\nx = 1\n\ny = 2\n```\n\n", "Next"}));
  EXPECT_EQ(Split({"$$\n", "a\n\n", "b\n", "$$", "\n\n", "Next"}),
            (Steps{"$$\na\n\nb\n$$\n\n", "Next"}));
  EXPECT_EQ(Split({"\\[", "a\n\n", "b", "\\]", "\n\n", "Next"}),
            (Steps{"\\[a\n\nb\\]\n\n", "Next"}));
  EXPECT_EQ(Split({"costs $5", " and $6.\n\n", "Next"}), (Steps{"costs $5 and $6.\n\n", "Next"}));
  EXPECT_EQ(Split({"a `` b\n\n", "Next"}), (Steps{"a `` b\n\n", "Next"}));
}

TEST(StepSplitter, TurnsSplitLongParagraphsOnly) {
  const auto long_start = Join(Words(45), {"."});
  const auto steps = Split(Join(long_start, {" Wait", ",", " no", "."}));
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1], " Wait, no.");
  EXPECT_EQ(Split({"Short", ".", " Wait", ","}).size(), 1u);
  EXPECT_EQ(Split(Join(Words(45), {" Wait", ","})).size(), 1u);           // inside a sentence
  EXPECT_EQ(Split(Join(long_start, {" Waiting", " costs"})).size(), 1u);  // another word
  EXPECT_EQ(Split(Join(long_start, {" The", " wait"})).size(), 1u);
  EXPECT_EQ(Split(Join(Words(45), {"?)", " Alternatively"})).size(), 2u);
  EXPECT_EQ(Split(Join(Words(45), {"\n", "Hmm", "\n", "Actually"})).size(), 2u);
  EXPECT_EQ(Split(Join(Words(45), {"。", "等等"})).size(), 2u);
  EXPECT_EQ(Split(Join(Words(45), {"3.", "5"})).size(), 1u);
}

TEST(StepSplitter, WithoutWaitingOnlyTheFreshTokenIsAhead) {
  Follower f;
  for (const auto& t : Join(Join(Words(45), {"."}), {" Wait", ",", " no"})) f.Push(t);
  EXPECT_EQ(f.splitter.waiting_tokens(), 0u);
  f.Finish();
  EXPECT_EQ(f.most_lookahead, 1u);
}

TEST(StepSplitter, WaitingTokensFindTurnsOfSeveralTokens) {
  const StepRules wait3 = {.max_waiting = 3};
  const auto start = Join(Words(45), {"."});
  EXPECT_EQ(Split(Join(start, {" But", " wait", ","}), wait3).back(), " But wait,");
  EXPECT_EQ(Split(Join(start, {" But", " wait", ","})).size(), 1u);  // max_waiting 0
  EXPECT_EQ(Split(Join(start, {" W", "a", "it", ","}), wait3).back(), " Wait,");
  EXPECT_EQ(Split(Join(start, {" But", " then"}), wait3).size(), 1u);
  EXPECT_EQ(Split(Join(start, {" But"}), wait3).size(), 1u);  // the end decides
  // A phrase that needs more tokens than may wait is let go.
  EXPECT_EQ(Split(Join(start, {" B", "u", "t", " ", "w", "ait"}), wait3).size(), 1u);

  Follower f(wait3);
  for (const auto& t : Join(start, {" But"})) f.Push(t);
  EXPECT_EQ(f.splitter.waiting_tokens(), 1u);
  f.Push(" wait");
  EXPECT_EQ(f.splitter.waiting_tokens(), 0u);
  EXPECT_EQ(f.most_lookahead, 2u);
  f.Finish();
}

TEST(StepSplitter, ListNumbersBeginSteps) {
  const StepRules wait2 = {.max_waiting = 2};
  EXPECT_EQ(Split({"Do", ":\n", "1", ".", " Add", "\n", "2", ")", " Stop"}, wait2),
            (Steps{"Do:\n", "1. Add\n", "2) Stop"}));
  EXPECT_EQ(Split({"So", "\n", "2", " +", " 3", " =", " 5"}, wait2).size(), 1u);
  EXPECT_EQ(Split({"So", "\n", "2", ".", "5"}, wait2).size(), 1u);
  EXPECT_EQ(Split({"So", " 2", ".", " Then"}, wait2).size(), 1u);
  EXPECT_EQ(Split({"So", "\n2. Then"}), (Steps{"So", "\n2. Then"}));  // one token says it all
}

TEST(StepSplitter, LengthLimits) {
  const StepRules rules = {.soft_limit = 10, .hard_limit = 20};
  Steps steps = Split(Join(Join(Words(12), {"."}), Words(5)), rules);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].back(), '.');
  steps = Split(Words(50), rules);
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].size(), 20 * std::string(" word").size());
  // 3.5 is not the end of a sentence; a code point is not cut.
  EXPECT_EQ(Split(Join(Words(12), {" 3", ".", "5", " x"}), rules).size(), 1u);
  steps = Split(Join(Words(19), {"\xE6", "\x83", "\xB3", " x"}), rules);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1], " x");
  // An opening that never closes cannot hold the steps together for ever.
  std::vector<std::string> open = {"$$"};
  for (int i = 0; i < 30; ++i) open = Join(open, {" a", ".\n\n"});
  EXPECT_GT(Split(open, rules).size(), 20u);
}

TEST(StepSplitter, StepsTileAnyText) {
  std::mt19937 random(31);
  const std::vector<std::string> parts = {
      " word", ".",    "\n",  "\n\n",  " Wait", " But", " wait", "2",    ". ",       "```\n", "$$",
      "\\[",   "\\]",  "|a|", ".\n\n", "",      " ",    "\xE6",  "\x83", "\xB3",     "等等",  "。",
      "\xFF",  "\xC3", "1.",  "\t",    "No",    ",",    "?",     "\r\n", " Actually"};
  for (int trial = 0; trial < 400; ++trial) {
    StepRules rules = {.long_paragraph = random() % 6,
                       .soft_limit = 4 + random() % 20,
                       .hard_limit = 24 + random() % 8,
                       .max_waiting = random() % 5};
    Follower f(rules);
    std::string all;
    for (size_t n = random() % 200; n > 0; --n) {
      const std::string& part = parts[random() % parts.size()];
      f.Push(part);
      all += part;
      ASSERT_LE(f.splitter.waiting_tokens(), rules.max_waiting);
    }
    f.Finish();
    std::string joined;
    for (const std::string& step : f.steps) joined += step;
    ASSERT_EQ(joined, all);
    ASSERT_LE(f.most_lookahead, rules.max_waiting + 1);
    ASSERT_EQ(f.steps.empty(), f.tokens.empty());
  }
}

TEST(StepSplitter, AssigningACopyGoesBack) {
  const auto text = Join(Join(Words(45), {".", " But", " wait", ",\n\n", "```\n", "x\n"}),
                         {"\n", "```\n\n", "2", ".", " End"});
  const StepRules rules = {.max_waiting = 3};
  const Steps want = Split(text, rules);
  ASSERT_GE(want.size(), 3u);
  for (size_t at = 0; at < text.size(); ++at) {
    Follower f(rules);
    for (size_t i = 0; i < at; ++i) f.Push(text[i]);
    const Follower saved = f;
    f.Push("```\n\n other $$");
    f.Push(" But");
    f = saved;
    for (size_t i = at; i < text.size(); ++i) f.Push(text[i]);
    f.Finish();
    ASSERT_EQ(f.steps, want) << at;
  }
}

}  // namespace
}  // namespace raison
