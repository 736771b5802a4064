// Whole models through the CUDA back end on the emulated card, opened by name as any device is: the
// conformance kit's, replayed decode steps, splits between the card and the CPU, and the default
// placement. A few tokens each: every thread of every kernel is a fiber here.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/model/end_to_end/end_to_end.h"
#include "core/model/end_to_end/random_checkpoint.h"
#include "core/model/model.h"
#include "core/model/transformer.h"
#include "tests/backend/emulated_card.h"
#include "tests/backend/simt/simt.h"

#if !defined(__SANITIZE_ADDRESS__)  // some minutes there
// For the plug-in of simt/plugin.cc.
extern "C" __attribute__((visibility("default"))) int32_t OpenEmulatedCard(
    const rsn_backend_host* host, rsn_backend* backend) {
  return raison::OpenCudaBackend(host, backend);
}

namespace raison {
namespace {

using conformance::RandomKind;

class CudaModelTest : public ::testing::Test {
 protected:
  CudaModelTest() {
    setenv("RAISON_CUBLAS", "off", 1);  // the machine's own would look for a real card
    simt::Install({});
  }
  ~CudaModelTest() override {
    EXPECT_EQ(simt::LastFault(), "");
    EXPECT_EQ(simt::InUse(), simt::Usage{});
  }
  const std::string card_ = EmulatedCard();
};

TEST_F(CudaModelTest, TheKitsModelsAreGreen) {
  for (const char* model : {"random deepseek_v3, Q8_0", "random qwen2, Q4_K"}) {
    const auto card = Device::Open(card_, {}), reference = Device::Open("reference", {});
    ASSERT_TRUE(card.ok() && reference.ok()) << card.status() << reference.status();
    const auto report = conformance::RunEndToEnd(
        {.subject = *card, .reference = *reference, .only = model, .tokens = 64});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->results.size(), 1u) << model;
    EXPECT_TRUE(report->failures.empty()) << FormatEndToEnd(*report);
  }
}

const std::string& Mixture() {
  static const auto* gguf =
      new std::string(conformance::MakeRandomCheckpoint(RandomKind::kDeepseekV3, DType::kQ8_0));
  return *gguf;
}

absl::StatusOr<std::shared_ptr<Model>> Load(ModelOptions options) {
  options.threads = 1;
  options.kv_bytes = uint64_t{8} << 20;
  return Model::LoadMemory({reinterpret_cast<const std::byte*>(Mixture().data()), Mixture().size()},
                           options);
}

// Greedy tokens after a short prompt, and how many of the steps were replayed.
struct Answer {
  std::vector<int32_t> tokens;
  uint64_t replayed = 0;
};

absl::StatusOr<Answer> Continue(const ModelOptions& options, uint32_t count) {
  RSN_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, Load(options));
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<KvCache> cache, model->NewKvCache());
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<Transformer> transformer,
                       model->NewTransformer(cache.get()));
  PageTable pages = cache->NewTable();
  Answer answer;
  std::vector<int32_t> next = {3, 141, 59, 26, 5};
  while (answer.tokens.size() < count) {
    Step step;
    RSN_RETURN_IF_ERROR(pages.Extend(static_cast<uint32_t>(next.size()), &step.copies));
    step.sequences.push_back({.tokens = next, .pages = &pages, .logit_rows = 1});
    std::vector<LogitRow> rows;
    RSN_RETURN_IF_ERROR(transformer->Run(step, /*stop=*/nullptr, &rows));
    next = {rows.at(0).ids.at(0)};
    answer.tokens.push_back(next[0]);
  }
  answer.replayed = transformer->replayed();
  return answer;
}

TEST_F(CudaModelTest, ReplayedStepsAndSplitsGiveTheCpusTokens) {
  constexpr uint32_t kTokens = 8;
  const absl::StatusOr<Answer> want = Continue({.device = "cpu"}, kTokens);
  ASSERT_TRUE(want.ok()) << want.status();
  struct Split {
    std::string device, experts;
  };
  for (const Split& split : {Split{card_, ""},
                             {absl::StrCat(card_, "=1,cpu"), ""},
                             {absl::StrCat("cpu=1,", card_), ""},
                             {absl::StrCat(card_, "=1,", card_), ""},
                             {card_, "cpu"}}) {
    SCOPED_TRACE(absl::StrCat(split.device, " experts ", split.experts));
    const absl::StatusOr<Answer> got =
        Continue({.device = split.device, .experts = split.experts}, kTokens);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->tokens, want->tokens);
    EXPECT_EQ(got->replayed, kTokens - 2);  // the prompt is none, the first is recorded
  }
}

TEST_F(CudaModelTest, ACardThatHoldsTheModelIsTheDefault) {
  const auto placed = [] {
    const auto model = Load({.backend_path = SIMT_PLUGIN});
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? (*model)->placement().Name() : "";
  };
  simt::Install({.memory = size_t{1} << 30});
  EXPECT_EQ(placed(), "emulated:0");
  simt::Install({.memory = size_t{64} << 20});
  EXPECT_EQ(placed(), "cpu");
  simt::Install({.driver = 0});
  EXPECT_EQ(placed(), "cpu");
  simt::Install({});
}

}  // namespace
}  // namespace raison
#endif
