// Configs from both containers, YaRN's published numbers, refusals by name, and the tensor check.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include <nlohmann/json.hpp>

#include "core/file/checkpoint.h"
#include "core/file/gguf_writer.h"
#include "core/model/config.h"
#include "core/model/config/rope.h"
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

absl::StatusOr<Config> Load(const std::string& path) {
  RSN_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(path));
  RSN_ASSIGN_OR_RETURN(Config config, ReadConfig(*checkpoint));
  RSN_RETURN_IF_ERROR(CheckTensors(config, *checkpoint));
  return config;
}

class FolderConfig {
 public:
  explicit FolderConfig(const TinyModel& model) : files_(MakeTinyFolder(model)) {
    folder_.WriteAll(files_);
  }
  // The config after `change` to config.json.
  absl::StatusOr<Config> With(const std::function<void(Json&)>& change) {
    Json json = Json::parse(files_.at("config.json"));
    change(json);
    folder_.Write("config.json", json.dump());
    return Load(folder_.path());
  }
  std::string Error(const char* key, Json value) {
    const auto c = With([&](Json& json) { json[key] = value; });
    return c.ok() ? "OK" : std::string(c.status().message());
  }

 private:
  std::map<std::string, std::string> files_;
  TempFolder folder_;
};

TEST(Config, BothContainersGiveTheSame) {
  for (const TinyKind kind :
       {TinyKind::kLlama, TinyKind::kQwen2, TinyKind::kDeepseekV2, TinyKind::kDeepseekV3}) {
    const bool v3 = kind == TinyKind::kDeepseekV3;
    const TinyModel model{.kind = kind, .q_lora = v3, .yarn = v3, .mtp = v3,
                          .tied = kind == TinyKind::kLlama,
                          .llama3_rope = kind == TinyKind::kLlama};
    FolderConfig folder(model);
    const auto hf = folder.With([](Json&) {});
    ASSERT_TRUE(hf.ok()) << hf.status();
    const std::string file = MakeTinyGguf(model);
    const auto checkpoint = Checkpoint::FromMemory(AsBytes(file));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    const auto gguf = ReadConfig(**checkpoint);
    ASSERT_TRUE(gguf.ok()) << gguf.status();
    ASSERT_TRUE(CheckTensors(*gguf, **checkpoint).ok());
    EXPECT_EQ(hf->architecture, gguf->architecture);
    EXPECT_EQ(hf->model_type, gguf->model_type);
    EXPECT_EQ(hf->vocab_size, gguf->vocab_size);
    EXPECT_EQ(hf->hidden_size, gguf->hidden_size);
    EXPECT_EQ(hf->intermediate_size, gguf->intermediate_size);
    EXPECT_EQ(hf->num_hidden_layers, gguf->num_hidden_layers);
    EXPECT_EQ(hf->num_nextn_predict_layers, v3 ? 1u : 0u);
    EXPECT_EQ(gguf->num_nextn_predict_layers, v3 ? 1u : 0u);
    EXPECT_EQ(hf->num_attention_heads, gguf->num_attention_heads);
    EXPECT_EQ(hf->num_key_value_heads, gguf->num_key_value_heads);
    EXPECT_EQ(hf->head_dim, gguf->head_dim);
    EXPECT_EQ(hf->tie_word_embeddings, gguf->tie_word_embeddings);
    EXPECT_EQ(hf->attention_bias, gguf->attention_bias);
    EXPECT_FLOAT_EQ(hf->attention_scale, gguf->attention_scale);
    EXPECT_FLOAT_EQ(hf->rms_norm_eps, gguf->rms_norm_eps);
    EXPECT_EQ(hf->rope.scaling, gguf->rope.scaling);
    EXPECT_DOUBLE_EQ(hf->rope.magnitude, gguf->rope.magnitude);
    ASSERT_EQ(hf->rope.frequencies.size(), gguf->rope.frequencies.size());
    for (size_t i = 0; i < hf->rope.frequencies.size(); ++i) {
      EXPECT_NEAR(hf->rope.frequencies[i], gguf->rope.frequencies[i],
                  1e-6 * hf->rope.frequencies[i]);
    }
    // The one difference: llama's rows are permuted in GGUF files.
    EXPECT_EQ(hf->rope.interleaved, kind != TinyKind::kLlama && gguf->rope.interleaved);
    EXPECT_EQ(hf->moe.n_routed_experts, gguf->moe.n_routed_experts);
    EXPECT_EQ(hf->moe.n_group, gguf->moe.n_group);
    EXPECT_EQ(hf->moe.topk_group, gguf->moe.topk_group);
    EXPECT_EQ(hf->moe.topk_method, gguf->moe.topk_method);
    EXPECT_EQ(hf->moe.scoring_func, gguf->moe.scoring_func);
    EXPECT_EQ(hf->moe.norm_topk_prob, gguf->moe.norm_topk_prob);
    EXPECT_EQ(hf->moe.routed_scaling_factor, gguf->moe.routed_scaling_factor);
    EXPECT_EQ(hf->moe.masked_groups_are_zero, gguf->moe.masked_groups_are_zero);
    EXPECT_EQ(hf->mla.q_lora_rank, gguf->mla.q_lora_rank);
    EXPECT_EQ(hf->mla.kv_lora_rank, gguf->mla.kv_lora_rank);
    EXPECT_EQ(hf->mla.qk_nope_head_dim, gguf->mla.qk_nope_head_dim);
    EXPECT_EQ(hf->mla.qk_rope_head_dim, gguf->mla.qk_rope_head_dim);
    EXPECT_EQ(hf->mla.v_head_dim, gguf->mla.v_head_dim);
    EXPECT_EQ(hf->KvWidth(), gguf->KvWidth());
  }
}

TEST(Config, JoinedAndSplitKvBReadAlike) {
  for (const bool joined : {false, true}) {
    const std::string file = MakeTinyGguf({.joined_kv_b = joined});
    const auto checkpoint = Checkpoint::FromMemory(AsBytes(file));
    ASSERT_TRUE(checkpoint.ok());
    const auto c = ReadConfig(**checkpoint);
    ASSERT_TRUE(c.ok()) << c.status();
    EXPECT_EQ(c->mla.qk_nope_head_dim, 32u);
    EXPECT_EQ(c->mla.v_head_dim, 32u);
    EXPECT_EQ(c->num_key_value_heads, 2u);
    EXPECT_TRUE(CheckTensors(*c, **checkpoint).ok());
  }
}

// DeepSeek-V3: factor 40 of 4096, rotated dimension 64: the ramp runs from 10 to 23.
TEST(Rope, YarnHasThePublishedBounds) {
  RopeConfig rope{.dimension = 64};
  SetPlainFrequencies(rope);
  const std::vector<double> plain = rope.frequencies;
  ApplyYarn(rope, {.factor = 40, .original_max_position_embeddings = 4096, .mscale = 1,
                   .mscale_all_dim = 1});
  EXPECT_EQ(rope.magnitude, 1);
  EXPECT_EQ(rope.frequencies[10], plain[10]);
  EXPECT_LT(rope.frequencies[11], plain[11]);
  EXPECT_GT(rope.frequencies[22], plain[22] / 40 * 1.0001);
  EXPECT_DOUBLE_EQ(rope.frequencies[23], plain[23] / 40);
  const double ramp = 1.0 / 13;
  EXPECT_DOUBLE_EQ(rope.frequencies[11], plain[11] / 40 * ramp + plain[11] * (1 - ramp));
  EXPECT_NEAR(std::pow(YarnMscale(40, 1), 2), 1.8738542, 1e-7);
  EXPECT_NEAR(std::pow(YarnMscale(40, 0.707), 2), 1.5896262, 1e-7);
  // Without the two mscale keys the magnitude stays; gpt-oss: 1.3465736.
  RopeConfig other{.dimension = 64, .rope_theta = 150000};
  SetPlainFrequencies(other);
  ApplyYarn(other, {.factor = 32, .original_max_position_embeddings = 4096, .truncate = false});
  EXPECT_NEAR(other.magnitude, 1.3465736, 1e-7);
  const double low = 8.0927791, high = 17.3980245;
  const double base = std::pow(150000, -2.0 * 9 / 64), t = (9 - low) / (high - low);
  EXPECT_NEAR(other.frequencies[9], base / 32 * t + base * (1 - t), 1e-9);
}

TEST(Rope, Llama3KeepsShortAndStretchesLongWavelengths) {
  RopeConfig rope{.dimension = 128, .rope_theta = 500000};
  SetPlainFrequencies(rope);
  const std::vector<double> plain = rope.frequencies;
  ApplyLlama3(rope, {.factor = 8});
  EXPECT_EQ(rope.frequencies[0], plain[0]);
  EXPECT_DOUBLE_EQ(rope.frequencies[63], plain[63] / 8);
  int between = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_LE(rope.frequencies[i], plain[i]);
    EXPECT_GE(rope.frequencies[i], plain[i] / 8 * (1 - 1e-12));
    between += rope.frequencies[i] < plain[i] && rope.frequencies[i] > plain[i] / 8 * 1.0001;
  }
  EXPECT_GE(between, 5);
}

TEST(Config, UnsupportedOptionsAreRefusedByName) {
  FolderConfig v3({});
  const struct {
    const char* key;
    Json value;
    const char* error;
  } kCases[] = {
      {"model_type", "mamba", "'model_type' is mamba"},
      {"model_type", Json(), "'model_type' is missing"},
      {"hidden_act", "gelu", "is gelu"},
      {"attention_bias", true, "'attention_bias'"},
      {"index_topk", 2048, "'index_topk'"},
      {"attn_logit_softcapping", 30.0, "'attn_logit_softcapping'"},
      {"use_sliding_window", true, "'use_sliding_window'"},
      {"scoring_func", "softplus", "'scoring_func'"},
      {"scoring_func", "softmax", "contradict"},
      {"topk_method", "random", "'topk_method'"},
      {"topk_method", "greedy", "contradict"},
      {"moe_layer_freq", 2, "'moe_layer_freq'"},
      {"n_group", 3, "does not divide"},
      {"topk_group", 3, "topk_group 3"},
      {"num_experts_per_tok", 4, "num_experts_per_tok 4"},
      {"num_local_experts", 5, "n_routed_experts"},
      {"hidden_size", 0, "'hidden_size'"},
      {"hidden_size", 64.0, "'hidden_size'"},
      {"hidden_size", "64", "is string \"64\""},
      {"num_hidden_layers", 1000000, "'num_hidden_layers'"},
      {"num_hidden_layers", 3, "blk.2.attn_norm.weight' is missing"},
      {"num_hidden_layers", 1, "does not belong"},
      {"vocab_size", 301, "token_embd.weight' has the shape (300, 64)"},
      {"kv_lora_rank", 64, "attn_kv_a_mqa.weight"},
      {"q_lora_rank", Json(), "attn_q.weight' is missing"},
      {"rms_norm_eps", 0, "rms_norm_eps"},
      {"rms_norm_eps", -1e-6, "rms_norm_eps"},
      {"rope_theta", 0, "rope_theta"},
      {"rope_scaling", {{"type", "longrope"}}, "is longrope"},
      {"rope_scaling", {{"type", "linear"}, {"factor", 2}}, "is linear"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", -1}}, "'rope_scaling.factor'"},
      {"rope_scaling", 7, "wanted an object"},
      {"qk_rope_head_dim", 15, "even number"},
      {"routed_scaling_factor", -1, "routed_scaling_factor"},
      {"layer_types", {"full_attention", "linear_attention"}, "'layer_types'"},
      {"text_config", Json::object(), "'text_config'"},
  };
  EXPECT_EQ(v3.Error("unknown_key", 1), "OK");
  for (const auto& c : kCases) {
    EXPECT_HAS(v3.Error(c.key, c.value), c.error) << c.key;
  }
  FolderConfig v2({.kind = TinyKind::kDeepseekV2});
  EXPECT_HAS(v2.Error("norm_topk_prob", true), "norm_topk_prob");
  FolderConfig llama({.kind = TinyKind::kLlama});
  EXPECT_HAS(llama.Error("num_local_experts", 8), "8 experts");
  EXPECT_HAS(llama.Error("attention_bias", true), "'attention_bias'");
  EXPECT_HAS(llama.Error("mlp_bias", true), "'mlp_bias'");
  EXPECT_HAS(llama.Error("partial_rotary_factor", 0.5), "'partial_rotary_factor'");
  EXPECT_HAS(llama.Error("num_key_value_heads", 3), "does not divide");
  EXPECT_HAS(llama.Error("head_dim", 16), "attn_q.weight");
  EXPECT_HAS(llama.Error("rope_parameters", {{"full_attention", Json::object()}}),
              "one set of values");
}

TEST(Config, NewerRopeParametersAreRead) {
  FolderConfig llama({.kind = TinyKind::kLlama});
  const auto c = llama.With([](Json& json) {
    json.erase("rope_theta");
    json["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 4}, {"rope_theta", 5000}};
  });
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(c->rope.rope_theta, 5000);
  EXPECT_EQ(c->rope.frequencies[0], 0.25);
}

TEST(Config, MtpKeyWithoutTheLayerCountsForNothing) {
  FolderConfig v3({});
  const auto c = v3.With([](Json& json) { json["num_nextn_predict_layers"] = 1; });
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(c->num_nextn_predict_layers, 0u);
}

// Header-only files: the keys decide before any tensor is looked at.
std::string Deepseek(const std::function<void(GgufWriter&)>& more) {
  GgufWriter out;
  out.AddString("general.architecture", "deepseek2");
  for (const char* key : {"block_count", "attention.head_count", "leading_dense_block_count"}) {
    out.AddUint32(std::string("deepseek2.") + key, 1);
  }
  for (const char* key : {"context_length", "embedding_length", "feed_forward_length",
                          "attention.kv_lora_rank", "expert_feed_forward_length"}) {
    out.AddUint32(std::string("deepseek2.") + key, 4096);
  }
  out.AddUint32("deepseek2.attention.key_length", 192);
  out.AddUint32("deepseek2.attention.value_length", 128);
  out.AddUint32("deepseek2.rope.dimension_count", 64);
  out.AddFloat32("deepseek2.attention.layer_norm_rms_epsilon", 1e-6f);
  more(out);
  out.AddTensor("token_embd.weight", DType::kF32, {2, 4});
  return out.Header() + std::string(32, '\0');
}
absl::StatusOr<Config> ReadDeepseek(const std::function<void(GgufWriter&)>& more) {
  const std::string file = Deepseek(more);
  RSN_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::FromMemory(AsBytes(file)));
  return ReadConfig(*checkpoint);
}

TEST(Config, OldFilesWithoutGroupKeysGetTheModelsOwnGroups) {
  const auto experts = [](uint32_t count, uint32_t gating) {
    return ReadDeepseek([&](GgufWriter& out) {
      out.AddUint32("deepseek2.expert_count", count);
      out.AddUint32("deepseek2.expert_used_count", 6);
      out.AddUint32("deepseek2.expert_gating_func", gating);
    });
  };
  const auto v3 = experts(256, 2), v2 = experts(160, 1), lite = experts(64, 1);
  ASSERT_TRUE(v3.ok() && v2.ok() && lite.ok()) << v3.status() << v2.status() << lite.status();
  EXPECT_EQ(v3->moe.n_group, 8u);
  EXPECT_EQ(v3->moe.topk_group, 4u);
  EXPECT_EQ(v3->moe.topk_method, TopkMethod::kNoauxTc);
  EXPECT_FALSE(v3->moe.masked_groups_are_zero);
  ASSERT_EQ(v3->notes.size(), 1u);
  EXPECT_HAS(v3->notes[0], "expert_group_count");
  EXPECT_EQ(v2->moe.n_group, 8u);
  EXPECT_EQ(v2->moe.topk_group, 3u);
  EXPECT_EQ(v2->moe.topk_method, TopkMethod::kGroupLimitedGreedy);
  EXPECT_EQ(lite->moe.n_group, 1u);
  EXPECT_EQ(lite->moe.topk_method, TopkMethod::kGreedy);
  EXPECT_TRUE(lite->notes.empty());
  EXPECT_HAS(std::string(experts(64, 3).status().message()), "expert_gating_func");
}

TEST(Config, AKeyThatIsAbsentCanBeRefused) {
  const auto c = ReadDeepseek(
      [](GgufWriter& out) { out.AddFloat32("deepseek2.rope.scale_linear", 4); });
  EXPECT_HAS(std::string(c.status().message()), "rope.scaling.type' is absent");
}

TEST(Config, YarnInDeepseek2NeedsItsLogMultiplier) {
  const auto yarn = [](bool multiplier) {
    return ReadDeepseek([&](GgufWriter& out) {
      out.AddString("deepseek2.rope.scaling.type", "yarn");
      out.AddFloat32("deepseek2.rope.scaling.factor", 40);
      out.AddUint32("deepseek2.rope.scaling.original_context_length", 4096);
      if (multiplier) out.AddFloat32("deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f);
    });
  };
  EXPECT_HAS(std::string(yarn(false).status().message()), "yarn_log_multiplier");
  const auto c = yarn(true);
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_NEAR(c->attention_scale, 0.1147214, 1e-6);  // V2-Lite
  EXPECT_EQ(c->rope.magnitude, 1);
}

TEST(Config, GgufOptionsAreRefusedByName) {
  const auto error = [](const std::function<void(GgufWriter&)>& more) {
    return std::string(ReadDeepseek(more).status().message());
  };
  EXPECT_HAS(error([](GgufWriter& out) { out.AddFloat32("deepseek2.logit_scale", 2); }),
              "deepseek2.logit_scale");
  EXPECT_HAS(error([](GgufWriter& out) { out.AddString("general.type", "adapter"); }),
              "adapter");
  EXPECT_HAS(error([](GgufWriter& out) { out.AddUint32("deepseek2.vocab_size", 3); }),
              "vocab_size");
  EXPECT_HAS(error([](GgufWriter& out) { out.AddString("deepseek2.rope.freq_base", "x"); }),
              "wanted");
  EXPECT_HAS(error([](GgufWriter& out) { out.AddUint32("deepseek2.nextn_predict_layers", 1); }),
              "nextn_predict_layers");
  GgufWriter other;
  other.AddString("general.architecture", "mamba");
  const std::string file = other.Header();
  const auto checkpoint = Checkpoint::FromMemory(AsBytes(file));
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_HAS(std::string(ReadConfig(**checkpoint).status().message()), "'mamba'");
}

TEST(Config, CacheWidthsOfTheReleasedModels) {
  Config v2_lite{.num_hidden_layers = 27,
                 .mla = {.kv_lora_rank = 512, .qk_rope_head_dim = 64}};
  EXPECT_EQ(v2_lite.KvWidth() * v2_lite.num_hidden_layers * 2, 31104u);
  v2_lite.num_hidden_layers = 61;
  EXPECT_EQ(v2_lite.KvWidth() * v2_lite.num_hidden_layers * 2, 70272u);
}

TEST(Config, RecommendedSamplingOfEitherContainer) {
  const TempFolder folder;
  folder.WriteAll(MakeTinyFolder({}));
  const auto c = Checkpoint::Open(folder.path());
  ASSERT_TRUE(c.ok());
  const RecommendedSampling s = ReadRecommendedSampling(**c);
  EXPECT_FLOAT_EQ(s.temperature, 0.6f);
  EXPECT_FLOAT_EQ(s.top_p, 0.95f);
  EXPECT_TRUE(std::isnan(s.min_p));
  EXPECT_EQ(s.top_k, -1);
  GgufWriter out;
  out.AddFloat32("general.sampling.temp", 0.5f);
  out.AddUint32("general.sampling.top_k", 40);
  out.AddFloat32("general.sampling.top_p", 7);  // no probability: no recommendation
  const std::string file = out.Header();
  const auto gguf = Checkpoint::FromMemory(AsBytes(file));
  ASSERT_TRUE(gguf.ok());
  const RecommendedSampling g = ReadRecommendedSampling(**gguf);
  EXPECT_FLOAT_EQ(g.temperature, 0.5f);
  EXPECT_EQ(g.top_k, 40);
  EXPECT_TRUE(std::isnan(g.top_p));
}

}  // namespace
}  // namespace raison
