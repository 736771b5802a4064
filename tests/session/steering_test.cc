// Budgets, end of thinking, injection, rewind and fork, on Petit, by token ids.
#include "tests/session/fixture.h"

namespace raison::testing {
namespace {

constexpr int32_t kCloseTag = 6;  // </think> of Petit
constexpr int32_t kEnd = 1;

size_t CountOf(const std::vector<int32_t>& tokens, int32_t token) {
  return static_cast<size_t>(std::count(tokens.begin(), tokens.end(), token));
}

Told RunWith(const GenerateOptions& options, uint32_t context = 0) {
  auto session = NewSession(Petit(), context);
  EXPECT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  return Listen(*session);
}

int64_t ThinkingTokens(const Told& told) {
  return std::count_if(told.events.begin(), told.events.end(), [](const Event& e) {
    return e.kind == EventKind::kToken && e.channel == Channel::kThinking &&
           e.record.source == Source::kSampled;
  });
}

TEST(SteeringTest, HardBudgets) {
  const Told free = RunWith(Greedy());
  for (int32_t budget : {0, 1, 10, 50}) {
    GenerateOptions options = Greedy();
    options.think_budget_hard = budget;
    const Told told = RunWith(options);
    EXPECT_EQ(ThinkingTokens(told), budget);
    EXPECT_EQ(told.think_end, static_cast<int32_t>(ThinkEndReason::kHardBudget)) << budget;
    EXPECT_EQ(CountOf(told.tokens, kCloseTag), 1u) << budget;
    EXPECT_FALSE(told.answer.empty()) << budget;
    EXPECT_EQ(told.tokens.back(), kEnd) << budget;
    // The same tokens as without a budget, up to it.
    for (int32_t i = 0; i < budget; ++i) {
      EXPECT_EQ(told.tokens[static_cast<size_t>(i)], free.tokens[static_cast<size_t>(i)]);
    }
    for (const Event& e : told.events) {
      if (e.kind == EventKind::kToken && e.record.source == Source::kForced) {
        EXPECT_LE(e.record.logprob, 0.0f);  // the model's own opinion of the forced token
        EXPECT_EQ(e.record.sampled_logprob, 0.0f);
      }
    }
  }
  GenerateOptions options = Greedy();
  options.think_budget_hard = 100000;  // beyond the context: no effect
  EXPECT_EQ(RunWith(options).tokens, free.tokens);
}

// Around the place where the model would close by itself, and where a newline of the closing
// sequence is half of what the tokenizer would merge.
TEST(SteeringTest, HardBudgetsAtTheModelsOwnEnd) {
  const Told free = RunWith(Greedy());
  const int32_t own = static_cast<int32_t>(ThinkingTokens(free));
  for (int32_t budget : {own - 2, own - 1, own, own + 1}) {
    GenerateOptions options = Greedy();
    options.think_budget_hard = budget;
    const Told told = RunWith(options);
    EXPECT_EQ(CountOf(told.tokens, kCloseTag), 1u) << budget;
    EXPECT_EQ(told.answer.rfind("The answer is 15", 0), 0u) << told.answer;  // "6" may be cut off
    if (budget >= own) {
      EXPECT_EQ(told.answer, free.answer) << budget;
    }
    EXPECT_LE(ThinkingTokens(told), budget);
  }
}

TEST(SteeringTest, SoftBudgetEndsAtAStep) {
  GenerateOptions options = Greedy();
  options.think_budget_soft = 5;
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask("Solve 3x + 5 = 20."), options).ok());
  const Told told = Listen(*session);
  EXPECT_EQ(told.think_end, static_cast<int32_t>(ThinkEndReason::kSoftBudget));
  // One whole step, and nothing of the next.
  EXPECT_EQ(session->steps()[0].text, "The equation is 3x + 5 = 20.\n\n");
  EXPECT_FALSE(told.answer.empty());
}

TEST(SteeringTest, MinimumReplacesTheClosingTag) {
  const Told free = RunWith(Greedy());
  GenerateOptions options = Greedy();
  options.think_minimum = static_cast<int32_t>(ThinkingTokens(free)) + 20;
  options.max_tokens = 400;
  const Told told = RunWith(options);
  int64_t before_close = 0;
  for (int32_t token : told.tokens) {
    if (token == kCloseTag) break;
    ++before_close;
  }
  EXPECT_GE(before_close, options.think_minimum);
  EXPECT_NE(told.thinking.find("Wait"), std::string::npos);
}

TEST(SteeringTest, AnswerReserveLeavesRoomForAnAnswer) {
  GenerateOptions options = Greedy();
  options.max_tokens = 60;
  options.answer_reserve = 20;
  const Told told = RunWith(options);
  EXPECT_EQ(told.think_end, static_cast<int32_t>(ThinkEndReason::kHardBudget));
  EXPECT_FALSE(told.answer.empty());
  EXPECT_LE(told.tokens.size(), 60u);
  // Of the context, too.
  options.max_tokens = kUnset;
  const Told in_context = RunWith(options, 80);
  EXPECT_FALSE(in_context.answer.empty());
}

TEST(SteeringTest, EndThinkingThenTheModelAnswers) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), Greedy()).ok());
  Told told;
  for (int i = 0; i < 8; ++i) Until(*session, EventKind::kToken, &told);
  ASSERT_TRUE(session->EndThinking().ok());
  const Told rest = Listen(*session);
  EXPECT_EQ(rest.think_end, static_cast<int32_t>(ThinkEndReason::kCaller));
  EXPECT_EQ(CountOf(rest.tokens, kCloseTag), 1u);
  EXPECT_FALSE(rest.answer.empty());
  EXPECT_TRUE(absl::IsFailedPrecondition(session->EndThinking()));
}

TEST(SteeringTest, StopEndsWithTheNextEvent) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), Greedy()).ok());
  Told told;
  Until(*session, EventKind::kToken, &told);
  ASSERT_TRUE(session->Stop().ok());
  const Told rest = Listen(*session);
  EXPECT_EQ(rest.done.reason, static_cast<int32_t>(DoneReason::kStopped));
  EXPECT_TRUE(rest.tokens.empty());
}

TEST(SteeringTest, InjectedTextGoesThroughTheModel) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), Greedy()).ok());
  Told told;
  Until(*session, EventKind::kToken, &told);
  // Looks like a tag, but is text: injected text never opens or closes anything.
  const std::string text = " </think> 12 × 13 = 999";
  ASSERT_TRUE(session->Inject(text).ok());
  const Told rest = Listen(*session);
  std::string injected;
  for (const Event& e : rest.events) {
    if (e.kind != EventKind::kToken || e.record.source != Source::kInjected) continue;
    EXPECT_EQ(e.channel, Channel::kThinking);
    EXPECT_LE(e.record.logprob, 0.0f);
    injected += e.text;
  }
  EXPECT_EQ(injected, text);
}

TEST(SteeringTest, RewindWithTheOldBranchIsBitIdentical) {
  GenerateOptions options = Greedy();
  options.sampling.temperature = 1.0;
  options.sampling.seed = 11;
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  const Told first = Listen(*session);
  const int64_t prompt = session->GetUsage().prompt_tokens;
  options.branch = 0;
  for (int64_t position : {prompt, prompt + 1, prompt + 7,
                           prompt + static_cast<int64_t>(first.tokens.size()) - 1}) {
    ASSERT_TRUE(session->Rewind(position, options).ok()) << position;
    EXPECT_EQ(session->position(), position);
    const Told again = Listen(*session);
    const auto tail = [&](const auto& list) {
      return std::vector(list.begin() + (position - prompt), list.end());
    };
    EXPECT_EQ(again.tokens, tail(first.tokens)) << position;
    EXPECT_EQ(again.logprobs, tail(first.logprobs)) << position;
  }
}

TEST(SteeringTest, RewindTakesTheNextBranchAndSamplesAnew) {
  GenerateOptions options = Greedy();
  options.sampling.temperature = 4;  // Petit is sure of itself
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  const Told first = Listen(*session);
  const int64_t prompt = session->GetUsage().prompt_tokens;
  ASSERT_TRUE(session->Rewind(prompt, {}).ok());
  EXPECT_EQ(session->options()->branch, 1);
  const Told second = Listen(*session);
  EXPECT_NE(first.tokens, second.tokens);
  EXPECT_GT(session->GetUsage().discarded_tokens, 0);
}

TEST(SteeringTest, RewindToAStepDiscardsWhatCameAfter) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask("Solve 3x + 5 = 20."), Greedy()).ok());
  const Told first = Listen(*session);
  const size_t steps = session->steps().size();
  ASSERT_GE(steps, 3u);
  const StepRecord second = session->steps()[1];
  ASSERT_TRUE(session->Rewind(second.begin, {}).ok());
  EXPECT_EQ(session->steps()[0].flags, 0u);
  for (size_t i = 1; i < steps; ++i) {
    EXPECT_NE(session->steps()[i].flags & kStepDiscarded, 0u) << i;
    EXPECT_FALSE(session->steps()[i].text.empty());
  }
  const Told again = Listen(*session);  // greedy: nothing changed, so the same text again
  EXPECT_EQ(again.answer, first.answer);
  std::string joined;
  int64_t last_id = -1;
  for (const StepRecord& step : session->steps()) {
    EXPECT_GT(step.id, last_id);
    last_id = step.id;
    if ((step.flags & kStepDiscarded) == 0) joined += step.text;
  }
  EXPECT_EQ(joined, first.thinking);
  EXPECT_EQ(session->ChannelText(Channel::kThinking), first.thinking);
  EXPECT_EQ(session->steps()[steps].parent, session->steps()[0].id);
}

TEST(SteeringTest, ExcludeFirstTokenChangesAGreedyRun) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), Greedy()).ok());
  const Told first = Listen(*session);
  const int64_t prompt = session->GetUsage().prompt_tokens;
  GenerateOptions options = Greedy();
  options.exclude_first_token = true;
  ASSERT_TRUE(session->Rewind(prompt, options).ok());
  const Told second = Listen(*session);
  EXPECT_NE(second.tokens[0], first.tokens[0]);
}

TEST(SteeringTest, AtStepEndNothingOfTheNextStepIsThere) {
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask("Solve 3x + 5 = 20."), Greedy()).ok());
  Told told;
  const Event end = Until(*session, EventKind::kStepEnd, &told);
  EXPECT_EQ(session->position(), session->steps()[static_cast<size_t>(end.step)].end);
  EXPECT_EQ(end.text, session->steps()[0].text);
  ASSERT_TRUE(session->Inject("Subtract 5 on both sides: 3x = 15.\n\n").ok());
  const Event begin = Until(*session, EventKind::kStepBegin, &told);
  EXPECT_EQ(begin.step, 1);
  Listen(*session);
  EXPECT_NE(session->steps()[1].flags & kStepForced, 0u);
}

TEST(SteeringTest, ForkGoesItsOwnWay) {
  GenerateOptions options = Greedy();
  options.sampling.temperature = 3;
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  Told told;
  for (int i = 0; i < 10; ++i) Until(*session, EventKind::kToken, &told);
  options.branch = 0;
  auto same = session->Fork(options);
  auto other = session->Fork({});
  ASSERT_TRUE(same.ok() && other.ok()) << same.status() << other.status();
  EXPECT_EQ((*other)->options()->branch, 1);
  const Told rest = Listen(*session);
  const Told twin = Listen(**same);
  const Told branch = Listen(**other);
  EXPECT_EQ(rest.tokens, twin.tokens);
  EXPECT_EQ(rest.logprobs, twin.logprobs);
  EXPECT_NE(rest.tokens, branch.tokens);
  session.reset();  // any order
  EXPECT_FALSE((*same)->ChannelText(Channel::kThinking).empty());
}

TEST(SteeringTest, ReleaseByStepWithholdsTheText) {
  GenerateOptions options = Greedy();
  options.release_steps = true;
  auto session = NewSession(Petit());
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  const Told told = Listen(*session);
  EXPECT_EQ(told.thinking, "");
  std::string steps;
  for (const Event& e : told.events) {
    if (e.kind == EventKind::kStepEnd) steps += e.text;
  }
  EXPECT_EQ(steps, session->ChannelText(Channel::kThinking));
}

TEST(SteeringTest, WrongCallsAreSentences) {
  auto session = NewSession(Petit());
  EXPECT_TRUE(absl::IsFailedPrecondition(session->Next().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(session->Inject("x")));
  EXPECT_TRUE(absl::IsFailedPrecondition(session->Stop()));
  EXPECT_TRUE(absl::IsFailedPrecondition(session->Rewind(0, {})));
  EXPECT_TRUE(absl::IsFailedPrecondition(session->Fork({}).status()));
  GenerateOptions options = Greedy();
  options.sampling.temperature = -1;
  EXPECT_TRUE(absl::IsInvalidArgument(session->Prompt(Ask("x"), options)));
  options = Greedy();
  options.think_minimum = 5;
  options.think_budget_hard = 4;
  EXPECT_TRUE(absl::IsInvalidArgument(session->Prompt(Ask("x"), options)));
  options = Greedy();
  options.template_arguments = "[1]";
  EXPECT_FALSE(session->Prompt(Ask("x"), options).ok());
  ASSERT_TRUE(session->Prompt(Ask("x"), Greedy()).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(session->Rewind(0, {})));
  EXPECT_TRUE(absl::IsInvalidArgument(session->Rewind(100000, {})));
}

}  // namespace
}  // namespace raison::testing
