// A vocabulary of 256 bytes, a few merges and some added tokens, for tests that need no real one.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/model/text/byte_alphabet.h"
#include "core/model/text/tokenizer.h"
#include "gtest/gtest.h"

namespace raison {

struct SmallVocabulary {
  std::string model = "gpt2", pre = "qwen2";
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;

  SmallVocabulary() {
    for (int byte = 0; byte < 256; ++byte) Add(BytesToAlphabet(std::string(1, char(byte))), 1);
    for (const char* pair : {"t h", "th e", "r e", "the re"}) {
      std::string joined = pair;
      joined.erase(joined.find(' '), 1);
      merges.push_back(pair);
      Add(joined, 1);
    }
    Add("<|im_start|>", 3);
    Add("<|im_end|>", 3);
    Add("<think>", 4);
    Add("</think>", 4);
  }
  void Add(const std::string& text, int32_t type) {
    tokens.push_back(text);
    types.push_back(type);
  }
  void Remove(const std::string& text) {
    const auto at = std::find(tokens.begin(), tokens.end(), text) - tokens.begin();
    tokens.erase(tokens.begin() + at);
    types.erase(types.begin() + at);
  }
  GgufVocab View() const {
    GgufVocab view{.model = model, .pre = pre};
    view.tokens.assign(tokens.begin(), tokens.end());
    view.merges.assign(merges.begin(), merges.end());
    view.token_types = types;
    view.bos = static_cast<uint32_t>(
        std::find(tokens.begin(), tokens.end(), "<|im_start|>") - tokens.begin());
    return view;
  }
  std::unique_ptr<Tokenizer> Load() const {
    auto tokenizer = Tokenizer::FromGguf(View());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
  }
};

}  // namespace raison
