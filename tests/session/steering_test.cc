// Budgets, end of thinking, injection, rewind and fork, on Petit, by token ids.
#include <algorithm>
#include <cmath>
#include <limits>

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

std::vector<NoticeReason> Notices(const Told& told) {
  std::vector<NoticeReason> out;
  for (const Event& e : told.events) {
    if (e.kind == EventKind::kNotice) out.push_back(static_cast<NoticeReason>(e.reason));
  }
  return out;
}

// Tokens before the closing tag: the thinking, what was forced into it included.
int32_t BeforeClose(const Told& told) {
  const auto at = std::find(told.tokens.begin(), told.tokens.end(), kCloseTag);
  EXPECT_NE(at, told.tokens.end());
  return static_cast<int32_t>(at - told.tokens.begin());
}

ThinkEndReason ThinkEnd(const Told& told) { return static_cast<ThinkEndReason>(told.think_end); }
DoneReason Done(const Told& told) { return static_cast<DoneReason>(told.done.reason); }

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
  const Told beyond = RunWith(options);
  EXPECT_EQ(beyond.tokens, free.tokens);
  EXPECT_TRUE(Notices(beyond).empty());
  options.think_budget_hard = 10;
  EXPECT_EQ(Notices(RunWith(options)), std::vector{NoticeReason::kHardBudget});
}

// A tag that may not be drawn can still be forced.
TEST(SteeringTest, AForbiddenTagIsForced) {
  GenerateOptions options = Greedy();
  options.think_budget_hard = 10;
  options.sampling.logit_bias = {{kCloseTag, -std::numeric_limits<float>::infinity()}};
  const Told told = RunWith(options);
  EXPECT_EQ(ThinkEnd(told), ThinkEndReason::kHardBudget);
  EXPECT_EQ(CountOf(told.tokens, kCloseTag), 1u);
  EXPECT_EQ(Done(told), DoneReason::kEnd);
  for (float logprob : told.logprobs) EXPECT_TRUE(std::isfinite(logprob));
}

TEST(SteeringTest, SoftBudgetsByTokens) {
  const char question[] = "Solve 3x + 5 = 20.";
  const auto run = [&](int32_t soft, int32_t hard) {
    GenerateOptions options = Greedy();
    options.think_budget_soft = soft;
    options.think_budget_hard = hard;
    auto session = NewSession(Petit());
    EXPECT_TRUE(session->Prompt(Ask(question), options).ok());
    return Listen(*session);
  };
  const Told free = run(kUnset, kUnset);
  const int32_t own = static_cast<int32_t>(ThinkingTokens(free));
  EXPECT_EQ(run(100000, kUnset).tokens, free.tokens);  // beyond the context
  // Where steps end, in tokens of thinking: a budget lets the step end that it runs out in.
  std::vector<int32_t> ends{0};
  const int64_t prompt = free.done.position - static_cast<int64_t>(free.tokens.size());
  for (const Event& e : free.events) {
    if (e.kind == EventKind::kStepEnd) ends.push_back(static_cast<int32_t>(e.position - prompt));
  }
  ASSERT_GE(ends.size(), 4u);
  ASSERT_EQ(ends.back(), own);
  for (int32_t soft : {0, 1, 2, ends[1] - 1, ends[1], ends[1] + 1, ends[2] - 1, ends[2]}) {
    const Told told = run(soft, kUnset);
    const int32_t stop = *std::lower_bound(ends.begin(), ends.end(), soft);
    EXPECT_EQ(ThinkingTokens(told), stop) << soft;
    EXPECT_TRUE(std::equal(free.tokens.begin(), free.tokens.begin() + stop, told.tokens.begin()));
    EXPECT_EQ(ThinkEnd(told), ThinkEndReason::kSoftBudget) << soft;
    EXPECT_EQ(Notices(told), std::vector{NoticeReason::kSoftBudget}) << soft;  // said once
    EXPECT_EQ(CountOf(told.tokens, kCloseTag), 1u) << soft;
    EXPECT_EQ(told.tokens.back(), kEnd) << soft;
    EXPECT_FALSE(told.answer.empty()) << soft;
  }
  // In the last step the model closes before the budget has to; at its very end the closing tag may
  // be the budget's or the model's, but is one.
  EXPECT_EQ(ThinkEnd(run(own - 1, kUnset)), ThinkEndReason::kModel);
  EXPECT_EQ(CountOf(run(own, kUnset).tokens, kCloseTag), 1u);
  EXPECT_EQ(run(own + 1, kUnset).tokens, free.tokens);
  // The hard one comes first where the step is longer than it allows.
  const Told both = run(1, 2);
  EXPECT_EQ(ThinkEnd(both), ThinkEndReason::kHardBudget);
  EXPECT_EQ(ThinkingTokens(both), 2);
  EXPECT_EQ(Notices(both), (std::vector{NoticeReason::kSoftBudget, NoticeReason::kHardBudget}));
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
  EXPECT_EQ(Notices(told)[0], NoticeReason::kMinimum);
}

TEST(SteeringTest, MinimumsByTokens) {
  const Told free = RunWith(Greedy());
  const int32_t own = static_cast<int32_t>(ThinkingTokens(free));
  GenerateOptions options = Greedy();
  // Up to the model's own length there is nothing to do.
  for (int32_t minimum : {0, 1, own - 1, own}) {
    options.think_minimum = minimum;
    const Told told = RunWith(options);
    EXPECT_EQ(told.tokens, free.tokens) << minimum;
    EXPECT_TRUE(Notices(told).empty()) << minimum;
  }
  options.think_minimum = own + 1;
  const Told longer = RunWith(options);
  EXPECT_GE(BeforeClose(longer), own + 1);
  EXPECT_TRUE(std::equal(free.tokens.begin(), free.tokens.begin() + own, longer.tokens.begin()));
  EXPECT_EQ(ThinkEnd(longer), ThinkEndReason::kModel);
  EXPECT_EQ(Done(longer), DoneReason::kEnd);
  // Beyond the context: the answer's room ends the thinking all the same.
  options.think_minimum = 100000;
  const uint32_t context = 300;
  const Told beyond = RunWith(options, context);
  EXPECT_EQ(ThinkEnd(beyond), ThinkEndReason::kHardBudget);
  EXPECT_EQ(Notices(beyond).back(), NoticeReason::kAnswerReserve);
  EXPECT_FALSE(beyond.answer.empty());
  EXPECT_LE(beyond.done.position, context);
}

// In the thinking as in an answer the model may end its text; no answer comes then.
TEST(SteeringTest, TextThatEndsInsideTheThinking) {
  GenerateOptions options = Greedy();
  options.sampling.logit_bias = {{kCloseTag, -std::numeric_limits<float>::infinity()},
                                 {kEnd, 1000.0f}};
  const Told told = RunWith(options);
  EXPECT_EQ(told.tokens, std::vector<int32_t>{kEnd});
  EXPECT_EQ(ThinkEnd(told), ThinkEndReason::kEndOfText);
  EXPECT_EQ(Done(told), DoneReason::kUnclosed);
  EXPECT_EQ(told.answer, "");
  // Before the minimum it is replaced like a closing tag.
  options.think_minimum = 6;
  const Told longer = RunWith(options);
  EXPECT_EQ(Notices(longer)[0], NoticeReason::kMinimum);
  EXPECT_GE(longer.tokens.size(), 7u);
  EXPECT_EQ(CountOf(longer.tokens, kEnd), 1u);
  EXPECT_EQ(longer.tokens.back(), kEnd);
  EXPECT_EQ(ThinkEnd(longer), ThinkEndReason::kEndOfText);
  EXPECT_EQ(Done(longer), DoneReason::kUnclosed);
}

TEST(SteeringTest, LengthHasTheReasonOfTheSmallerRoom) {
  const Told free = RunWith(Greedy());
  const int32_t own = static_cast<int32_t>(ThinkingTokens(free));
  const uint32_t prompt =
      static_cast<uint32_t>(free.done.position) - static_cast<uint32_t>(free.tokens.size());
  // Too little room to close: with the default reserve, and with none of it.
  for (int32_t reserve : {kUnset, 0}) {
    for (uint32_t room : {1u, 2u}) {
      GenerateOptions options = Greedy();
      options.answer_reserve = reserve;
      const Told full = RunWith(options, prompt + room);
      EXPECT_EQ(Done(full), DoneReason::kContextFull) << reserve << " " << room;
      EXPECT_EQ(ThinkEnd(full), ThinkEndReason::kLength);
      options.max_tokens = static_cast<int32_t>(room);
      EXPECT_EQ(Done(RunWith(options)), DoneReason::kLengthThinking) << reserve << " " << room;
      options.max_tokens = 1000;  // more than the context: that is the smaller room
      EXPECT_EQ(Done(RunWith(options, prompt + room)), DoneReason::kContextFull);
    }
  }
  GenerateOptions options = Greedy();
  options.answer_reserve = 0;
  options.max_tokens = own + 1 + 3;  // the tag, and the beginning of an answer
  const Told cut = RunWith(options);
  EXPECT_EQ(Done(cut), DoneReason::kLengthAnswer);
  EXPECT_EQ(ThinkEnd(cut), ThinkEndReason::kModel);
  EXPECT_EQ(cut.tokens.size(), static_cast<size_t>(own) + 4);
  EXPECT_EQ(cut.answer, "The answer");
  options.max_tokens = kUnset;
  EXPECT_EQ(Done(RunWith(options, prompt + static_cast<uint32_t>(own) + 4)),
            DoneReason::kContextFull);
}

// Where the model closes its thinking a second time, in its answer, the reader sees no tag.
TEST(SteeringTest, AClosingTagInTheAnswerIsControl) {
  auto session = NewSession(Petit());
  GenerateOptions options = Greedy();
  options.think_budget_hard = 0;
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), options).ok());
  Told told;
  while (told.answer.find("answer") == std::string::npos) Until(*session, EventKind::kToken, &told);
  GenerateOptions wrong = Greedy();
  wrong.sampling.logit_bias = {{kCloseTag, 1000.0f}};
  wrong.max_tokens = static_cast<int32_t>(told.tokens.size()) + 3;
  ASSERT_TRUE(session->Rewind(session->position(), wrong).ok());
  const Told rest = Listen(*session);
  EXPECT_EQ(rest.tokens, std::vector<int32_t>(3, kCloseTag));
  EXPECT_EQ(rest.answer, "");
  for (const Event& e : rest.events) {
    if (e.kind != EventKind::kToken) continue;
    EXPECT_EQ(e.channel, Channel::kControl);
    EXPECT_EQ(e.text, "");
  }
  EXPECT_EQ(session->ChannelText(Channel::kAnswer).find("think"), std::string::npos);
}

TEST(SteeringTest, AnswerReserveLeavesRoomForAnAnswer) {
  GenerateOptions options = Greedy();
  options.max_tokens = 60;
  options.answer_reserve = 20;
  const Told told = RunWith(options);
  EXPECT_EQ(told.think_end, static_cast<int32_t>(ThinkEndReason::kHardBudget));
  EXPECT_FALSE(told.answer.empty());
  EXPECT_LE(told.tokens.size(), 60u);
  EXPECT_EQ(Notices(told), std::vector{NoticeReason::kAnswerReserve});
  // Of the context, too.
  options.max_tokens = kUnset;
  const Told in_context = RunWith(options, 80);
  EXPECT_FALSE(in_context.answer.empty());
}

TEST(SteeringTest, AnswerReservesByTokens) {
  const Told free = RunWith(Greedy());
  const int32_t own = static_cast<int32_t>(ThinkingTokens(free));
  GenerateOptions options = Greedy();
  for (int32_t reserve : {0, 1}) {  // in the whole context there is room for both
    options.answer_reserve = reserve;
    EXPECT_EQ(RunWith(options).tokens, free.tokens) << reserve;
  }
  // One token short of what the model takes for its thinking: the last token goes to the answer, or
  // to nobody.
  options.max_tokens = 40;
  ASSERT_GT(own, 40);
  options.answer_reserve = 0;
  const Told none = RunWith(options);
  EXPECT_EQ(ThinkingTokens(none), 40);
  EXPECT_EQ(Done(none), DoneReason::kLengthThinking);
  for (int32_t reserve : {1, 2, 20, 36}) {
    options.answer_reserve = reserve;
    const Told told = RunWith(options);
    EXPECT_EQ(ThinkEnd(told), ThinkEndReason::kHardBudget) << reserve;
    EXPECT_EQ(Notices(told), std::vector{NoticeReason::kAnswerReserve}) << reserve;
    EXPECT_LE(told.tokens.size(), 40u) << reserve;
    // Newline and tag at most, then what was reserved.
    EXPECT_GE(static_cast<int32_t>(told.tokens.size()) - BeforeClose(told) - 1,
              std::min(reserve, 9))
        << reserve;
  }
  // All of it, and more than there is: no thinking.
  for (int32_t reserve : {40, 100000}) {
    options.answer_reserve = reserve;
    const Told told = RunWith(options);
    EXPECT_EQ(BeforeClose(told), 0) << reserve;
    EXPECT_EQ(Done(told), DoneReason::kEnd) << reserve;
    options.max_tokens = kUnset;
    EXPECT_EQ(BeforeClose(RunWith(options)), reserve == 40 ? own : 0);
    options.max_tokens = 40;
  }
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
  options.max_tokens = 60;
  for (const std::string& question : {std::string(kQuestion), LongQuestion()}) {
    options.branch = -1;
    auto session = NewSession(Petit());
    ASSERT_TRUE(session->Prompt(Ask(question), options).ok());
    const Told first = Listen(*session);
    const int64_t prompt = session->GetUsage().prompt_tokens;
    options.branch = 0;
    for (int64_t position :
         {prompt, prompt + 1, prompt + 7, prompt + static_cast<int64_t>(first.tokens.size()) - 1}) {
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
}

TEST(SteeringTest, RewindTakesTheNextBranchAndSamplesAnew) {
  GenerateOptions options = Greedy();
  options.sampling.temperature = 4;  // Petit is sure of itself
  options.max_tokens = 100;          // and has no end in mind any more
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
