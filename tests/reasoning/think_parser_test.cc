#include "core/reasoning/think_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace raison {
namespace {

using Kind = ThinkEvent::Kind;

const ThinkTags kText = {.open = "<think>", .close = "</think>"};
constexpr int32_t kOpenId = 5, kCloseId = 6;
const ThinkTags kIds = {
    .open = "<think>", .close = "</think>", .open_id = kOpenId, .close_id = kCloseId};

// Events as one string: [ and ] are the begin and the end of the thinking, T(...) and A(...) the
// text of a channel with neighbours joined; control tokens leave no trace.
std::string Render(const std::vector<ThinkEvent>& events) {
  std::string out;
  Channel open = Channel::kControl;
  for (const ThinkEvent& e : events) {
    const bool text = e.kind == Kind::kToken || e.kind == Kind::kText;
    if (text && (e.channel == Channel::kControl || e.text.empty())) {
      EXPECT_TRUE(e.text.empty());
      continue;
    }
    if (open != Channel::kControl && (!text || e.channel != open)) out += ")";
    if (text && e.channel != open) out += e.channel == Channel::kThinking ? "T(" : "A(";
    open = text ? e.channel : Channel::kControl;
    if (text) out += e.text;
    if (e.kind == Kind::kThinkBegin) out += "[";
    if (e.kind == Kind::kThinkEnd) out += "]";
  }
  return open == Channel::kControl ? out : out + ")";
}

struct Case {
  std::string input;
  ThinkState start;
  std::string want;
  ThinkState end;
};

const ThinkState kBefore = ThinkState::kBefore, kThink = ThinkState::kThink,
                 kAnswer = ThinkState::kAnswer;

const std::vector<Case> kCases = {
    {"T</think>\n\nA", kThink, "[T(T)]A(\n\nA)", kAnswer},
    {"<think>\nT\n</think>\n\nA", kBefore, "[T(\nT\n)]A(\n\nA)", kAnswer},
    {"A", kBefore, "A(A)", kAnswer},
    {" \n A", kBefore, "A( \n A)", kAnswer},
    {"<think></think>A", kBefore, "[]A(A)", kAnswer},
    {"<think>\n\n</think>\n\n", kBefore, "[T(\n\n)]A(\n\n)", kAnswer},
    {"<think>T", kBefore, "[T(T)]", kThink},
    {"", kThink, "[]", kThink},
    {"", kBefore, "", kBefore},
    {"T</think>", kThink, "[T(T)]", kAnswer},
    {"<think>a<think>b</think>c</think>d", kBefore, "[T(a<think>b)]A(c</think>d)", kAnswer},
    {"<think>T</think>A<think>U</think>B", kBefore, "[T(T)]A(A)[T(U)]A(B)", kAnswer},
    {"T</thin", kThink, "[T(T</thin)]", kThink},
    {"A</thin", kAnswer, "A(A</thin)", kAnswer},
    {"\n\n<think>T", kBefore, "[T(T)]", kThink},
    {"\n<thinking is hard", kBefore, "A(\n<thinking is hard)", kAnswer},
    {"</think>A", kBefore, "A(A)", kAnswer},
    {"</think>A", kAnswer, "A(A)", kAnswer},
    {"<think>\n<think>T</think>A", kThink, "[T(\nT)]A(A)", kAnswer},
    {"a<</think>b", kThink, "[T(a<)]A(b)", kAnswer},
    {"</</think></think>b", kThink, "[T(</)]A(b)", kAnswer},
    {"<<think>T", kBefore, "A(<)[T(T)]", kThink},
    {"\xE6\x83\xB3</think>\xE7\xAD\x94", kThink, "[T(\xE6\x83\xB3)]A(\xE7\xAD\x94)", kAnswer},
    {std::string(64, ' ') + "<think>T", kBefore, "[T(T)]", kThink},
    {std::string(65, ' ') + "A<think>T", kBefore, "A(" + std::string(65, ' ') + "A)[T(T)]", kThink},
};

std::vector<std::string> Cut(std::mt19937& random, const std::string& text, int longest) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t n = std::min<size_t>(random() % longest + (longest > 1 ? 0 : 1), text.size() - at);
    pieces.push_back(text.substr(at, n));  // empty ones too
    at += n;
  }
  return pieces;
}

TEST(ThinkParserByText, CutsMakeNoDifference) {
  std::mt19937 random(3);
  for (const Case& c : kCases) {
    for (int trial = 0; trial < 60; ++trial) {
      const int longest = trial == 0 ? 1 : trial == 1 ? 1000 : 2 + trial % 29;
      std::vector<std::string> pieces = Cut(random, c.input, longest);
      if (trial == 1) pieces = {c.input};
      ThinkParser parser(kText, c.start);
      std::vector<ThinkEvent> events;
      int32_t fed = 0;
      for (const std::string& piece : pieces) {
        parser.Feed({.id = 100 + fed++, .bytes = piece}, &events);
        EXPECT_LE(parser.waiting_tokens(), 200u);
      }
      parser.Finish(&events);
      EXPECT_EQ(Render(events), c.want) << c.input;
      EXPECT_EQ(parser.state(), c.end) << c.input;
      int32_t reported = 0;
      for (const ThinkEvent& e : events) {
        if (e.kind != Kind::kToken) continue;
        EXPECT_EQ(e.token, 100 + reported++);
      }
      EXPECT_EQ(reported, fed) << "each token is reported once, in order: " << c.input;
    }
  }
}

// Feeds text with the tags as single special tokens and the rest cut at random.
std::vector<ThinkEvent> RunIds(std::mt19937& random, const Case& c, ThinkState* end) {
  ThinkParser parser(kIds, c.start);
  std::vector<ThinkEvent> events;
  std::string_view rest = c.input;
  while (!rest.empty()) {
    const size_t open = std::min(rest.find("<think>"), rest.size());
    const size_t close = std::min(rest.find("</think>"), rest.size());
    if (open == 0 || close == 0) {
      const size_t n = open == 0 ? 7 : 8;
      parser.Feed({.id = open == 0 ? kOpenId : kCloseId, .bytes = rest.substr(0, n), .added = true},
                  &events);
      rest.remove_prefix(n);
      continue;
    }
    const size_t n = std::min<size_t>(1 + random() % 4, std::min(open, close));
    parser.Feed({.id = 100, .bytes = rest.substr(0, n)}, &events);
    rest.remove_prefix(n);
  }
  parser.Finish(&events);
  *end = parser.state();
  return events;
}

TEST(ThinkParserById, GivesWhatTextGives) {
  std::mt19937 random(4);
  for (const Case& c : kCases) {
    for (int trial = 0; trial < 10; ++trial) {
      ThinkState end;
      // One difference: a second closing tag of letters is text, the special token never is.
      const bool twice = c.want == "[T(a<think>b)]A(c</think>d)";
      const std::string want = twice ? "[T(a<think>b)]A(cd)" : c.want;
      EXPECT_EQ(Render(RunIds(random, c, &end)), want) << c.input;
      EXPECT_EQ(end, c.end);
    }
  }
}

TEST(ThinkParserById, LookAlikesAreText) {
  ThinkParser parser(kIds, kThink);
  std::vector<ThinkEvent> events;
  for (const char* piece : {"say `", "</", "think", ">", "` or </think> or <think>"}) {
    parser.Feed({.id = 100, .bytes = piece}, &events);
    EXPECT_EQ(parser.waiting_tokens(), 0u);  // ids decide at once
  }
  EXPECT_EQ(parser.state(), kThink);
  parser.Feed({.id = kCloseId, .bytes = "</think>", .added = true}, &events);
  parser.Feed({.id = 100, .bytes = "A </think>"}, &events);
  EXPECT_EQ(Render(events), "[T(say `</think>` or </think> or <think>)]A(A </think>)");
}

TEST(ThinkParserById, TagTokensAreControl) {
  ThinkParser parser(kIds, kBefore);
  std::vector<ThinkEvent> events;
  parser.Feed({.id = 1, .bytes = "\n"}, &events);
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(parser.waiting_tokens(), 1u);
  parser.Feed({.id = kOpenId, .bytes = "<think>", .added = true}, &events);
  parser.Feed({.id = 2, .bytes = "T"}, &events);
  parser.Feed({.id = kCloseId, .bytes = "</think>", .added = true}, &events);
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[0].token, 1);
  EXPECT_EQ(events[0].channel, Channel::kControl);
  EXPECT_EQ(events[1].token, kOpenId);
  EXPECT_EQ(events[1].channel, Channel::kControl);
  EXPECT_EQ(events[2].kind, Kind::kThinkBegin);
  EXPECT_EQ(events[3].channel, Channel::kThinking);
  EXPECT_EQ(events[4].kind, Kind::kThinkEnd);
  EXPECT_EQ(events[5].token, kCloseId);
  EXPECT_EQ(events[5].channel, Channel::kControl);
}

TEST(ThinkParserById, ASecondCloseIsControl) {
  // Known by its id; known by its whole text, where the model names no id.
  for (const ThinkTags& tags : {kIds, kText}) {
    ThinkParser parser(tags, kAnswer);
    std::vector<ThinkEvent> events;
    parser.Feed({.id = 1, .bytes = "A"}, &events);
    parser.Feed({.id = kCloseId, .bytes = "</think>", .added = true}, &events);
    parser.Feed({.id = 2, .bytes = "B"}, &events);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[1].token, kCloseId);
    EXPECT_EQ(events[1].channel, Channel::kControl);
    EXPECT_EQ(events[1].text, "");
    EXPECT_EQ(Render(events), "A(AB)");
    EXPECT_EQ(parser.state(), kAnswer);
  }
}

TEST(ThinkParser, LiteralTextNeverCloses) {
  for (const ThinkTags& tags : {kText, kIds}) {
    ThinkParser parser(tags, kThink);
    std::vector<ThinkEvent> events;
    parser.Feed({.id = 1, .bytes = "</thi"}, &events);
    parser.Feed({.id = 2, .bytes = "nk> </think>", .literal = true}, &events);
    parser.Feed({.id = kCloseId, .bytes = "</think>", .literal = true}, &events);
    EXPECT_EQ(parser.state(), kThink);
    EXPECT_EQ(Render(events), "[T(</think> </think></think>)");
  }
}

TEST(ThinkParserByText, AddedTokensAreWhole) {
  ThinkParser parser(kText, kThink);
  std::vector<ThinkEvent> events;
  parser.Feed({.id = 1, .bytes = "a</"}, &events);
  EXPECT_EQ(parser.waiting_tokens(), 1u);
  parser.Feed({.id = 2, .bytes = "think>", .added = true}, &events);
  EXPECT_EQ(parser.state(), kThink);
  parser.Feed({.id = 3, .bytes = "</think>", .added = true}, &events);
  EXPECT_EQ(parser.state(), kAnswer);
  EXPECT_EQ(Render(events), "[T(a</think>)]");
}

TEST(ThinkParserByText, TokenThatStraddlesHasTheChannelOfItsFirstText) {
  ThinkParser parser(kText, kThink);
  std::vector<ThinkEvent> events;
  parser.Feed({.id = 1, .bytes = "foo</"}, &events);
  parser.Feed({.id = 2, .bytes = "think"}, &events);
  EXPECT_EQ(events.size(), 1u);  // only kThinkBegin
  parser.Feed({.id = 3, .bytes = ">bar"}, &events);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[1].text, "foo");
  EXPECT_EQ(events[1].channel, Channel::kThinking);
  EXPECT_EQ(events[2].kind, Kind::kThinkEnd);
  EXPECT_EQ(events[3].channel, Channel::kControl);
  EXPECT_EQ(events[4].text, "bar");
  EXPECT_EQ(events[4].channel, Channel::kAnswer);
}

TEST(ThinkParser, TrimMarksTheNewlinesAroundTags) {
  const auto trimmed = [](const ThinkTags& tags, ThinkState start,
                          const std::vector<std::string>& pieces) {
    ThinkParser parser(tags, start);
    std::vector<ThinkEvent> events;
    for (const std::string& piece : pieces) {
      const int32_t id = piece == "<think>" ? kOpenId : piece == "</think>" ? kCloseId : 100;
      parser.Feed({.id = id, .bytes = piece, .added = id != 100}, &events);
    }
    parser.Finish(&events);
    std::string thinking, answer;
    for (const ThinkEvent& e : events) {
      (e.channel == Channel::kThinking ? thinking : answer) += e.text.substr(e.trim);
    }
    return thinking + "|" + answer;
  };
  EXPECT_EQ(trimmed(kIds, kBefore, {"<think>", "\n", "\n", "T\n", "</think>", "\n", "\n\nA\n"}),
            "\nT\n|A\n");
  EXPECT_EQ(trimmed(kText, kBefore, {"<think>", "\n\nT", "</think>", "\n\n", "A", "\n\nB"}),
            "\nT|A\n\nB");
  EXPECT_EQ(trimmed(kIds, kBefore, {"\n", "\nA"}), "|A");
  EXPECT_EQ(trimmed(ThinkTags{}, kAnswer, {"\n", "\nA"}), "|\n\nA");
}

TEST(ThinkParser, ClosesLooksAhead) {
  ThinkParser by_id(kIds, kThink);
  EXPECT_TRUE(by_id.Closes({.id = kCloseId, .bytes = "</think>", .added = true}));
  EXPECT_FALSE(by_id.Closes({.id = 100, .bytes = "</think>"}));
  ThinkParser by_text(kText, kThink);
  std::vector<ThinkEvent> events;
  EXPECT_FALSE(by_text.Closes({.id = 1, .bytes = "</think"}));
  by_text.Feed({.id = 1, .bytes = "</think"}, &events);
  EXPECT_TRUE(by_text.Closes({.id = 2, .bytes = ">"}));
  EXPECT_EQ(by_text.state(), kThink);
}

TEST(ThinkParser, AssigningACopyGoesBack) {
  std::mt19937 random(5);
  for (const Case& c : kCases) {
    const std::vector<std::string> pieces = Cut(random, c.input, 4);
    for (size_t at = 0; at <= pieces.size(); ++at) {
      ThinkParser parser(kText, c.start);
      std::vector<ThinkEvent> events, dropped;
      for (size_t i = 0; i < at; ++i) parser.Feed({.id = 1, .bytes = pieces[i]}, &events);
      const ThinkParser saved = parser;
      for (const char* other : {"x</think>", "<thi", "y"}) {
        parser.Feed({.id = 2, .bytes = other}, &dropped);
      }
      parser = saved;
      for (size_t i = at; i < pieces.size(); ++i) {
        parser.Feed({.id = 1, .bytes = pieces[i]}, &events);
      }
      parser.Finish(&events);
      EXPECT_EQ(Render(events), c.want);
    }
  }
}

TEST(ThinkParser, WithoutTagsAllIsAnswer) {
  ThinkParser parser(ThinkTags{}, kThink);
  std::vector<ThinkEvent> events;
  parser.Feed({.id = 1, .bytes = "<think>a</think>"}, &events);
  parser.Finish(&events);
  EXPECT_EQ(Render(events), "A(<think>a</think>)");
}

TEST(StateAfter, TheTailsLastTagDecides) {
  EXPECT_EQ(StateAfterTail(kIds, "<|Assistant|><think>\n"), kThink);
  EXPECT_EQ(StateAfterTail(kIds, "<|Assistant|><think>\n\n</think>\n\n"), kAnswer);
  EXPECT_EQ(StateAfterTail(kIds, "<|Assistant|></think>"), kAnswer);
  EXPECT_EQ(StateAfterTail(kIds, "<|Assistant|>"), kBefore);
  EXPECT_EQ(StateAfterTail(kIds, "<|Assistant|><think>\nFirst, "), kThink);
  EXPECT_EQ(StateAfterTail(ThinkTags{}, "<|Assistant|><think>"), kAnswer);
}

TEST(StateAfter, TagsInThePromptsMiddleDoNotCount) {
  EXPECT_EQ(StateAfterPrompt(kIds, "what is <think>?<|Assistant|>"), kBefore);
  EXPECT_EQ(StateAfterPrompt(kIds, "what is </think>?<|Assistant|><think>\n"), kThink);
  EXPECT_EQ(StateAfterPrompt(kIds, "hi<|Assistant|></think>\n\n"), kAnswer);
  EXPECT_EQ(StateAfterPrompt(ThinkTags{}, "<think>"), kAnswer);
}

}  // namespace
}  // namespace raison
