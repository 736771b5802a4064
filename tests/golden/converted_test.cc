// A folder and the GGUF that convert makes of it are the same model: unquantised types reproduce
// the golden vectors, quantised ones stay within a bound. Covers the permuted q and k of llama
// files, the split kv_b and the stacked experts of deepseek2 files, and every key that a GGUF's
// config comes from.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/convert/convert.h"
#include "core/file/checkpoint.h"
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

class Converted : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<Model> Convert(const std::string& type) {
    const std::string parent = testing::TempDir() + "raison_converted";
    auto folder = Checkpoint::Open(golden::WriteModelFolder(GetParam(), parent));
    EXPECT_TRUE(folder.ok()) << folder.status();
    if (!folder.ok()) return nullptr;
    ConvertOptions options;
    options.out_path = parent + "/" + GetParam() + "-" + type + ".gguf";
    options.type = *ParseConvertType(type);
    const absl::Status status = ConvertToGguf(**folder, options);
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return nullptr;
    ModelOptions load;
    load.device = "reference";
    load.kv_type = DType::kF32;
    load.context_length = 128;
    auto model = Model::Load(options.out_path, load);
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }

  std::vector<golden::Prompt> prompts_ = golden::ReadPrompts(
      golden::ReadJson(golden::SourcePath(std::string("models/") + GetParam() + ".json")));
};

TEST_P(Converted, F32KeepsTheModel) {
  const std::shared_ptr<Model> model = Convert("f32");
  ASSERT_NE(model, nullptr);
  for (const golden::Prompt& prompt : prompts_) {
    auto ours = Evaluate(*model, prompt.Tokens());
    ASSERT_TRUE(ours.ok()) << ours.status();
    for (size_t i = 0; i < prompt.rows.size(); ++i) {
      const std::vector<float>& row = ours->logits.at(prompt.rows[i]);
      for (size_t j = 0; j < row.size(); ++j) {
        ASSERT_NEAR(row[j], prompt.logits[i].at(j), golden::Tolerance("logits_f32"))
            << "row " << prompt.rows[i] << " token " << j;
      }
    }
  }
}

// These models are random, so an error moves the routing; trained ones are far less sensitive.
TEST_P(Converted, Q8KeepsTheDistribution) {
  const std::shared_ptr<Model> model = Convert("q8_0");
  ASSERT_NE(model, nullptr);
  double sum = 0;
  int rows = 0;
  for (const golden::Prompt& prompt : prompts_) {
    auto ours = Evaluate(*model, prompt.Tokens());
    ASSERT_TRUE(ours.ok()) << ours.status();
    for (size_t i = 0; i < prompt.rows.size(); ++i, ++rows) {
      sum += golden::Divergence(prompt.logits[i], ours->logits.at(prompt.rows[i]));
    }
  }
  RecordProperty("mean_kl", std::to_string(sum / rows));
  EXPECT_LE(sum / rows, golden::Tolerance("converted_q8_mean_kl"));
}

INSTANTIATE_TEST_SUITE_P(Models, Converted, testing::ValuesIn(kModels),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace raison
