// Petit, the built-in model: the committed GGUF against transformers in float32 on the same,
// dequantised weights, and against the bfloat16 checkpoint that it was made from.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/model/evaluate.h"
#include "tests/golden/golden_file.h"

namespace raison {
namespace {

struct Worst {
  double logit = 0;       // largest difference of a logit
  double divergence = 0;  // mean over the stored rows
  int rows = 0, flips = 0, routed_elsewhere = 0;
};

class Petit : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ModelOptions options;
    options.device = GetParam();
    options.threads = 2;
    options.kv_type = DType::kF32;
    options.context_length = 512;
    auto model = Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf", options);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  Worst Compare(const std::string& vectors, uint32_t chunk) {
    Worst worst;
    double divergence = 0;
    for (const golden::Prompt& prompt :
         golden::ReadPrompts(golden::ReadJson(golden::SourcePath(vectors)))) {
      auto ours = Evaluate(*model_, prompt.Tokens(), {.chunk = chunk, .routing = true});
      EXPECT_TRUE(ours.ok()) << ours.status();
      if (!ours.ok()) return worst;
      for (size_t i = 0; i < prompt.rows.size(); ++i) {
        const std::vector<float>& row = ours->logits.at(prompt.rows[i]);
        for (size_t j = 0; j < row.size(); ++j) {
          worst.logit = std::max<double>(worst.logit, std::fabs(row[j] - prompt.logits[i].at(j)));
        }
        divergence += golden::Divergence(prompt.logits[i], row);
        ++worst.rows;
        for (const RoutedRow& routed : ours->routing.at(prompt.rows[i])) {
          worst.routed_elsewhere += routed.experts != prompt.routing.at(routed.layer).at(i).experts;
        }
      }
      for (size_t i = 0; i < prompt.greedy.size(); ++i) {
        const std::vector<float>& row = ours->logits.at(prompt.prompt.size() - 1 + i);
        worst.flips += std::max_element(row.begin(), row.end()) - row.begin() != prompt.greedy[i];
      }
    }
    worst.divergence = divergence / worst.rows;
    RecordProperty("logit", std::to_string(worst.logit));
    RecordProperty("divergence", std::to_string(worst.divergence));
    RecordProperty("routed_elsewhere", worst.routed_elsewhere);
    return worst;
  }

  std::shared_ptr<Model> model_;
};

class PetitReference : public Petit {};

// The oracle multiplies dequantised weights, as transformers does here.
TEST_P(PetitReference, FloatsAsTransformers) {
  const Worst worst = Compare("petit/vectors.json", 64);
  EXPECT_EQ(worst.rows, 18);
  EXPECT_EQ(worst.flips, 0);
  EXPECT_EQ(worst.routed_elsewhere, 0);
  EXPECT_LE(worst.logit, golden::Tolerance("petit_logits_f32"));
}

// Other back ends may quantise activations.
TEST_P(Petit, SameTokensAsTransformers) {
  for (const uint32_t chunk : {64u, 1u}) {
    const Worst worst = Compare("petit/vectors.json", chunk);
    EXPECT_EQ(worst.flips, 0);
    EXPECT_LE(worst.divergence, golden::Tolerance("petit_mean_kl"));
  }
}

// What quantisation to Q8_0 cost.
TEST_P(Petit, CloseToTheCheckpoint) {
  const Worst worst = Compare("petit/checkpoint.json", 64);
  EXPECT_EQ(worst.flips, 0);
  EXPECT_LE(worst.divergence, golden::Tolerance("petit_mean_kl"));
}

INSTANTIATE_TEST_SUITE_P(Devices, PetitReference, testing::Values("reference"),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Devices, Petit, testing::Values("reference", "cpu"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace raison
