// Folders converted to GGUF: the same weights as a GGUF made directly, types by preset, vocabulary
// and template complete, and a sentence for what the format cannot say.
#include "core/convert/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/base/dequantize.h"
#include "core/base/os/files.h"
#include "core/convert/tensors.h"
#include "core/convert/vocabulary.h"
#include "core/file/checkpoint.h"
#include "core/model/config.h"
#include "core/model/tensor_check.h"
#include "tests/support/expect.h"
#include "tests/support/tiny_model.h"

namespace raison {
namespace {

using Json = nlohmann::json;
using testing::AsBytes;
using testing::MakeTinyFolder;
using testing::MakeTinyGguf;
using testing::TempFolder;
using testing::TinyKind;
using testing::TinyModel;

class Convert : public ::testing::Test {
 protected:
  absl::Status Run(ConvertOptions options) {
    options.out_path = Out();
    RSN_ASSIGN_OR_RETURN(const auto in, Checkpoint::Open(folder_.path()));
    return ConvertToGguf(*in, options);
  }
  std::string Out() const { return folder_.path() + "/out.gguf"; }
  std::string Error() { return std::string(Run({}).message()); }

  TempFolder folder_;
};

std::vector<float> Weights(const StoredTensor& t) {
  std::vector<float> all;
  for (const auto& part : t.parts) {
    const size_t n = static_cast<size_t>(t.elements()) / t.parts.size();
    all.resize(all.size() + n);
    DequantizeRow(t.dtype, part.data(), n, all.data() + all.size() - n);
  }
  return all;
}

TEST_F(Convert, GivesTheGgufThatIsMadeDirectly) {
  for (const TinyKind kind :
       {TinyKind::kLlama, TinyKind::kQwen2, TinyKind::kDeepseekV2, TinyKind::kDeepseekV3}) {
    const bool v3 = kind == TinyKind::kDeepseekV3;
    const TinyModel model{.kind = kind, .q_lora = v3, .yarn = v3, .mtp = v3,
                          .tied = kind == TinyKind::kLlama,
                          .llama3_rope = kind == TinyKind::kLlama};
    folder_.WriteAll(MakeTinyFolder(model));
    const absl::Status status = Run({.type = DType::kF32, .name = "tiny"});
    ASSERT_TRUE(status.ok()) << status;
    const std::string direct = MakeTinyGguf(model);
    const auto want = Checkpoint::FromMemory(AsBytes(direct));
    const auto got = Checkpoint::Open(Out());
    ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
    const auto config = ReadConfig(**got);
    ASSERT_TRUE(config.ok()) << config.status();
    ASSERT_TRUE(CheckTensors(*config, **got).ok());
    EXPECT_EQ((*got)->tensors().size(), (*want)->tensors().size());
    for (const StoredTensor& t : (*want)->tensors()) {
      const StoredTensor* other = (*got)->Find(t.name);
      ASSERT_NE(other, nullptr) << t.name;
      EXPECT_EQ(other->shape, t.shape) << t.name;
      EXPECT_EQ(Weights(*other), Weights(t)) << t.name;
    }
    for (const auto& [key, value] : (*want)->gguf()->values()) {
      const GgufValue* other = (*got)->gguf()->Find(key);
      ASSERT_NE(other, nullptr) << key;
      EXPECT_EQ(other->type, value.type) << key;
      EXPECT_EQ(other->integer, value.integer) << key;
      EXPECT_FLOAT_EQ(static_cast<float>(other->number), static_cast<float>(value.number)) << key;
      EXPECT_EQ(other->text, value.text) << key;
      EXPECT_EQ(other->strings, value.strings) << key;
      EXPECT_EQ(other->count, value.count) << key;
    }
    EXPECT_FLOAT_EQ(
        static_cast<float>((*got)->gguf()->GetNumber("general.sampling.temp").value()), 0.6f);
  }
}

TEST_F(Convert, MtpBlocksCanBeLeftOut) {
  folder_.WriteAll(MakeTinyFolder({.mtp = true}));
  ASSERT_TRUE(Run({.type = DType::kQ8_0, .keep_mtp = false}).ok());
  const auto c = Checkpoint::Open(Out());
  ASSERT_TRUE(c.ok());
  EXPECT_EQ((*c)->Find("blk.2.nextn.eh_proj.weight"), nullptr);
  EXPECT_EQ((*c)->gguf()->GetInt("deepseek2.block_count", 0, 9).value(), 2);
}

// What each preset gives where rows are too narrow for K blocks.
TEST_F(Convert, PresetsChooseTypesByRole) {
  folder_.WriteAll(MakeTinyFolder({}));
  const auto in = Checkpoint::Open(folder_.path());
  ASSERT_TRUE(in.ok());
  const auto config = ReadConfig(**in);
  ASSERT_TRUE(config.ok());
  const auto type = [&](DType preset, const char* name) {
    for (const OutTensor& t : PlanTensors(*config, **in, {.type = preset})) {
      if (t.name == name) return t.dtype;
    }
    return DType::kI32;
  };
  // Rows of 64 weights: no K block fits.
  EXPECT_EQ(type(DType::kQ4_K, "blk.0.ffn_up.weight"), DType::kQ5_0);
  EXPECT_EQ(type(DType::kQ5_K, "blk.0.ffn_up.weight"), DType::kQ5_1);
  EXPECT_EQ(type(DType::kQ6_K, "blk.0.ffn_up.weight"), DType::kQ8_0);
  EXPECT_EQ(type(DType::kQ4_0, "blk.0.ffn_up.weight"), DType::kQ4_0);
  EXPECT_EQ(type(DType::kQ8_0, "blk.0.attn_k_b.weight"), DType::kQ8_0);
  for (const char* name : {"blk.0.attn_norm.weight", "blk.1.ffn_gate_inp.weight",
                           "blk.1.exp_probs_b.bias", "output_norm.weight"}) {
    EXPECT_EQ(type(DType::kQ8_0, name), DType::kF32) << name;
  }
  EXPECT_EQ(type(DType::kF16, "output.weight"), DType::kF16);
}

// Rows of 256: every preset is written, read back and close to the source, K types as themselves.
TEST_F(Convert, EveryTypeWithWideRows) {
  folder_.WriteAll(MakeTinyFolder({.hidden = 256, .ffn = 256, .expert_ffn = 256}));
  const auto in = Checkpoint::Open(folder_.path());
  ASSERT_TRUE(in.ok());
  // Root mean square of the error over that of the weights: half a step of 4 bits is about 0.1.
  const std::vector<std::pair<DType, double>> presets = {
      {DType::kQ8_0, 0.01}, {DType::kQ4_0, 0.15}, {DType::kQ4_K, 0.12},
      {DType::kQ6_K, 0.03}, {DType::kF16, 0.001}, {DType::kBF16, 0.005}};
  for (const auto& [preset, bound] : presets) {
    ASSERT_TRUE(Run({.type = preset}).ok()) << Traits(preset).name;
    const auto out = Checkpoint::Open(Out());
    ASSERT_TRUE(out.ok()) << out.status();
    const auto config = ReadConfig(**out);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(CheckTensors(*config, **out).ok());
    for (const char* name : {"blk.0.ffn_up.weight", "blk.1.ffn_up_exps.weight"}) {
      const StoredTensor* to = (*out)->Find(name);
      ASSERT_NE(to, nullptr);
      EXPECT_EQ(to->dtype, preset) << name << " is " << Traits(to->dtype).name;
      const std::vector<float> wanted = Weights(*(*in)->Find(name)), got = Weights(*to);
      ASSERT_EQ(got.size(), wanted.size());
      double error = 0, whole = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
        whole += wanted[i] * wanted[i];
      }
      EXPECT_LT(std::sqrt(error / whole), bound) << name << " as " << Traits(preset).name;
    }
  }
}

TEST_F(Convert, NothingIsLeftBehindWhenCancelled) {
  folder_.WriteAll(MakeTinyFolder({}));
  uint64_t calls = 0;
  const absl::Status status = Run({.progress = [&](uint64_t, uint64_t) { return ++calls < 3; }});
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  const auto names = ListFiles(folder_.path());
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) EXPECT_EQ(name.find("out.gguf"), name.npos) << name;
}

TEST_F(Convert, TypesByName) {
  EXPECT_EQ(ParseConvertType("q4_k").value(), DType::kQ4_K);
  EXPECT_EQ(ParseConvertType("BF16").value(), DType::kBF16);
  EXPECT_HAS(ParseConvertType("q3_k").status().message(), "'q3_k'");
}

TEST_F(Convert, WhatTheFormatCannotSayIsRefused) {
  const auto files = MakeTinyFolder({});
  const auto with = [&](const std::function<void(Json&)>& change) {
    folder_.WriteAll(files);
    Json json = Json::parse(files.at("tokenizer.json"));
    change(json);
    folder_.Write("tokenizer.json", json.dump());
    return Error();
  };
  EXPECT_EQ(with([](Json&) {}), "");
  EXPECT_HAS(with([](Json& j) { j["model"]["type"] = "Unigram"; }), "byte-level BPE");
  EXPECT_HAS(with([](Json& j) { j["pre_tokenizer"] = Json(); }), "pre_tokenizer");
  EXPECT_HAS(with([](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; }),
             "Other \\p{N}{1,3}");
  EXPECT_HAS(with([](Json& j) { j["model"]["ignore_merges"] = true; }), "ignore_merges");
  EXPECT_HAS(with([](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }), "Lowercase");
  EXPECT_HAS(with([](Json& j) { j["model"]["vocab"]["new"] = 300; }), "the id 300");
  EXPECT_HAS(with([](Json& j) { j["model"]["vocab"]["new"] = -1; }), "the id -1");
  EXPECT_HAS(with([](Json& j) { j["model"]["vocab"]["new"] = "x"; }), "the id");
  EXPECT_HAS(with([](Json& j) { j["model"]["merges"] = Json::array({7}); }), "merges[0]");
  EXPECT_HAS(with([](Json& j) { j["added_tokens"] = 7; }), "added_tokens");
  folder_.Write("tokenizer.json", "");
  EXPECT_HAS(Error(), "no tokenizer.json");
  const std::string gguf = MakeTinyGguf({});
  const auto in = Checkpoint::FromMemory(AsBytes(gguf));
  ASSERT_TRUE(in.ok());
  EXPECT_HAS(ConvertToGguf(**in, {.out_path = Out()}).message(), "GGUF file already");
}

Json Split(const char* regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"},
          {"invert", false}};
}
Json Tokenizer(Json steps) {
  return {{"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}}}};
}

TEST(PreTokenizer, NamesOfTheKnownFamilies) {
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const Json split_bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const char* llama =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const char* qwen =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  EXPECT_EQ(PreTokenizerName(Tokenizer(Json::array({Split(llama), bytes}))).value(), "llama-bpe");
  EXPECT_EQ(PreTokenizerName(Tokenizer(Json::array({Split(qwen), bytes}))).value(), "qwen2");
  Json distilled = Tokenizer(Json::array({Split(qwen), bytes}));
  distilled["added_tokens"] = Json::array({Json{{"content", "<｜begin▁of▁sentence｜>"}}});
  EXPECT_EQ(PreTokenizerName(distilled).value(), "deepseek-r1-qwen");
  EXPECT_EQ(PreTokenizerName(Tokenizer(Json::array({digits, split_bytes}))).value(), "smollm");
  EXPECT_EQ(PreTokenizerName({{"pre_tokenizer", split_bytes}}).value(), "gpt-2");
  EXPECT_EQ(PreTokenizerName(Tokenizer(Json::array(
                {Split(R"([\r\n])"), Split(R"(\s?\p{L}+)"), Split(R"(\s?\p{P}+)"),
                 Split("[一-龥ࠀ-一가-퟿]+"), Split(R"(\p{N})"), bytes}))).value(),
            "deepseek-coder");
  EXPECT_EQ(PreTokenizerName(Tokenizer(Json::array(
                {Split(R"([\r\n])"), Split(R"(\s?[A-Za-zµÀ-Ö]+)"), Split(R"(\s?[!-/:-~！-／]+)"),
                 Split(R"(\s+$)"), Split("[一-龥ࠀ-一가-퟿]+"), digits, bytes}))).value(),
            "deepseek-llm");
  EXPECT_FALSE(PreTokenizerName(Tokenizer(Json::array({Split("x"), bytes}))).ok());
  EXPECT_FALSE(PreTokenizerName(Tokenizer(Json::array({7}))).ok());
  EXPECT_FALSE(PreTokenizerName(Tokenizer(7)).ok());
}

}  // namespace
}  // namespace raison
