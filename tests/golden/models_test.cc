// Random models of every architecture that runs, against transformers' logits, routing and greedy
// tokens. wrong_variants.md lists which of these tests fails for which mistake: the test's name
// holds the model's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/backend/far/far_backend.h"
#include "core/backend/registry.h"
#include "core/model/evaluate.h"
#include "tests/golden/golden_file.h"

namespace raison {
namespace {

constexpr const char* kModels[] = {"llama",
                                   "llama_llama3_tied",
                                   "llama_linear",
                                   "qwen2",
                                   "qwen2_yarn",
                                   "deepseek_v3",
                                   "deepseek_v3_no_q_lora",
                                   "deepseek_v3_magnitude",
                                   "deepseek_v3_negative_bias",
                                   "deepseek_v3_zero_mask",
                                   "deepseek_v3_small_values",
                                   "deepseek_v2",
                                   "deepseek_v2_groups"};

class Golden : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override {
    const auto [name, device] = GetParam();
    if (auto s = RegisterBackend("far", &OpenFarBackend); !s.ok()) {
      ASSERT_TRUE(absl::IsAlreadyExists(s)) << s;
    }
    golden_ = golden::ReadJson(golden::SourcePath("models/" + std::string(name) + ".json"));
    prompts_ = golden::ReadPrompts(golden_);
    const std::string parent = testing::TempDir() + "raison_golden_" + device;
    ModelOptions options;
    options.device = device;
    options.backend_path = RAISON_PLUGIN_FOLDER;
    options.threads = 2;
    options.kv_type = DType::kF32;
    options.context_length = 128;
    auto model = Model::Load(golden::WriteModelFolder(name, parent), options);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  Evaluation Run(const golden::Prompt& prompt, uint32_t chunk) {
    auto result = Evaluate(*model_, prompt.Tokens(),
                           {.chunk = chunk, .routing = model_->config().moe.n_routed_experts > 0});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : Evaluation();
  }

  nlohmann::json golden_;
  std::vector<golden::Prompt> prompts_;
  std::shared_ptr<Model> model_;
};

void CompareLogits(const golden::Prompt& prompt, const Evaluation& ours) {
  ASSERT_EQ(ours.logits.size(), prompt.Tokens().size());
  float largest = 0;
  for (size_t i = 0; i < prompt.rows.size(); ++i) {
    const std::vector<float>& row = ours.logits[prompt.rows[i]];
    ASSERT_EQ(row.size(), prompt.logits[i].size());
    float worst = 0;
    for (size_t j = 0; j < row.size(); ++j) {
      ASSERT_TRUE(std::isfinite(row[j]));
      worst = std::max(worst, std::fabs(row[j] - prompt.logits[i][j]));
    }
    EXPECT_LE(worst, golden::Tolerance("logits_f32")) << "row " << prompt.rows[i];
    largest = std::max(largest, worst);
  }
  testing::Test::RecordProperty("largest_" + std::to_string(prompt.prompt.size()),
                                std::to_string(largest * 1e6f) + "e-6");
}

void CompareGreedy(const golden::Prompt& prompt, const Evaluation& ours) {
  const size_t n = prompt.prompt.size();
  for (size_t i = 0; i < prompt.greedy.size(); ++i) {
    const std::vector<float>& row = ours.logits[n - 1 + i];
    EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), prompt.greedy[i])
        << "after " << n + i << " tokens";
  }
}

void CompareRouting(const golden::Prompt& prompt, const Evaluation& ours) {
  for (const auto& [layer, rows] : prompt.routing) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::vector<RoutedRow>& routed = ours.routing.at(prompt.rows[i]);
      const auto found = std::find_if(routed.begin(), routed.end(),
                                      [layer](const RoutedRow& r) { return r.layer == layer; });
      ASSERT_NE(found, routed.end()) << "no routing of layer " << layer;
      EXPECT_EQ(found->experts, rows[i].experts) << "layer " << layer << " row " << prompt.rows[i];
      if (found->experts != rows[i].experts) continue;
      for (size_t k = 0; k < found->weights.size(); ++k) {
        EXPECT_NEAR(found->weights[k], rows[i].weights[k], golden::Tolerance("expert_weight"));
      }
    }
  }
}

// A whole prompt in few passes, as sessions process it.
TEST_P(Golden, Prompt) {
  for (const golden::Prompt& prompt : prompts_) {
    const Evaluation ours = Run(prompt, 64);
    CompareLogits(prompt, ours);
    CompareGreedy(prompt, ours);
    CompareRouting(prompt, ours);
  }
}

// Token by token, as sessions decode: for MLA the absorbed form.
TEST_P(Golden, Decode) {
  for (const golden::Prompt& prompt : prompts_) {
    const Evaluation ours = Run(prompt, 1);
    CompareLogits(prompt, ours);
    CompareGreedy(prompt, ours);
    CompareRouting(prompt, ours);
  }
}

// Chunks that fit neither pages nor vectors.
TEST_P(Golden, OddChunks) {
  for (const uint32_t chunk : {5u, 13u})
    CompareLogits(prompts_.back(), Run(prompts_.back(), chunk));
}

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         testing::Combine(testing::ValuesIn(kModels),
                                          testing::Values("reference", "cpu", "far", "composing")),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" +
                                  std::get<1>(info.param);
                         });

}  // namespace
}  // namespace raison
