// Requests, prefixes, shared passes, limits and determinism of sessions, on Petit.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "core/backend/far/far_backend.h"
#include "core/backend/registry.h"
#include "tests/session/fixture.h"

namespace raison::testing {
namespace {

TEST(SessionTest, AnswersWithItsSteps) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask("How many r's are in strawberry?"), Greedy()).ok());
  const Told told = Listen(*session);
  EXPECT_EQ(told.answer, "The answer is 3.");
  EXPECT_EQ(told.done.text, "3");
  EXPECT_EQ(told.done.reason, static_cast<int32_t>(DoneReason::kEnd));
  EXPECT_EQ(told.think_end, static_cast<int32_t>(ThinkEndReason::kModel));
  ASSERT_EQ(session->steps().size(), 2u);
  EXPECT_EQ(told.done.step, 0);  // "... r (3) y." counts to it
}

TEST(SessionTest, StepsTileTheThinking) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask("Solve 3x + 5 = 20."), Greedy()).ok());
  const Told told = Listen(*session);
  std::string joined;
  int64_t at = session->options()->trace_prompt ? 0 : session->GetUsage().prompt_tokens;
  for (const StepRecord& step : session->steps()) {
    EXPECT_EQ(step.begin, at);
    EXPECT_GT(step.end, step.begin);
    EXPECT_EQ(step.flags, 0u);
    EXPECT_GT(step.confidence, 0.0f);
    EXPECT_LE(step.confidence, 1.0f);
    EXPECT_LE(step.lowest_logprob, step.mean_logprob);
    at = step.end;
    joined += step.text;
  }
  EXPECT_EQ(joined, told.thinking);
  EXPECT_EQ(joined, session->ChannelText(Channel::kThinking));
  EXPECT_GE(session->steps().size(), 3u);
  const Usage usage = session->GetUsage();
  EXPECT_EQ(usage.thinking_tokens + usage.answer_tokens + 3,  // close tag, blank line, end
            static_cast<int64_t>(told.tokens.size()) + (usage.answer_tokens >= 0 ? 1 : 0));
}

TEST(SessionTest, SamePrefixGivesTheSameAnswerAndIsNotComputedAgain) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), Greedy()).ok());
  const Told first = Listen(*session);
  EXPECT_EQ(session->GetUsage().cached_tokens, 0);
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), Greedy()).ok());
  const Told second = Listen(*session);
  EXPECT_EQ(session->GetUsage().cached_tokens, session->GetUsage().prompt_tokens - 1);
  EXPECT_EQ(first.tokens, second.tokens);
}

// A reused prefix gives a fresh run's logits within the tolerance of another chunking: the cache's
// rows are bit-equal, so only the form of latent attention could differ, and so few rows are always
// absorbed.
TEST(SessionTest, ReusedPrefixGivesAFreshRunsLogits) {
  auto reused = NewSession(Petit());
  ASSERT_TRUE(reused->Prompt(Ask(kQuestion), Greedy()).ok());
  Listen(*reused);
  std::vector<Message> turn = Ask(kQuestion);
  turn.push_back({"assistant", "The answer is 156.", ""});
  turn.push_back({"user", "What is 7 + 8?", ""});
  auto fresh = NewSession(Petit());
  std::vector<std::vector<float>> logits;
  for (Session* s : {reused.get(), fresh.get()}) {
    ASSERT_TRUE(s->Prompt(turn, Greedy()).ok());
    Told told;
    Until(*s, EventKind::kToken, &told);
    auto row = s->Logits();
    ASSERT_TRUE(row.ok()) << row.status();
    logits.push_back(*row);
  }
  EXPECT_GT(reused->GetUsage().cached_tokens, 5);
  EXPECT_EQ(fresh->GetUsage().cached_tokens, 0);
  for (size_t i = 0; i < logits[0].size(); ++i) ASSERT_NEAR(logits[0][i], logits[1][i], 1e-3) << i;
}

// A long prompt's attention is expanded; `exact` has one form, absorbed, for any number of rows.
TEST(SessionTest, BothFormsOfLatentAttentionGiveOneAnswer) {
  std::vector<std::vector<float>> logits;
  std::vector<std::vector<int32_t>> tokens;
  for (bool exact : {false, true}) {
    auto session = NewSession(MakeScheduler({.threads = 2, .exact = exact}));
    GenerateOptions options = Greedy();
    options.max_tokens = 24;
    ASSERT_TRUE(session->Prompt(Ask(LongQuestion()), options).ok());
    Told told;
    Until(*session, EventKind::kToken, &told);
    EXPECT_GT(session->GetUsage().prompt_tokens, 200);  // far above the rows that are absorbed
    auto row = session->Logits();
    ASSERT_TRUE(row.ok()) << row.status();
    logits.push_back(*row);
    tokens.push_back(Listen(*session).tokens);
  }
  double most = 0;
  for (size_t i = 0; i < logits[0].size(); ++i) {
    most = std::max<double>(most, std::fabs(logits[0][i] - logits[1][i]));
  }
  EXPECT_GT(most, 0);  // two forms ran
  EXPECT_LT(most, 0.2);
  EXPECT_EQ(tokens[0], tokens[1]);
}

TEST(SessionTest, EightSessionsOfOneThreadShareEveryPass) {
  auto scheduler = MakeScheduler({.threads = 2});
  std::vector<std::unique_ptr<Session>> owned;
  std::vector<Session*> sessions;
  std::vector<Told> told(8);
  for (int i = 0; i < 8; ++i) {
    owned.push_back(NewSession(scheduler));
    GenerateOptions options = Greedy();
    options.sampling.temperature = 0.9;
    options.sampling.seed = static_cast<uint64_t>(i);
    options.max_tokens = 65;
    options.think_minimum = 64;  // nobody ends before
    options.answer_reserve = 0;
    ASSERT_TRUE(owned.back()->Prompt(Ask(kQuestion), options).ok());
    sessions.push_back(owned.back().get());
  }
  size_t which = 0;
  uint64_t after_prompt = 0;
  while (true) {
    auto event = Session::NextOfMany(sessions, &which);
    ASSERT_TRUE(event.ok()) << event.status();
    if (event->kind == EventKind::kNone) break;
    ASSERT_LT(which, 8u);
    Hear(*event, &told[which]);
    // The first token of each comes from the pass over its prompt.
    if (after_prompt == 0 && event->kind == EventKind::kToken) after_prompt = scheduler->passes();
  }
  for (const Told& t : told) EXPECT_EQ(t.tokens.size(), 65u);
  EXPECT_EQ(after_prompt, 1u);  // eight short prompts fit one pass
  EXPECT_EQ(scheduler->passes() - after_prompt, 64u);
  EXPECT_GE(scheduler->replayed_passes(), 63u);
}

TEST(SessionTest, BatchOfManyEqualsOneByOne) {
  const char* questions[] = {kQuestion, "Who are you?", "Solve 3x + 5 = 20.",
                             "How many r's are in strawberry?"};
  std::vector<Told> alone, together(4);
  GenerateOptions options = Greedy();
  options.sampling.temperature = 0.8;
  options.sampling.seed = 5;
  for (const char* q : questions) {
    auto session = NewSession(Petit());
    ASSERT_TRUE(session->Prompt(Ask(q), options).ok());
    alone.push_back(Listen(*session));
  }
  std::vector<std::unique_ptr<Session>> owned;
  std::vector<std::thread> threads;
  for (const char* q : questions) {
    owned.push_back(NewSession(Petit()));
    ASSERT_TRUE(owned.back()->Prompt(Ask(q), options).ok());
  }
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { together[i] = Listen(*owned[i]); });
  }
  for (std::thread& t : threads) t.join();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(alone[i].tokens, together[i].tokens) << questions[i];
    EXPECT_EQ(alone[i].logprobs, together[i].logprobs) << questions[i];  // bit for bit
  }
}

TEST(SessionTest, ThreadCountDoesNotChangeABit) {
  std::vector<Told> told;
  for (uint32_t threads : {1u, 2u, 3u}) {
    auto session = NewSession(MakeScheduler({.threads = threads}));
    GenerateOptions options = Greedy();
    options.sampling.temperature = 0.7;
    ASSERT_TRUE(session->Prompt(Ask("Sort 31, 4, 15, 92."), options).ok());
    told.push_back(Listen(*session));
  }
  for (const Told& t : told) {
    EXPECT_EQ(t.tokens, told[0].tokens);
    EXPECT_EQ(t.logprobs, told[0].logprobs);
  }
}

// The far back end: operands are unreadable for the host, work runs at synchronisation only, decode
// steps are replayed. It computes with the reference's loops, so every bit must agree.
TEST(SessionTest, FarGivesTheReferencesBits) {
  if (auto s = RegisterBackend("far", &OpenFarBackend); !s.ok()) {
    ASSERT_TRUE(absl::IsAlreadyExists(s)) << s;
  }
  std::vector<Told> told;
  for (const char* device : {"reference", "far"}) {
    auto session = NewSession(Petit(device));
    GenerateOptions options = Greedy();
    options.max_tokens = 12;
    options.trace_experts = true;
    ASSERT_TRUE(session->Prompt(Ask("What is 2 + 3?"), options).ok());
    told.push_back(Listen(*session));
  }
  EXPECT_EQ(told[0].tokens, told[1].tokens);
  EXPECT_EQ(told[0].logprobs, told[1].logprobs);
  for (size_t i = 0; i < told[0].events.size(); ++i) {
    EXPECT_EQ(told[0].events[i].record.experts, told[1].events[i].record.experts);
  }
  EXPECT_GT(Petit("far")->replayed_passes(), 5u);
}

TEST(SessionTest, ForkOfAThousandTokensTakesNoPageUntilAWrite) {
  auto scheduler = MakeScheduler({.threads = 2});
  auto session = NewSession(scheduler);
  std::string text;
  for (int i = 0; i < 500; ++i) text += "1 ";
  ASSERT_TRUE(session->PromptText(text, {.add_bos = true}, Greedy()).ok());
  Told told;
  Until(*session, EventKind::kToken, &told);
  Until(*session, EventKind::kToken, &told);
  ASSERT_GE(session->position(), 1000);
  const uint32_t before = scheduler->cache().pool().used();
  auto fork = session->Fork({});
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(scheduler->cache().pool().used(), before);
  Told forked;
  Until(**fork, EventKind::kToken, &forked);
  EXPECT_LE(scheduler->cache().pool().used(), before + 1);  // one page per cache group
  fork->reset();
  EXPECT_EQ(scheduler->cache().pool().used(), before);
}

TEST(SessionTest, KvBytesPerTokenArePublished) {
  KvGeometry lite{.layers = 27, .heads = 1, .width = 512 + 64, .has_values = false};
  KvGeometry r1{.layers = 61, .heads = 1, .width = 512 + 64, .has_values = false};
  EXPECT_EQ(lite.BytesPerToken(), 31104u);
  EXPECT_EQ(r1.BytesPerToken(), 70272u);
  // Petit's layout comes from its config by the same rule.
  EXPECT_EQ(Petit()->cache().geometry().BytesPerToken(), 8u * (64 + 16) * 2);
}

TEST(SessionTest, EmptyPoolFailsBeforeThePassAndKeepsTheState) {
  // Two pages: 128 tokens for all sessions together.
  auto scheduler = MakeScheduler({.threads = 1, .kv_bytes = 2 * 64 * 8 * 80 * 2});
  auto first = NewSession(scheduler);
  GenerateOptions options = Greedy();
  options.max_tokens = 20;
  ASSERT_TRUE(first->Prompt(Ask("Who are you?"), options).ok());
  Listen(*first);
  auto second = NewSession(scheduler);
  std::string text;
  for (int i = 0; i < 40; ++i) text += "1 ";
  ASSERT_TRUE(second->PromptText(text, {}, Greedy()).ok());
  const Told told = Listen(*second);
  EXPECT_EQ(told.done.reason, static_cast<int32_t>(DoneReason::kFailed));
  EXPECT_TRUE(absl::IsResourceExhausted(told.done.status)) << told.done.status;
  first.reset();  // gives its page back: now the same session goes on
  ASSERT_TRUE(second->Rewind(second->position(), {}).ok());
  const Told more = Listen(*second);
  EXPECT_FALSE(more.tokens.empty());
}

TEST(SessionTest, ContextEndIsAReason) {
  auto session = NewSession(Petit(), 60);
  GenerateOptions options = Greedy();
  options.answer_reserve = 0;
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  const Told told = Listen(*session);
  EXPECT_EQ(session->position(), 60);
  EXPECT_EQ(told.done.reason, static_cast<int32_t>(DoneReason::kContextFull));
  EXPECT_EQ(told.think_end, static_cast<int32_t>(ThinkEndReason::kLength));
  std::string text;
  for (int i = 0; i < 100; ++i) text += "1 ";
  EXPECT_TRUE(absl::IsOutOfRange(session->PromptText(text, {}, options)));
  EXPECT_EQ(session->position(), 60);  // as it was
}

TEST(SessionTest, AFewTokensAreAFewTokens) {
  for (int32_t n : {1, 2, 3}) {
    auto session = NewSession(Petit());
    GenerateOptions options = Greedy();
    options.max_tokens = n;
    ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
    const Told told = Listen(*session);
    EXPECT_EQ(told.tokens.size(), static_cast<size_t>(n));
    EXPECT_EQ(told.done.reason, static_cast<int32_t>(DoneReason::kLengthThinking));
  }
}

TEST(SessionTest, CancelEndsFromAnotherThread) {
  auto session = NewSession(Petit());
  GenerateOptions options = Greedy();
  options.sampling.temperature = 1.5;
  options.think_minimum = 1500;  // long
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  Told told;
  Until(*session, EventKind::kToken, &told);
  std::thread([&] { session->Cancel(); }).join();
  const Told rest = Listen(*session);
  EXPECT_EQ(rest.done.reason, static_cast<int32_t>(DoneReason::kCancelled));
  EXPECT_LE(rest.tokens.size(), 2u);
  // The session stays usable.
  ASSERT_TRUE(session->Prompt(Ask("What is 2 + 3?"), Greedy()).ok());
  EXPECT_EQ(Listen(*session).done.text, "5");
}

TEST(SessionTest, StopStringsEndTheAnswerOnly) {
  auto session = NewSession(Petit());
  GenerateOptions options = Greedy();
  options.stop = {"156"};
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  const Told told = Listen(*session);
  EXPECT_NE(told.thinking.find("156"), std::string::npos);
  EXPECT_EQ(told.answer, "The answer is ");
  EXPECT_EQ(told.done.reason, static_cast<int32_t>(DoneReason::kStopString));
}

TEST(SessionTest, RecordsAreComplete) {
  auto session = NewSession(Petit());
  GenerateOptions options = Greedy();
  options.alternatives = 4;
  options.trace_experts = true;
  options.trace_prompt = true;
  ASSERT_TRUE(session->Prompt(Ask("What is 2 + 3?"), options).ok());
  const Told told = Listen(*session);
  const Usage usage = session->GetUsage();
  for (const TokenRecord& r : session->records()) {
    if (r.position == 0) continue;  // nothing predicts the first token
    EXPECT_LE(r.logprob, 0.0f) << r.position;
    EXPECT_GE(r.entropy, 0.0f) << r.position;
    ASSERT_EQ(r.alternatives.size(), 4u) << r.position;
    EXPECT_GE(r.alternative_logprobs[0], r.logprob) << r.position;
    if (r.rank == 0) {
      EXPECT_EQ(r.alternatives[0], r.token);
    }
    if (r.position < usage.prompt_tokens) continue;
    ASSERT_EQ(r.experts.size(), 7u * 4) << r.position;
    float sum = 0;
    for (size_t i = 0; i < 4; ++i) sum += r.expert_weights[i];
    EXPECT_NEAR(sum, 2.5f, 1e-4);  // routed_scaling_factor
  }
  uint64_t counted = 0;
  for (const StepRecord& step : session->steps()) {
    for (uint32_t n : step.expert_counts) counted += n;
  }
  EXPECT_EQ(counted, static_cast<uint64_t>(usage.thinking_tokens) * 7 * 4);
}

}  // namespace
}  // namespace raison::testing
