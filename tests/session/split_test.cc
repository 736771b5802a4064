// One model on several devices: layers and routed experts lie where the placement says, and the
// answer, its trace and every bit are those of one device (the devices here compute alike).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "core/backend/far/far_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "core/backend/registry.h"
#include "core/model/step_buffer.h"
#include "tests/session/fixture.h"

namespace raison::testing {
namespace {

::testing::AssertionResult Says(const std::string& text, const char* part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" lacks \"" << part << "\"";
}

struct Split {
  const char* device;
  const char* experts;
};

GenerateOptions Short(uint32_t tokens) {
  GenerateOptions options = Greedy();
  options.max_tokens = tokens;
  options.trace_experts = true;
  return options;
}

Told Answer(const ModelOptions& model, uint32_t tokens) {
  auto session = NewSession(MakeScheduler(model));
  EXPECT_TRUE(session->Prompt(Ask("What is 17 * 23?"), Short(tokens)).ok());
  return Listen(*session);
}

void ExpectSameTrace(const Told& got, const Told& want) {
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.logprobs, want.logprobs);
  std::vector<const Event*> tokens[2];
  for (const Event& e : got.events) {
    if (e.kind == EventKind::kToken) tokens[0].push_back(&e);
  }
  for (const Event& e : want.events) {
    if (e.kind == EventKind::kToken) tokens[1].push_back(&e);
  }
  ASSERT_EQ(tokens[0].size(), tokens[1].size());
  for (size_t i = 0; i < tokens[0].size(); ++i) {
    EXPECT_EQ(tokens[0][i]->record.experts, tokens[1][i]->record.experts);
    EXPECT_EQ(tokens[0][i]->record.entropy, tokens[1][i]->record.entropy);
  }
}

TEST(SplitTest, LayersAndExpertsOverTwoCpusGiveTheBitsOfOne) {
  const Told want = Answer({.device = "cpu", .threads = 1}, 40);
  for (const Split& split :
       {Split{"cpu=3,cpu", ""}, Split{"cpu=1,cpu=6,cpu", ""}, Split{"cpu=3,cpu=5", "cpu"}}) {
    SCOPED_TRACE(absl::StrCat(split.device, " experts ", split.experts));
    ExpectSameTrace(Answer({.device = split.device, .experts = split.experts, .threads = 1}, 40),
                    want);
  }
}

// Rows cross between a back end whose memory the host cannot read and one that the host computes.
TEST(SplitTest, ExpertsOfAFarDeviceOnTheReference) {
  if (auto s = RegisterBackend("far", &OpenFarBackend); !s.ok()) {
    ASSERT_TRUE(absl::IsAlreadyExists(s)) << s;
  }
  const Told want = Answer({.device = "reference", .threads = 1}, 6);
  for (const Split& split :
       {Split{"far", "reference"}, Split{"reference", "far"}, Split{"far=4,reference", ""}}) {
    SCOPED_TRACE(absl::StrCat(split.device, " experts ", split.experts));
    ExpectSameTrace(Answer({.device = split.device, .experts = split.experts, .threads = 1}, 6),
                    want);
  }
}

// A long prompt beside two short ones: its step runs in two parts where experts are lent.
std::vector<Told> AnswerThree(const ModelOptions& model) {
  auto scheduler = MakeScheduler(model);
  std::vector<std::unique_ptr<Session>> owned;
  std::vector<Session*> sessions;
  for (const std::string& question :
       {std::string("What is 17 * 23?"), LongQuestion(), std::string("What is 2 + 3?")}) {
    owned.push_back(NewSession(scheduler));
    EXPECT_TRUE(owned.back()->Prompt(Ask(question), Short(10)).ok());
    sessions.push_back(owned.back().get());
  }
  std::vector<Told> told(sessions.size());
  for (size_t which = 0;;) {
    auto event = Session::NextOfMany(sessions, &which);
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok() || event->kind == EventKind::kNone) break;
    Hear(*event, &told[which]);
  }
  EXPECT_GT(owned[1]->GetUsage().prompt_tokens, kLeastCutRows);
  EXPECT_LT(owned[1]->GetUsage().prompt_tokens, 512);
  return told;
}

TEST(SplitTest, PromptsInTwoPartsGiveTheBitsOfOne) {
  const std::vector<Told> want = AnswerThree({.device = "cpu", .threads = 1});
  for (const Split& split : {Split{"cpu=3,cpu=5", "cpu"}, Split{"cpu=1,cpu=5,cpu=2", "cpu"}}) {
    SCOPED_TRACE(absl::StrCat(split.device, " experts ", split.experts));
    const std::vector<Told> got =
        AnswerThree({.device = split.device, .experts = split.experts, .threads = 1});
    for (size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE(i);
      EXPECT_EQ(want[i].tokens.size(), 10u);
      ExpectSameTrace(got[i], want[i]);
    }
  }
}

TEST(SplitTest, RecordedStepsCrossDevicesToo) {
  auto scheduler = MakeScheduler({.device = "cpu=3,cpu", .threads = 1});
  auto session = NewSession(scheduler);
  ASSERT_TRUE(session->Prompt(Ask("What is 2 + 3?"), Short(12)).ok());
  Listen(*session);
  EXPECT_GT(scheduler->replayed_passes(), 5u);
}

TEST(SplitTest, ForksWriteOnEveryDevicesPages) {
  auto session = NewSession(MakeScheduler({.device = "cpu=3,cpu", .threads = 1}));
  ASSERT_TRUE(session->Prompt(Ask("Sort 31, 4, 15, 92."), Short(60)).ok());
  Told told;
  for (int i = 0; i < 5; ++i) Until(*session, EventKind::kToken, &told);
  auto fork = session->Fork({});
  ASSERT_TRUE(fork.ok()) << fork.status();
  const Told one = Listen(*session), other = Listen(**fork);
  EXPECT_EQ(one.tokens, other.tokens);
  EXPECT_EQ(one.logprobs, other.logprobs);
}

TEST(SplitTest, TheTraceSaysWhereThingsRun) {
  const Told told = Answer({.device = "cpu=3,cpu", .threads = 1}, 2);
  ASSERT_FALSE(told.events.empty());
  EXPECT_EQ(told.events[0].kind, EventKind::kNotice);
  EXPECT_EQ(told.events[0].reason, static_cast<int32_t>(NoticeReason::kPlaced));
  EXPECT_TRUE(Says(told.events[0].text, "layers 0-2"));
  EXPECT_TRUE(Says(told.events[0].text, "layers 3-7"));
  // One device of the library itself is nothing to talk about.
  const Told plain = Answer({.device = "cpu", .threads = 1}, 2);
  ASSERT_FALSE(plain.events.empty());
  EXPECT_NE(plain.events[0].reason, static_cast<int32_t>(NoticeReason::kPlaced));
}

#ifdef RAISON_VULKAN_FOLDER
// The Vulkan plug-in beside the CPU, on whatever device it finds first (here Mesa's software one):
// it rounds otherwise than the CPU, so tokens are equal and their numbers near.
TEST(SplitTest, VulkanAndTheCpuGiveTheCpusTokens) {
  const auto vulkan =
      Device::Open("vulkan:0", {.threads = 1, .backend_path = RAISON_VULKAN_FOLDER});
  if (!vulkan.ok()) GTEST_SKIP() << vulkan.status().message();
  constexpr uint32_t kTokens = 4;
  const Told want = Answer({.device = "cpu", .threads = 2}, kTokens);
  for (const Split& split : {Split{"vulkan:0=2,cpu", ""}, Split{"cpu=6,vulkan:0=1,vulkan:0", ""},
                             Split{"vulkan:0=2,cpu", "cpu"}}) {
    SCOPED_TRACE(absl::StrCat(split.device, " experts ", split.experts));
    const Told got = Answer({.device = split.device,
                             .experts = split.experts,
                             .backend_path = RAISON_VULKAN_FOLDER,
                             .threads = 2},
                            kTokens);
    EXPECT_EQ(got.tokens, want.tokens);
    ASSERT_EQ(got.logprobs.size(), want.logprobs.size());
    for (size_t i = 0; i < want.logprobs.size(); ++i) {
      // A forced token's logit may be far from the largest: its error is that of its distance.
      EXPECT_NEAR(got.logprobs[i], want.logprobs[i], 0.05 + 0.005 * std::fabs(want.logprobs[i]));
    }
    EXPECT_EQ(got.thinking, want.thinking);
  }
}
#endif

TEST(SplitTest, TheBestDeviceThatFitsIsTheDefault) {
  // One of the folder's plug-ins has a GPU with a second that cannot be opened; others do not load.
  auto model = Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf",
                           {.backend_path = RAISON_PLUGIN_FOLDER, .threads = 1});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().Name(), "twins:0");
  EXPECT_TRUE(Says((*model)->placement().Sentence(), "the best device that fits"));
  // More cache than any device has: back to the CPU.
  model = Model::Load(
      RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf",
      {.backend_path = RAISON_PLUGIN_FOLDER, .threads = 1, .kv_bytes = uint64_t{1} << 41});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().Name(), "cpu");
  // So is a tensor that the device does not allocate at once.
  setenv("RAISON_TWINS_LARGEST", "500000", 1);
  model = Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf",
                      {.backend_path = RAISON_PLUGIN_FOLDER, .threads = 1});
  unsetenv("RAISON_TWINS_LARGEST");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().Name(), "cpu");
}

// A card too small for Petit: the reference with little memory, or little of it at once.
uint64_t small_free = 0, small_largest = 0;
rsn_backend small_reference{};

int32_t OpenSmall(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenReferenceBackend(host, table);
  small_reference = *table;
  table->name = "small";
  table->mla_attention = nullptr;
  table->device_info = [](rsn_device_state*, rsn_device_info* info) -> int32_t {
    info->kind = 1;
    info->memory_free = small_free;
    info->largest_buffer = small_largest;
    return 0;
  };
  // Weights come onto the card.
  table->weight = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                     uint64_t size, uint32_t flags, uint32_t* referenced) -> int32_t {
    return small_reference.weight(device, description, bytes, size,
                                  flags & ~uint32_t{RSN_WEIGHT_MAY_REFERENCE}, referenced);
  };
  return code;
}

TEST(SplitTest, TheCacheTakesWhatTheWeightsLeaveOnEachDevice) {
  if (auto s = RegisterBackend("small", &OpenSmall); !s.ok()) {
    ASSERT_TRUE(absl::IsAlreadyExists(s)) << s;
  }
  const auto load = [](const char* device, const char* experts, uint64_t free) {
    small_free = free;
    return Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf",
                       {.device = device, .experts = experts, .threads = 1, .context_length = 512});
  };
  auto whole = load("cpu", "", 0);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const uint64_t all = (*whole)->placement().weight_bytes[0];
  const uint64_t context = (*whole)->KvLayout().BytesPerToken() * 512;
  constexpr uint64_t kReserve = 256 << 20;

  // The whole model does not fit, but what is placed there does.
  auto model = load("small", "cpu", kReserve + all - 1);
  ASSERT_TRUE(model.ok()) << model.status();
  const std::vector<uint64_t>& bytes = (*model)->placement().weight_bytes;
  ASSERT_EQ(bytes.size(), 2u);
  EXPECT_EQ(bytes[0] + bytes[1], all);
  EXPECT_GT(bytes[1], all / 4);
  EXPECT_TRUE(Says((*model)->placement().Contents(0), "latent attention composed"));
  EXPECT_FALSE(Says((*model)->placement().Contents(1), "latent attention"));
  // One whole context where half of the room would not hold it.
  model = load("small", "cpu", kReserve + bytes[0] + context);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->kv_bytes(), context);

  // Half of the layers: twice the cache for the same memory, whatever the CPU has.
  model = load("small=4,cpu", "", kReserve + all);
  ASSERT_TRUE(model.ok()) << model.status();
  const uint64_t left = all - (*model)->placement().weight_bytes[0];
  EXPECT_EQ((*model)->kv_bytes(), std::max(left, std::min(2 * left, context)));

  // As many layers as fit with their part of a context.
  model = load("small,cpu", "", kReserve + all);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_GE((*model)->kv_bytes(), context);
  EXPECT_GT((*model)->placement().weight_bytes[0], 0u);
  EXPECT_GT((*model)->placement().weight_bytes[1], 0u);

  // No room at all: said before the weights are read, with what lies where.
  model = load("small", "", kReserve + all);
  ASSERT_FALSE(model.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(model.status())) << model.status();
  EXPECT_TRUE(Says(std::string(model.status().message()), "small:"));
}

TEST(SplitTest, ATensorLargerThanADeviceAllocatesIsRefusedBeforeLoading) {
  if (auto s = RegisterBackend("small", &OpenSmall); !s.ok()) {
    ASSERT_TRUE(absl::IsAlreadyExists(s)) << s;
  }
  small_free = uint64_t{8} << 30;
  const auto load = [](const char* device, const char* experts, uint64_t largest) {
    small_largest = largest;
    auto model =
        Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf",
                    {.device = device, .experts = experts, .threads = 1, .context_length = 512});
    small_largest = 0;
    return model;
  };
  // The embedding and each layer's experts have 557056 bytes.
  auto model = load("small", "", 500000);
  ASSERT_FALSE(model.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(model.status())) << model.status();
  const std::string why(model.status().message());
  EXPECT_TRUE(Says(why, "small cannot hold tensor token_embd.weight") && Says(why, "500000"));
  model = load("cpu=4,small", "cpu", 500000);
  ASSERT_FALSE(model.ok());
  EXPECT_TRUE(Says(std::string(model.status().message()), "output.weight")) << model.status();
  model = load("cpu=1,small=6,cpu", "", 500000);
  ASSERT_FALSE(model.ok());
  EXPECT_TRUE(Says(std::string(model.status().message()), "blk.1.ffn_")) << model.status();
  EXPECT_TRUE(load("cpu=1,small=6,cpu", "cpu", 500000).ok());
  // As many layers as fit: none, so that the device is not used.
  model = load("small,cpu", "", 1000);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().Name(), "cpu");
  EXPECT_TRUE(Says((*model)->placement().why, "small cannot hold tensor token_embd.weight"));
  // The cache of a layer is bounded too.
  model = load("small", "", uint64_t{16} << 20);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_LE((*model)->kv_bytes() / 8, uint64_t{16} << 20);
}

TEST(SplitTest, WrongSplitsAreRefusedByName) {
  const auto refused = [](const char* device, const char* experts) {
    auto model = Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf",
                             {.device = device, .experts = experts, .threads = 1});
    EXPECT_FALSE(model.ok()) << device;
    EXPECT_EQ(model.status().code(), absl::StatusCode::kUnavailable) << model.status();
    return std::string(model.status().message());
  };
  EXPECT_TRUE(Says(refused("warp", ""), "no device \"warp\"; known: cpu"));
  EXPECT_TRUE(Says(refused("cpu:1", ""), "cpu has 1"));
  EXPECT_TRUE(Says(refused("cpu:x", ""), "number"));
  EXPECT_TRUE(Says(refused("cpu,", ""), "empty"));
  EXPECT_TRUE(Says(refused("cpu=0,cpu", ""), "at least 1"));
  EXPECT_TRUE(Says(refused("cpu=3", ""), "places 3 layers, the model has 8"));
  EXPECT_TRUE(Says(refused("cpu=7,cpu=2", ""), "places 9 layers"));
  EXPECT_TRUE(Says(refused("cpu", "warp"), "no device \"warp\""));
}

}  // namespace
}  // namespace raison::testing
