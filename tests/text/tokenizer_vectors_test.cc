// Ids equal to Hugging Face `tokenizers` on the committed vectors (tests/golden/text), for every
// pre-tokenizer and for both loaders: the tokenizer.json form and the GGUF form of one vocabulary.
#include <fstream>
#include <map>
#include <sstream>

#include "core/model/text/tokenizer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace raison {
namespace {

using Json = nlohmann::json;

const Json& Golden() {
  static const Json golden = [] {
    std::ifstream file(RAISON_SOURCE_DIR "/tests/golden/text/tokenizers.json");
    return Json::parse(file);
  }();
  return golden;
}

// Code points of a text, as strings.
std::vector<std::string> Characters(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80) out.emplace_back();
    out.back().push_back(c);
  }
  return out;
}

// strings.Random of tests/golden/text/strings.py.
struct Random {
  uint64_t state;
  uint64_t Below(uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  }
};

uint64_t Fnv(const std::vector<int32_t>& ids, uint64_t h = 0xCBF29CE484222325u) {
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      h = (h ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x100000001B3u;
    }
  }
  return h;
}

std::string Hex(uint64_t h) {
  char buffer[17];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(h));
  return buffer;
}

std::unique_ptr<Tokenizer> FromJson(const Json& family) {
  Json spec = family["tokenizer_json"];
  for (size_t id = 0; id < Golden()["vocab"].size(); ++id) {
    spec["model"]["vocab"][Golden()["vocab"][id].get<std::string>()] = id;
  }
  spec["model"]["merges"] = Golden()["merges"];
  const std::string text = spec.dump();
  auto tokenizer = Tokenizer::FromHuggingFace({.tokenizer_json = text});
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::unique_ptr<Tokenizer> FromGguf(const std::string& pre, const Json& family) {
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  for (const Json& token : Golden()["vocab"]) {
    tokens.push_back(token);
    types.push_back(1);
  }
  for (const Json& added : family["tokenizer_json"]["added_tokens"]) {
    tokens.push_back(added["content"]);
    types.push_back(added["special"] ? 3 : 4);
  }
  for (const Json& merge : Golden()["merges"]) {
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  GgufVocab vocab{.model = "gpt2", .pre = pre};
  vocab.tokens.assign(tokens.begin(), tokens.end());
  vocab.merges.assign(merges.begin(), merges.end());
  vocab.token_types = types;
  auto tokenizer = Tokenizer::FromGguf(vocab);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

class TokenizerVectors : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  void SetUp() override {
    const auto& [name, gguf] = GetParam();
    family_ = &Golden()["families"][name];
    tokenizer_ = gguf ? FromGguf(name, *family_) : FromJson(*family_);
    ASSERT_NE(tokenizer_, nullptr);
  }
  std::vector<int32_t> Encode(const std::string& text, bool special = false) {
    auto ids = tokenizer_->Encode(text, {.parse_special = special});
    EXPECT_TRUE(ids.ok()) << ids.status();
    return ids.ok() ? *std::move(ids) : std::vector<int32_t>();
  }
  const Json* family_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TokenizerVectors, Texts) {
  size_t specials = 0;
  for (const Json& one : (*family_)["cases"]) {
    const std::string text = one["text"];
    EXPECT_EQ(Encode(text), one["plain"].get<std::vector<int32_t>>()) << text;
    if (!one.contains("special")) continue;
    ++specials;
    EXPECT_EQ(Encode(text, true), one["special"].get<std::vector<int32_t>>()) << text;
  }
  EXPECT_GT(specials, 20u);
}

TEST_P(TokenizerVectors, LongRuns) {
  for (const Json& run : (*family_)["runs"]) {
    const std::string unit = run["unit"];
    std::string text;
    for (size_t i = 0; i < run["count"]; ++i) text += unit;
    const std::vector<int32_t> ids = Encode(text);
    EXPECT_EQ(ids.size(), run["ids"].get<size_t>()) << unit;
    EXPECT_EQ(Hex(Fnv(ids)), run["fnv"].get<std::string>()) << unit;
  }
}

TEST_P(TokenizerVectors, RandomTexts) {
  const std::vector<std::string> alphabet = Characters(Golden()["alphabet"]);
  for (size_t batch = 0; batch < (*family_)["random"].size(); ++batch) {
    Random random{batch + 1};
    uint64_t h = 0xCBF29CE484222325u;
    for (int i = 0; i < 250; ++i) {
      std::string text;
      for (uint64_t left = 1 + random.Below(24); left > 0; --left) {
        text += alphabet[random.Below(alphabet.size())];
      }
      h = Fnv(Encode(text), h);
    }
    EXPECT_EQ(Hex(h), (*family_)["random"][batch].get<std::string>()) << "batch " << batch;
  }
}

// Added tokens' flags, other behaviours of Split, string patterns: forms that GGUF cannot state.
TEST(TokenizerJsonVectors, Texts) {
  for (const auto& [name, entry] : Golden()["json_only"].items()) {
    SCOPED_TRACE(name);
#ifdef RAISON_NO_NFC
    if (entry["tokenizer_json"]["normalizer"].is_object()) continue;
#endif
    const std::unique_ptr<Tokenizer> tokenizer = FromJson(entry);
    ASSERT_NE(tokenizer, nullptr);
    for (const Json& one : entry["cases"]) {
      const auto ids = tokenizer->Encode(one["text"].get<std::string>(), {.parse_special = true});
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(*ids, one["special"].get<std::vector<int32_t>>()) << one["text"];
    }
  }
}

std::vector<std::string> FamilyNames() {
  std::vector<std::string> names;
  for (const auto& [name, family] : Golden()["families"].items()) {
#ifdef RAISON_NO_NFC
    if (!family["tokenizer_json"]["normalizer"].is_null()) continue;
#endif
    names.push_back(name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Families, TokenizerVectors,
                         testing::Combine(testing::ValuesIn(FamilyNames()), testing::Bool()),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param);
                           for (char& c : name) c = std::isalnum(c) ? c : '_';
                           return name + (std::get<1>(info.param) ? "_gguf" : "_json");
                         });

}  // namespace
}  // namespace raison
