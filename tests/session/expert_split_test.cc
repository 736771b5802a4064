// Routed experts in parts on several devices: the answer is that of the unsplit model, on devices
// that add alike to the bit; the plan tells who has which; what does not add up is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "core/backend/far/far_backend.h"
#include "core/model/end_to_end/random_checkpoint.h"
#include "core/model/evaluate.h"
#include "tests/session/split_fixture.h"
#include "tests/support/tiny_model.h"

namespace raison::testing {
namespace {

constexpr char kPetit[] = RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf";  // 16 experts

ModelOptions On(const Split& split, uint32_t threads = 1) {
  return {.device = split.device, .experts = split.experts, .threads = threads};
}

std::string Named(const Split& split) {
  return absl::StrCat("device ", split.device, ", experts ", split.experts);
}

// A CPU adds each expert to x by itself: where one stops and another goes on changes nothing.
TEST(ExpertSplitTest, PartsOverCpusGiveTheBitsOfOne) {
  const Told want = Answer({.device = "cpu", .threads = 1}, 30);
  for (const Split& split :
       {Split{"cpu", "cpu=3,cpu"}, Split{"cpu", "own=3,cpu"}, Split{"cpu", "cpu=5,cpu=1,cpu=10"},
        Split{"cpu=3,cpu", "cpu=7,cpu"}, Split{"cpu=3,cpu", "own=7,cpu=4,own"}}) {
    SCOPED_TRACE(Named(split));
    ExpectSameTrace(Answer(On(split), 30), want);
  }
}

TEST(ExpertSplitTest, LongPromptsBesideOthersGiveTheBitsOfOne) {
  const std::vector<Told> want = AnswerThree({.device = "cpu", .threads = 1});
  for (const Split& split : {Split{"cpu", "cpu=3,cpu"}, Split{"cpu=3,cpu", "cpu=2,cpu=9,own"}}) {
    SCOPED_TRACE(Named(split));
    const std::vector<Told> got = AnswerThree(On(split));
    for (size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE(i);
      ExpectSameTrace(got[i], want[i]);
    }
  }
}

// An answer, drawn again from a token in its middle with another branch of chance.
std::vector<Told> AnswerTwice(const ModelOptions& model) {
  auto scheduler = MakeScheduler(model);
  auto session = NewSession(scheduler);
  GenerateOptions options = Short(24);
  options.sampling.temperature = 1;
  EXPECT_TRUE(session->Prompt(Ask("What is 2 + 3?"), options).ok());
  const int64_t begin = session->position();
  std::vector<Told> told = {Listen(*session)};
  EXPECT_TRUE(session->Rewind(begin + 9, options).ok());
  told.push_back(Listen(*session));
  EXPECT_GT(scheduler->replayed_passes(), 20u);
  return told;
}

TEST(ExpertSplitTest, RecordedStepsAndRewindsGiveTheBitsOfOne) {
  const std::vector<Told> want = AnswerTwice({.device = "cpu", .threads = 1});
  const std::vector<Told> got = AnswerTwice(On({"cpu", "own=5,cpu=4,cpu"}));
  EXPECT_GT(want[1].tokens.size(), 5u);
  for (size_t i : {0u, 1u}) ExpectSameTrace(got[i], want[i]);
}

// The largest difference of two logits; rows route to the same experts.
double Farthest(const Evaluation& got, const Evaluation& want) {
  double farthest = 0;
  EXPECT_EQ(got.logits.size(), want.logits.size());
  for (size_t r = 0; r < want.logits.size(); ++r) {
    for (size_t i = 0; i < want.logits[r].size(); ++i) {
      farthest = std::max(farthest, std::fabs(double{got.logits[r][i]} - want.logits[r][i]));
    }
    EXPECT_EQ(got.routing[r].size(), want.routing[r].size());
    for (size_t l = 0; l < want.routing[r].size(); ++l) {
      EXPECT_EQ(got.routing[r][l].experts, want.routing[r][l].experts) << "row " << r;
    }
  }
  return farthest;
}

Evaluation Read(const absl::StatusOr<std::shared_ptr<Model>>& model) {
  EXPECT_TRUE(model.ok()) << model.status();
  if (!model.ok()) return {};
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 24; ++i) tokens.push_back(7 + i * 31 % 200);
  auto read = Evaluate(**model, tokens, {.chunk = 5, .routing = true});
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : Evaluation{};
}

// 8 experts of f32. The reference adds a layer's experts in f64: each part more is one more
// rounding.
TEST(ExpertSplitTest, RandomModelsAgreeUpToRounding) {
  Register("far", &OpenFarBackend);
  const std::string gguf =
      conformance::MakeRandomCheckpoint(conformance::RandomKind::kDeepseekV3, DType::kF32);
  const auto read = [&](const Split& split) {
    ModelOptions options = On(split);
    options.kv_type = DType::kF32;
    options.context_length = 64;
    return Read(Model::LoadMemory(AsBytes(gguf), options));
  };
  const Evaluation want = read({"reference", ""});
  for (const Split& split :
       {Split{"reference", "far=3,reference=5"}, Split{"far", "own=3,reference"},
        Split{"reference", "cpu=3,far=4,own"}, Split{"reference=1,far", "far=1,own=6,cpu"}}) {
    SCOPED_TRACE(Named(split));
    EXPECT_LT(Farthest(read(split), want), 4e-6);
  }
  const Evaluation cpu = read({"cpu", ""});
  for (const Split& split : {Split{"cpu", "cpu=3,cpu=5"}, Split{"cpu=1,cpu", "cpu=1,cpu=6,own"}}) {
    SCOPED_TRACE(Named(split));
    EXPECT_EQ(Farthest(read(split), cpu), 0);
  }
}

// A Hugging Face folder keeps each expert by itself: a part takes its own, one or several.
TEST(ExpertSplitTest, ExpertsThatTheFileKeepsApart) {
  const TempFolder folder;
  folder.WriteAll(MakeTinyFolder({.layers = 3}));  // 4 experts
  const auto read = [&](const Split& split) { return Read(Model::Load(folder.path(), On(split))); };
  const Evaluation want = read({"cpu", ""});
  for (const char* experts : {"cpu=1,cpu", "own=3,cpu", "cpu=1,cpu=2,cpu=1"}) {
    SCOPED_TRACE(experts);
    EXPECT_EQ(Farthest(read({"cpu", experts}), want), 0);
  }
}

TEST(ExpertSplitTest, AFarDevicesExpertsBesideTheReferences) {
  Register("far", &OpenFarBackend);
  const Told want = Answer({.device = "reference", .threads = 1}, 5);
  for (const Split& split : {Split{"far", "reference=5,own"}, Split{"reference", "own=13,far"}}) {
    SCOPED_TRACE(Named(split));
    const Told got = Answer(On(split), 5);
    EXPECT_EQ(got.tokens, want.tokens);
    ASSERT_EQ(got.logprobs.size(), want.logprobs.size());
    for (size_t i = 0; i < want.logprobs.size(); ++i) {
      EXPECT_NEAR(got.logprobs[i], want.logprobs[i], 1e-4);
    }
  }
}

#ifdef RAISON_VULKAN_FOLDER
TEST(ExpertSplitTest, VulkansExpertsBesideTheCpus) {
  const auto vulkan =
      Device::Open("vulkan:0", {.threads = 1, .backend_path = RAISON_VULKAN_FOLDER});
  if (!vulkan.ok()) GTEST_SKIP() << vulkan.status().message();
  const Told want = Answer({.device = "cpu", .threads = 2}, 3);
  ModelOptions options = On({"cpu", "vulkan:0=4,own"}, 2);
  options.backend_path = RAISON_VULKAN_FOLDER;
  const Told got = Answer(options, 3);
  EXPECT_EQ(got.tokens, want.tokens);
  ASSERT_EQ(got.logprobs.size(), want.logprobs.size());
  for (size_t i = 0; i < want.logprobs.size(); ++i) {
    EXPECT_NEAR(got.logprobs[i], want.logprobs[i], 0.05 + 0.005 * std::fabs(want.logprobs[i]));
  }
}
#endif

absl::StatusOr<Placement> Planned(const Split& split) {
  ModelOptions options = On(split);
  options.header_only = true;
  RSN_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, Model::Load(kPetit, options));
  return model->PlaceNow();
}

TEST(ExpertSplitTest, ThePlanTellsWhoHasWhich) {
  Register("far", &OpenFarBackend);
  const auto says = [](const Split& split, const std::vector<const char*>& contents) {
    const auto plan = Planned(split);
    ASSERT_TRUE(plan.ok()) << plan.status();
    ASSERT_EQ(plan->devices.size(), contents.size()) << plan->Sentence();
    for (uint32_t d = 0; d < contents.size(); ++d) EXPECT_EQ(plan->Contents(d), contents[d]);
  };
  says({"cpu", "own"}, {"layers 0-7 and their cache, embedding, output"});
  says({"cpu", "own=3,reference"},
       {"layers 0-7 and their cache, without routed experts 3-15 of 1-7, embedding, output",
        "routed experts 3-15 of layers 1-7"});
  says({"cpu", "reference=3,far=12,own"},
       {"layers 0-7 and their cache, without routed experts 0-14 of 1-7, embedding, output",
        "routed experts 0-2 of layers 1-7", "routed experts 3-14 of layers 1-7"});
  says({"cpu", "reference=3,far"},
       {"layers 0-7 and their cache, without the routed experts of 1-7, embedding, output",
        "routed experts 0-2 of layers 1-7", "routed experts 3-15 of layers 1-7"});
  says({"cpu=3,reference", "cpu=4,reference"},
       {"layers 0-2 and their cache, without routed experts 4-15 of 1-2, routed experts 0-3 of "
        "layers 3-7, embedding",
        "layers 3-7 and their cache, without routed experts 0-3 of 3-7, routed experts 4-15 of "
        "layers 1-2, output"});
  // A name that stands twice is another device of that name.
  says({"cpu", "cpu=3,cpu"},
       {"layers 0-7 and their cache, without routed experts 3-15 of 1-7, embedding, output",
        "routed experts 3-15 of layers 1-7"});
}

TEST(ExpertSplitTest, WeightsAreCountedWhereTheyLie) {
  const auto whole = Planned({"cpu", ""}), away = Planned({"cpu", "reference"}),
             split = Planned({"cpu", "own=4,reference"});
  ASSERT_TRUE(whole.ok() && away.ok() && split.ok());
  const uint64_t experts = away->weight_bytes[1];
  EXPECT_EQ(away->weight_bytes[0] + experts, whole->weight_bytes[0]);
  EXPECT_EQ(split->weight_bytes[1], experts / 16 * 12);
  EXPECT_EQ(split->weight_bytes[0], away->weight_bytes[0] + experts / 16 * 4);
}

TEST(ExpertSplitTest, AsManyExpertsAsFit) {
  Register("small", &OpenSmall);
  constexpr uint64_t kReserve = 256 << 20;
  const auto away = Planned({"cpu", "reference"});
  ASSERT_TRUE(away.ok()) << away.status();
  const uint64_t of_each = away->weight_bytes[1] / 16;  // one expert of every layer
  const auto contents = [](const Split& split, uint64_t free, uint32_t device) {
    small_free = free;
    const auto plan = Planned(split);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? plan->Contents(device) : "";
  };
  EXPECT_EQ(contents({"cpu", "small,cpu"}, kReserve + of_each * 6 + 1, 1),
            "routed experts 0-5 of layers 1-7");
  EXPECT_EQ(contents({"cpu", "own=2,small,cpu"}, kReserve + of_each * 6 + 1, 1),
            "routed experts 2-7 of layers 1-7");
  EXPECT_EQ(contents({"cpu", "small,cpu=12"}, uint64_t{8} << 30, 1),
            "routed experts 0-3 of layers 1-7");
  EXPECT_EQ(contents({"cpu", "small,cpu"}, kReserve, 1), "nothing");
  // What its layers and their cache leave.
  EXPECT_TRUE(Says(contents({"small", "own,cpu"}, uint64_t{8} << 30, 0),
                   "layers 0-7 and their cache, latent attention composed of other operations, "
                   "embedding, output"));
  small_free = uint64_t{8} << 30;
  small_largest = 557056 / 16 * 5;  // of the tensor of a layer's experts
  EXPECT_EQ(Planned({"cpu", "small,cpu"})->Contents(1), "routed experts 0-4 of layers 1-7");
  const auto refused = Planned({"cpu", "own=10,small"});
  small_largest = 0;
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(Says(std::string(refused.status().message()),
                   "small cannot hold 6 of 16 experts of tensor blk.1.ffn_"))
      << refused.status();
}

TEST(ExpertSplitTest, WhatDoesNotAddUpIsRefused) {
  Register("small", &OpenSmall);
  small_free = 1;  // 0 would mean that it does not say
  const auto refused = [](const char* experts) {
    const auto plan = Planned({"cpu", experts});
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kUnavailable) << experts;
    return std::string(plan.status().message());
  };
  EXPECT_TRUE(Says(refused("cpu=3"), "\"cpu=3\" places 3 experts, a layer has 16"));
  EXPECT_TRUE(Says(refused("cpu=9,own=9"), "places 18 experts, a layer has 16"));
  EXPECT_TRUE(Says(refused("own=0,cpu"), "after = stands the number of experts, at least 1"));
  EXPECT_TRUE(Says(refused("own=x,cpu"), "after = stands the number of experts"));
  EXPECT_TRUE(Says(refused("cpu,"), "experts = \"cpu,\": a device's name is empty"));
  EXPECT_TRUE(Says(refused("own=3,warp"), "no device \"warp\""));
  EXPECT_TRUE(Says(refused("small,cpu=3"), "take only 3 of 16 experts"));
  const std::string dense =
      conformance::MakeRandomCheckpoint(conformance::RandomKind::kLlama, DType::kF32);
  const auto model = Model::LoadMemory(AsBytes(dense), On({"cpu", "own=3,cpu"}));
  ASSERT_FALSE(model.ok());
  EXPECT_TRUE(Says(std::string(model.status().message()), "the model has no routed experts"));
}

}  // namespace
}  // namespace raison::testing
