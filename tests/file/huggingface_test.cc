// Hugging Face folders: names, stacked experts, templates, and safetensors headers that lie.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/base/dequantize.h"
#include "core/file/checkpoint.h"
#include "core/file/hf_names.h"
#include "core/file/safetensors.h"
#include "tests/support/expect.h"
#include "tests/support/tiny_model.h"

namespace raison {
namespace {

using testing::AsBytes;
using testing::MakeTinyFolder;
using testing::MakeTinyGguf;
using testing::TempFolder;
using testing::TinyKind;
using testing::TinyModel;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(HuggingFaceNames, MapToGguf) {
  const auto gguf = [](const char* name) { return MapHuggingFaceName(name).gguf; };
  EXPECT_EQ(gguf("model.embed_tokens.weight"), "token_embd.weight");
  EXPECT_EQ(gguf("lm_head.weight"), "output.weight");
  EXPECT_EQ(gguf("model.layers.12.self_attn.kv_b_proj.weight"), "blk.12.attn_kv_b.weight");
  EXPECT_EQ(gguf("model.layers.3.mlp.gate.e_score_correction_bias"), "blk.3.exp_probs_b.bias");
  EXPECT_EQ(gguf("model.layers.61.shared_head.norm.weight"), "blk.61.nextn.shared_head_norm.weight");
  const MappedName expert = MapHuggingFaceName("model.layers.3.mlp.experts.255.down_proj.weight");
  EXPECT_EQ(expert.gguf, "blk.3.ffn_down_exps.weight");
  EXPECT_EQ(expert.expert, 255);
  EXPECT_TRUE(MapHuggingFaceName("model.layers.0.self_attn.rotary_emb.inv_freq").ignored);
  // Unknown names stay as they are, and are refused where the config is known.
  for (const char* name : {"model.layers.0.strange.weight", "model.layers.x.input_layernorm.weight",
                           "model.layers.01.input_layernorm.weight", "model.layers.-1.mlp.gate.weight",
                           "model.layers.0.mlp.experts.1.strange.weight", "model.layers.", "",
                           "model.layers.99999999999999999999.mlp.gate.weight"}) {
    EXPECT_EQ(gguf(name), name);
    EXPECT_EQ(MapHuggingFaceName(name).expert, -1);
  }
}

TEST(HuggingFace, SameTensorsAsTheGguf) {
  for (const TinyKind kind : {TinyKind::kQwen2, TinyKind::kDeepseekV2, TinyKind::kDeepseekV3}) {
    TinyModel model{.kind = kind, .joined_kv_b = true};
    model.mtp = kind == TinyKind::kDeepseekV3;
    const TempFolder folder;
    folder.WriteAll(MakeTinyFolder(model));
    const std::string file = MakeTinyGguf(model);
    const auto a = Checkpoint::Open(folder.path());
    const auto b = Checkpoint::FromMemory(AsBytes(file));
    ASSERT_TRUE(a.ok()) << a.status();
    ASSERT_TRUE(b.ok()) << b.status();
    EXPECT_EQ((*a)->tensors().size(), (*b)->tensors().size());
    for (const StoredTensor& t : (*b)->tensors()) {
      const StoredTensor* other = (*a)->Find(t.name);
      ASSERT_NE(other, nullptr) << t.name;
      EXPECT_EQ(other->shape, t.shape) << t.name;
      ASSERT_EQ(other->bytes(), t.bytes()) << t.name;
      size_t at = 0;
      for (const auto& part : other->parts) {
        EXPECT_EQ(std::memcmp(part.data(), t.parts[0].data() + at, part.size()), 0) << t.name;
        at += part.size();
      }
      (*a)->Release(*other);
    }
    EXPECT_HAS((*a)->tokenizer_json_text(), "\"merges\"");
    ASSERT_NE((*a)->chat_template(), nullptr);
    EXPECT_EQ(*(*a)->chat_template(), *(*b)->chat_template());
  }
}

TEST(HuggingFace, TemplatePrecedence) {
  const TempFolder folder;
  folder.WriteAll(MakeTinyFolder({.kind = TinyKind::kLlama}));
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "A"},
                                            {"name": "tool_use", "template": "B"}]})");
  auto c = Checkpoint::Open(folder.path());
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(*(*c)->chat_template(), "A");
  EXPECT_EQ(*(*c)->chat_template("tool_use"), "B");
  folder.Write("chat_template.jinja", "C");
  std::filesystem::create_directory(folder.path() + "/additional_chat_templates");
  folder.Write("additional_chat_templates/rag.jinja", "D");
  c = Checkpoint::Open(folder.path());
  ASSERT_TRUE(c.ok());
  EXPECT_EQ(*(*c)->chat_template(), "C");
  EXPECT_EQ(*(*c)->chat_template("tool_use"), "B");
  EXPECT_EQ(*(*c)->chat_template("rag"), "D");
  EXPECT_EQ((*c)->chat_template("none"), nullptr);
  folder.Write("tokenizer_config.json", R"({"chat_template": 7})");
  EXPECT_HAS(Message(Checkpoint::Open(folder.path()).status()), "'chat_template' is number 7");
}

std::string Header(const std::string& json, size_t data) {
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + json + std::string(data, '\1');
}
std::string SafetensorsError(const std::string& file) {
  return Message(ParseSafetensors(AsBytes(file), "m.safetensors").status());
}

TEST(Safetensors, LiesAreRefused) {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const auto parsed = ParseSafetensors(AsBytes(Header(good + "   ", 8)), "m");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[0].shape, std::vector<int64_t>{2});
  const struct {
    const char* json;
    size_t data;
    const char* error;
  } kCases[] = {
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "has 9 bytes of data"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "data_offsets 0, 8"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "needs 12 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "expected a start of 0"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "data_offsets 8, 0"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "expected a start of 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "appears twice"},
      {R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype 'F99'"},
      {R"({"a":{"dtype":"F32","shape":[281474976710656,281474976710656],"data_offsets":[0,8]}})", 8, "overflowing"},
      {R"({"a":{"dtype":"F32","shape":[281474976710657],"data_offsets":[0,8]}})", 8, "dimension"},
      {R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "a negative number"},
      {R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "a fraction"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8, "8 dimensions"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8, "a number"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "needs dtype"},
      {R"({"a":{"dtype":"F32","shape":[2],"offsets":[0,8]}})", 8, "an array"},
      {R"({"a":{"dtype":"F32","shape":[2]}})", 8, "needs dtype"},
      {R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "needs dtype"},
      {R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8, "an array"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8, "a number"},
      {R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "unusual length"},
      {R"({"__metadata__":{"a":1}})", 0, "a number"},
      {R"({"a":7})", 0, "a number"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x)", 8, "not JSON"},
      {R"({"a")", 8, "not JSON"},
      {"[]", 0, "start with '{'"},
      {"{\"\xff\":1}", 0, "not JSON"},
  };
  for (const auto& c : kCases) {
    EXPECT_HAS(SafetensorsError(Header(c.json, c.data)), c.error) << c.json;
  }
  EXPECT_HAS(SafetensorsError("1234567"), "shorter");
  EXPECT_HAS(SafetensorsError(std::string(8, '\xff')), "header length is");
  EXPECT_HAS(SafetensorsError("version https://git-lfs.github.com"), "Git LFS");
  // Deep nesting ends at the first array that does not belong.
  EXPECT_HAS(SafetensorsError(Header("{\"a\":" + std::string(100000, '['), 0)), "array");
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override { folder_.WriteAll(MakeTinyFolder({})); }
  std::string Error() { return Message(Checkpoint::Open(folder_.path()).status()); }
  TempFolder folder_;
};

TEST_F(Folder, IndexAndShardsMustAgree) {
  const auto index = [&](const char* map) {
    folder_.Write("model.safetensors.index.json", absl::StrCat(R"({"weight_map": )", map, "}"));
    return Error();
  };
  EXPECT_HAS(index(R"({"a": "../model.safetensors"})"), "plain file name");
  EXPECT_HAS(index(R"({"a": "/etc/passwd"})"), "plain file name");
  EXPECT_HAS(index(R"({"a": ".."})"), "plain file name");
  EXPECT_HAS(index(R"({"a": 1})"), "plain file name");
  EXPECT_HAS(index("7"), "wanted an object");
  EXPECT_HAS(index(R"({"a": "model.safetensors"})"), "not listed");
  EXPECT_HAS(index(R"({"a": "other.safetensors"})"), "cannot be opened");
}

TEST_F(Folder, MissingPartsAreNamed) {
  folder_.Write("config.json", "{");
  EXPECT_HAS(Error(), "config.json: is not JSON");
  folder_.Write("config.json", "[]");
  EXPECT_HAS(Error(), "not a JSON object");
  folder_.Write("config.json", std::string(100000, '['));
  EXPECT_HAS(Error(), "levels deep");
  folder_.Write("config.json", R"({"quantization_config": {"quant_method": "gptq"}})");
  EXPECT_HAS(Error(), "is gptq");
  std::filesystem::remove(folder_.path() + "/config.json");
  EXPECT_HAS(Error(), "without config.json");
}

TEST_F(Folder, UnsupportedTensorsAreNamed) {
  folder_.Write("model.safetensors",
                Header(R"({"w":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", 8));
  EXPECT_HAS(Error(), "'w' has the dtype F8_E4M3");
  folder_.Write("model.safetensors",
                Header(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4));
  EXPECT_HAS(Error(), "0 dimensions");
  // Expert 1 without expert 0, and an expert of another shape.
  const std::string name = "model.layers.1.mlp.experts.";
  folder_.Write("model.safetensors",
                Header(R"({"model.layers.1.mlp.experts.1.up_proj.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}})", 4));
  EXPECT_HAS(Error(), "expert 0 of 'blk.1.ffn_up_exps.weight' is missing");
  folder_.Write("model.safetensors",
                Header(R"({"model.layers.1.mlp.experts.0.up_proj.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},
                          "model.layers.1.mlp.experts.1.up_proj.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}})", 12));
  EXPECT_HAS(Error(), "differs in dtype or shape");
  folder_.Write("model.safetensors",
                Header(R"({"model.layers.1.mlp.experts.4096.up_proj.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}})", 4));
  EXPECT_HAS(Error(), "the limit is 4096");
}

TEST_F(Folder, FusedExpertsAreCutIntoGateAndUp) {
  folder_.Write("model.safetensors",
                Header(R"({"model.layers.1.mlp.experts.gate_up_proj":{"dtype":"F32","shape":[2,4,3],"data_offsets":[0,96]}})", 96));
  const auto c = Checkpoint::Open(folder_.path());
  ASSERT_TRUE(c.ok()) << c.status();
  const StoredTensor* gate = (*c)->Find("blk.1.ffn_gate_exps.weight");
  const StoredTensor* up = (*c)->Find("blk.1.ffn_up_exps.weight");
  ASSERT_TRUE(gate != nullptr && up != nullptr);
  EXPECT_EQ(gate->shape, (std::vector<int64_t>{2, 2, 3}));
  EXPECT_EQ(up->parts[0].data() - gate->parts[0].data(), 24);
  EXPECT_EQ(gate->parts[1].data() - gate->parts[0].data(), 48);
  EXPECT_EQ(up->parts[1].size(), 24u);
}

}  // namespace
}  // namespace raison
