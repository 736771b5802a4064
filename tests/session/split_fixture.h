// What the tests of split models share: a short answer with its trace, and devices to split over.
#pragma once

#include <gtest/gtest.h>

#include "core/backend/reference/reference_backend.h"
#include "core/backend/registry.h"
#include "core/model/step_buffer.h"
#include "tests/session/fixture.h"

namespace raison::testing {

inline void Register(const char* name, BackendOpenFunction open) {
  if (auto s = RegisterBackend(name, open); !s.ok()) {
    ASSERT_TRUE(absl::IsAlreadyExists(s)) << s;
  }
}

inline ::testing::AssertionResult Says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" lacks \"" << part << "\"";
}

struct Split {
  const char* device;
  const char* experts;
};

inline GenerateOptions Short(uint32_t tokens) {
  GenerateOptions options = Greedy();
  options.max_tokens = tokens;
  options.trace_experts = true;
  return options;
}

inline Told Answer(const ModelOptions& model, uint32_t tokens) {
  auto session = NewSession(MakeScheduler(model));
  EXPECT_TRUE(session->Prompt(Ask("What is 17 * 23?"), Short(tokens)).ok());
  return Listen(*session);
}

inline void ExpectSameTrace(const Told& got, const Told& want) {
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

// Several questions side by side.
inline std::vector<Told> AnswerAll(const ModelOptions& model,
                                   const std::vector<std::string>& questions, uint32_t tokens) {
  auto scheduler = MakeScheduler(model);
  std::vector<std::unique_ptr<Session>> owned;
  std::vector<Session*> sessions;
  for (const std::string& question : questions) {
    owned.push_back(NewSession(scheduler));
    EXPECT_TRUE(owned.back()->Prompt(Ask(question), Short(tokens)).ok());
    sessions.push_back(owned.back().get());
  }
  std::vector<Told> told(sessions.size());
  for (size_t which = 0;;) {
    auto event = Session::NextOfMany(sessions, &which);
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok() || event->kind == EventKind::kNone) break;
    Hear(*event, &told[which]);
  }
  return told;
}

// A long prompt beside two short ones: its step runs in two parts where experts are lent.
inline std::vector<Told> AnswerThree(const ModelOptions& model) {
  auto alone = NewSession(Petit());
  EXPECT_TRUE(alone->Prompt(Ask(LongQuestion()), Short(1)).ok());
  Listen(*alone);
  EXPECT_GT(alone->GetUsage().prompt_tokens, kLeastCutRows);
  EXPECT_LT(alone->GetUsage().prompt_tokens, 512);
  return AnswerAll(model, {"What is 17 * 23?", LongQuestion(), "What is 2 + 3?"}, 10);
}

// A card made of the reference: weights come onto it.
inline rsn_backend card_reference{};

inline int32_t OpenCard(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenReferenceBackend(host, table);
  card_reference = *table;
  table->weight = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                     uint64_t size, uint32_t flags, uint32_t* referenced) -> int32_t {
    return card_reference.weight(device, description, bytes, size,
                                 flags & ~uint32_t{RSN_WEIGHT_MAY_REFERENCE}, referenced);
  };
  return code;
}

// One too small for Petit: with little memory, or little of it at once.
inline uint64_t small_free = 0, small_largest = 0;

inline int32_t OpenSmall(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenCard(host, table);
  table->name = "small";
  table->mla_attention = nullptr;
  table->device_info = [](rsn_device_state*, rsn_device_info* info) -> int32_t {
    info->kind = 1;
    info->memory_free = small_free;
    info->largest_buffer = small_largest;
    return 0;
  };
  return code;
}

}  // namespace raison::testing
