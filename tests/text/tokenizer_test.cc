// What vectors cannot show: bytes that are not UTF-8, tags in callers' texts, hostile files, threads.
#include "core/model/text/tokenizer.h"

#include <fstream>
#include <thread>

#include "core/model/text/byte_alphabet.h"
#include "core/model/text/stream_decoder.h"
#include "core/model/text/utf8.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/text/small_vocabulary.h"

namespace raison {
namespace {

std::vector<int32_t> Encode(const Tokenizer& tokenizer, std::string_view text,
                            const EncodeOptions& options = {}) {
  auto ids = tokenizer.Encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *std::move(ids) : std::vector<int32_t>();
}

TEST(Tokenizer, BytesThatAreNotUtf8ComeBack) {
  const auto tokenizer = SmallVocabulary().Load();
  const std::string_view texts[] = {
      "\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "a\xE2\x82", "a\xE2\x82z",
      "\xF0\x9F\x98 b", "\xFF\xFE\xFD", "caf\xC3", "\xC3\xA9\xC3", "<think>\x80</think>", "\xE2\x82<think>"};
  for (const std::string_view text : texts) {
    for (const bool special : {false, true}) {
      const auto ids = Encode(*tokenizer, text, {.parse_special = special});
      EXPECT_EQ(tokenizer->DecodeBytes(ids), text);
    }
  }
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 7) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b), 'x'};
      EXPECT_EQ(tokenizer->DecodeBytes(Encode(*tokenizer, text)), text);
    }
  }
  // Invalid bytes are a piece of their own: what stands around them is encoded as without them.
  const auto around = Encode(*tokenizer, "there\x80there");
  const auto there = Encode(*tokenizer, "there");
  EXPECT_TRUE(std::equal(there.begin(), there.end(), around.begin()));
  EXPECT_EQ(Encode(*tokenizer, "<think>\x80", {.parse_special = true})[0],
            tokenizer->FindToken("<think>"));
}

TEST(Tokenizer, BytesWithoutATokenAreReplacedNotLost) {
  SmallVocabulary vocabulary;
  vocabulary.Remove(BytesToAlphabet("\xC0"));
  const auto tokenizer = vocabulary.Load();
  EXPECT_EQ(tokenizer->DecodeBytes(Encode(*tokenizer, "a\xC0z")), "a\xEF\xBF\xBDz");
  EXPECT_EQ(tokenizer->DecodeBytes(Encode(*tokenizer, "a\xC1z")), "a\xC1z");
}

TEST(Tokenizer, SpecialTextIsParsedOnlyWhereAsked) {
  const auto tokenizer = SmallVocabulary().Load();
  const int32_t think = *tokenizer->FindToken("<think>");
  EXPECT_EQ(Encode(*tokenizer, "<think>", {.parse_special = true}), std::vector<int32_t>{think});
  EXPECT_GT(Encode(*tokenizer, "<think>").size(), 1u);
  // Template text, then the same tag in a user's text: only the first becomes a token.
  const std::string text = "<think>a<think>b<think>";
  const EncodeOptions options{.parse_special = true, .literal = {{8, 9}}};
  const auto ids = Encode(*tokenizer, text, options);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), think), 2);
  EXPECT_EQ(ids.front(), think);
  EXPECT_EQ(ids.back(), think);
  EXPECT_EQ(tokenizer->DecodeBytes(ids), text);
  // A literal range keeps a match from crossing into it, too.
  const auto crossed = Encode(*tokenizer, "<think>", {.parse_special = true, .literal = {{3, 4}}});
  EXPECT_EQ(std::count(crossed.begin(), crossed.end(), think), 0);
}

TEST(Tokenizer, BosOnlyWhenAsked) {
  const auto tokenizer = SmallVocabulary().Load();
  ASSERT_TRUE(tokenizer->bos().has_value());
  EXPECT_EQ(Encode(*tokenizer, "", {.add_bos = true}), std::vector<int32_t>{*tokenizer->bos()});
  EXPECT_TRUE(Encode(*tokenizer, "").empty());
}

TEST(Tokenizer, TokensAreClassified) {
  const auto tokenizer = SmallVocabulary().Load();
  const int32_t think = *tokenizer->FindToken("<think>"), end = *tokenizer->FindToken("<|im_end|>");
  EXPECT_TRUE(tokenizer->IsAdded(think));
  EXPECT_FALSE(tokenizer->IsControl(think));  // shown in text
  EXPECT_TRUE(tokenizer->IsControl(end));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(end));
  EXPECT_EQ(tokenizer->end_of_generation_ids(), std::vector<int32_t>{end});
  EXPECT_FALSE(tokenizer->IsEndOfGeneration(-1));
  EXPECT_FALSE(tokenizer->IsControl(tokenizer->vocab_size()));
  EXPECT_EQ(tokenizer->TokenBytes(-5), "");
  EXPECT_EQ(tokenizer->TokenBytes(1 << 30), "");
  EXPECT_EQ(tokenizer->Decode({end, think}, /*skip_control=*/true), "<think>");
}

TEST(Tokenizer, HarmonyEndClosesAMessageOnly) {
  SmallVocabulary vocabulary;
  vocabulary.Add("<|end|>", 3);
  EXPECT_TRUE(vocabulary.Load()->IsEndOfGeneration(*vocabulary.Load()->FindToken("<|end|>")));
  vocabulary.Add("<|return|>", 3);
  vocabulary.Add("<|call|>", 3);
  const auto tokenizer = vocabulary.Load();
  EXPECT_FALSE(tokenizer->IsEndOfGeneration(*tokenizer->FindToken("<|end|>")));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(*tokenizer->FindToken("<|return|>")));
}

TEST(Tokenizer, EndTokensOfTypeNormalStillEnd) {
  SmallVocabulary vocabulary;
  vocabulary.Add("<|eot_id|>", 1);
  const auto tokenizer = vocabulary.Load();
  const int32_t id = *tokenizer->FindToken("<|eot_id|>");
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(id));
  EXPECT_TRUE(tokenizer->IsControl(id));
}

TEST(Tokenizer, ReasoningTagsAreTokensOrTexts) {
  SmallVocabulary with;
  const auto tags = with.Load()->FindReasoningTags("");
  ASSERT_TRUE(tags.has_value());
  EXPECT_EQ(tags->open.size(), 1u);
  EXPECT_EQ(tags->close_text, "</think>");

  SmallVocabulary without;
  without.Remove("<think>");
  without.Remove("</think>");
  const auto tokenizer = without.Load();
  EXPECT_FALSE(tokenizer->FindReasoningTags("{{ messages }}").has_value());
  const auto spelled = tokenizer->FindReasoningTags("... content.split('</think>') ...");
  ASSERT_TRUE(spelled.has_value());
  EXPECT_GT(spelled->close.size(), 1u);
  EXPECT_EQ(tokenizer->DecodeBytes(spelled->close), "</think>");
}

TEST(Tokenizer, ManyThreadsGetTheSameIds) {
  const auto tokenizer = SmallVocabulary().Load();
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "word" + std::to_string(i * 7919) + " th\xC3\xA9re, ";
  const auto expected = Encode(*tokenizer, text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) wrong[t] += *tokenizer->Encode(text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(Tokenizer, UnsupportedPartsAreRefusedByName) {
  const auto message = [](const SmallVocabulary& vocabulary) {
    return std::string(Tokenizer::FromGguf(vocabulary.View()).status().message());
  };
  SmallVocabulary vocabulary;
  vocabulary.model = "llama";
  EXPECT_NE(message(vocabulary).find("\"llama\""), std::string::npos);
  vocabulary.model = "gpt2";
  vocabulary.pre = "from-the-future";
  EXPECT_NE(message(vocabulary).find("from-the-future"), std::string::npos);

  const auto json = [](std::string_view text) {
    const auto tokenizer = Tokenizer::FromHuggingFace({.tokenizer_json = text});
    EXPECT_FALSE(tokenizer.ok());
    return std::string(tokenizer.status().message());
  };
  const std::string end = R"(,"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":)";
  const std::string bytes = R"({"type":"ByteLevel","add_prefix_space":false}})";
  EXPECT_NE(json(R"({"model":{"type":"Unigram")" + end + bytes).find("Unigram"), std::string::npos);
  EXPECT_NE(json(R"({"normalizer":{"type":"Lowercase"},"model":{"type":"BPE")" + end + bytes)
                .find("Lowercase"),
            std::string::npos);
  EXPECT_NE(json(R"({"model":{"type":"BPE","dropout":0.1)" + end + bytes).find("dropout"),
            std::string::npos);
  EXPECT_NE(json(R"({"model":{"type":"BPE")" + end + R"({"type":"Metaspace"}})").find("Metaspace"),
            std::string::npos);
  EXPECT_NE(json(R"({"model":{"type":"BPE")" + end +
                 R"({"type":"Split","pattern":{"Regex":"[a&&[^b]]"},"behavior":"Isolated"}})")
                .find("class"),
            std::string::npos);
  EXPECT_NE(json("{").find("JSON"), std::string::npos);
  EXPECT_NE(json(std::string(100000, '[')).find("nested"), std::string::npos);
  // An id that would make a table of gigabytes.
  EXPECT_NE(json(R"({"model":{"type":"BPE","vocab":{"a":2000000000},"merges":[]},"pre_tokenizer":)" +
                 bytes)
                .find("out of range"),
            std::string::npos);
}

TEST(Tokenizer, LyingGgufKeysAreRefused) {
  SmallVocabulary vocabulary;
  GgufVocab view = vocabulary.View();
  view.bos = 1u << 30;
  EXPECT_NE(std::string(Tokenizer::FromGguf(view).status().message()).find("bos_token_id"),
            std::string::npos);
  view = vocabulary.View();
  view.token_types.pop_back();
  EXPECT_FALSE(Tokenizer::FromGguf(view).ok());
  view = vocabulary.View();
  view.token_types[0] = 77;
  EXPECT_NE(std::string(Tokenizer::FromGguf(view).status().message()).find("77"), std::string::npos);
  view = vocabulary.View();
  view.merges = {"t", " ", "", "nothing here", "t  h", "t h extra", "zz zz"};
  EXPECT_TRUE(Tokenizer::FromGguf(view).ok());  // merges that lead nowhere are left out
  view.tokens.clear();
  EXPECT_FALSE(Tokenizer::FromGguf(view).ok());
}

TEST(Tokenizer, MutatedFilesNeverCrash) {
  std::ifstream file(RAISON_SOURCE_DIR "/tests/golden/text/tokenizers.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  nlohmann::json spec = golden["json_only"]["flags"]["tokenizer_json"];
  // 300 tokens keep a load below a millisecond.
  for (size_t id = 0; id < 300; ++id) {
    spec["model"]["vocab"][golden["vocab"][id].get<std::string>()] = id;
  }
  spec["model"]["merges"] = nlohmann::json::array();
  for (size_t i = 0; i < 44; ++i) spec["model"]["merges"].push_back(golden["merges"][i]);
  const std::string whole = spec.dump();
  ASSERT_TRUE(Tokenizer::FromHuggingFace({.tokenizer_json = whole}).ok());
  uint64_t state = 1;
  const auto below = [&](uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  const char* pieces[] = {"null", "-1", "4294967296", "1e9", "[]", "{}", "\"", "\\", "true", "\"Regex\"",
                          "(?:a*)*", "[", "Removed", "\xFF", "\\ud800", "\\p{L}", "{", "99999999999999999999"};
  int loaded = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string text = whole;
    for (uint64_t edits = 1 + below(3); edits > 0; --edits) {
      const size_t at = below(text.size());
      const std::string piece = pieces[below(std::size(pieces))];
      switch (below(4)) {
        case 0:
          text[at] = static_cast<char>(below(256));
          break;
        case 1:
          text.erase(at, 1 + below(20));
          break;
        case 2:
          text.insert(at, piece);
          break;
        default:
          text.replace(at, std::min<size_t>(piece.size(), text.size() - at), piece);
      }
      if (text.empty()) text = "{";
    }
    const auto tokenizer = Tokenizer::FromHuggingFace({.tokenizer_json = text});
    if (!tokenizer.ok()) {
      EXPECT_FALSE(tokenizer.status().message().empty());
      continue;
    }
    ++loaded;
    (void)(*tokenizer)->Encode("a <l> b\xC3\xA9!\xFF 12 the\n\n").status();
    (void)(*tokenizer)->Encode("<r>  <|x|>y", {.parse_special = true}).status();
  }
  EXPECT_GT(loaded, 10);
  EXPECT_LT(loaded, 1500);
}

TEST(Tokenizer, ABacktrackingPatternIsAStatus) {
  const auto tokenizer = Tokenizer::FromHuggingFace(
      {.tokenizer_json = R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},
         "pre_tokenizer":{"type":"Sequence","pretokenizers":[
           {"type":"Split","pattern":{"Regex":"(?:a+)+$"},"behavior":"Isolated"},
           {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}})"});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->Encode("aaaa").ok());
  EXPECT_EQ((*tokenizer)->Encode(std::string(5000, 'a') + "b").status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(StreamDecoder, AnyCutGivesTheOneShotText) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z\x80\xE2\x82q\xED\xA0\x80\xF0\x9F";
  const std::string expected = ToValidUtf8(text);
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      StreamDecoder decoder;
      std::string out = decoder.Feed(text.substr(0, first));
      EXPECT_LE(decoder.held().size(), 3u);
      out += decoder.Feed(text.substr(first, second - first));
      out += decoder.Feed(text.substr(second));
      EXPECT_LE(decoder.held().size(), 3u);
      out += decoder.Flush();
      EXPECT_EQ(out, expected) << first << " " << second;
    }
  }
}

TEST(StreamDecoder, HoldsOnlyWhatCanStillBecomeACodePoint) {
  StreamDecoder decoder;
  EXPECT_EQ(decoder.Feed("\xF0\x9F\x98"), "");
  EXPECT_EQ(decoder.Feed("\x80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(decoder.Feed("\xC3"), "");
  EXPECT_EQ(decoder.Feed("x"), "\xEF\xBF\xBDx");
  EXPECT_EQ(decoder.Feed("\xF5"), "\xEF\xBF\xBD");  // never a beginning
  EXPECT_EQ(decoder.Feed("\xE2\x82"), "");
  EXPECT_EQ(decoder.Flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.Flush(), "");
  decoder.Feed("\xE2");
  decoder.Reset();
  EXPECT_EQ(decoder.Flush(), "");
}

}  // namespace
}  // namespace raison
