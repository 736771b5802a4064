// Requests through the ABI and raison.hpp: events and getters agree, callbacks steer, exceptions pass
// through, threads get statuses instead of races.
#include <atomic>
#include <cmath>
#include <map>
#include <stdexcept>
#include <thread>

#include "fixture.h"

namespace raison::test {
namespace {

TEST(Request, EventsTellWhatTheGettersSay) {
  Session session(BuiltIn());
  GenerateOptions options = Greedy(400);
  options.alternatives = 3;
  session.Ask(kQuestion, options);
  const Told told = Listen(session);
  EXPECT_EQ(told.done.reason, RSN_DONE_END);
  EXPECT_EQ(told.thinking, session.Text(RSN_CHANNEL_THINKING));
  EXPECT_EQ(told.answer, session.Text(RSN_CHANNEL_ANSWER));
  EXPECT_EQ(told.done.text, session.Answer().text);
  EXPECT_EQ(told.done.step, session.Answer().step);
  EXPECT_NE(told.done.text.find("156"), std::string::npos) << told.done.text;

  // Steps tile the thinking.
  ASSERT_GT(session.StepCount(), 0u);
  std::string joined;
  for (size_t i = 0; i < session.StepCount(); ++i) {
    const Step step = session.Step(i);
    EXPECT_EQ(step.index, static_cast<int32_t>(i));
    EXPECT_LT(step.begin, step.end);
    EXPECT_EQ(step.rewind, step.begin);
    if (i > 0) {
      EXPECT_EQ(step.begin, session.Step(i - 1).end);
      EXPECT_EQ(step.parent, session.Step(i - 1).id);
    }
    EXPECT_GE(step.confidence, 0);
    EXPECT_LE(step.confidence, 1);
    EXPECT_LE(step.lowest_logprob, step.mean_logprob);
    joined += step.text;
  }
  EXPECT_EQ(joined, told.thinking);

  // Each token event has its record, and each record its event.
  int64_t thinking = 0, answer = 0;
  for (const Event& event : told.events) {
    if (event.kind != RSN_EVENT_TOKEN) continue;
    const Token token = session.Token(event.position);
    EXPECT_EQ(token.token, event.token);
    EXPECT_EQ(token.step, event.step);
    EXPECT_EQ(token.logprob, event.logprob);
    EXPECT_EQ(token.entropy, event.entropy);
    EXPECT_LE(event.logprob, 1e-4);
    ASSERT_EQ(event.alternatives.size(), 3u);
    EXPECT_GE(event.alternative_logprobs[0], event.alternative_logprobs[1]);
    if (event.rank == 0) {
      EXPECT_EQ(event.alternatives[0], event.token);
    }
    thinking += event.channel == RSN_CHANNEL_THINKING;
    answer += event.channel == RSN_CHANNEL_ANSWER;
  }
  const Usage usage = session.Usage();
  EXPECT_EQ(usage.thinking_tokens, thinking);
  EXPECT_EQ(usage.answer_tokens, answer);
  EXPECT_EQ(usage.cached_tokens, 0);
  EXPECT_GT(usage.prompt_tokens, 0);
  EXPECT_GT(usage.passes, thinking);
  EXPECT_GT(usage.total_seconds, 0);
}

TEST(Request, UnsetOptionsAreReportedAsTheyHold) {
  Session session(BuiltIn());
  EXPECT_EQ(StatusOf([&] { session.EffectiveOptions(); }), RSN_ERR_STATE);
  GenerateOptions options;
  options.stop = {"never this", "nor that"};
  options.logit_bias_tokens = {5};
  options.logit_bias = {-2.5f};
  session.Ask(kQuestion, options);
  const GenerateOptions effective = session.EffectiveOptions();
  const ModelInfo info = BuiltIn().Info();
  EXPECT_EQ(effective.temperature, info.temperature);
  EXPECT_EQ(effective.top_p, info.top_p);
  EXPECT_FALSE(std::isnan(effective.min_p));
  EXPECT_EQ(effective.branch, 0);
  EXPECT_EQ(effective.stop, options.stop);
  EXPECT_EQ(effective.logit_bias_tokens, options.logit_bias_tokens);
  EXPECT_EQ(effective.logit_bias, options.logit_bias);
  EXPECT_EQ(effective.continuation, "Wait");
  EXPECT_GE(effective.answer_reserve, 0);
}

TEST(Request, RunAndNextGiveTheSame) {
  Session pulled(BuiltIn()), pushed(BuiltIn());
  pulled.Ask(kQuestion, Greedy());
  const Told told = Listen(pulled);
  pushed.Ask(kQuestion, Greedy());
  std::vector<int32_t> tokens;
  bool done = false;
  pushed.Run([&](Session&, const Event& event) {
    EXPECT_FALSE(done);
    if (event.kind == RSN_EVENT_TOKEN) tokens.push_back(event.token);
    done = event.kind == RSN_EVENT_DONE;
    return RSN_CONTINUE;
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(tokens, told.tokens);
}

TEST(Request, ALoopEndsWhereNoEventIsLeft) {
  Session session(BuiltIn());
  for (const Event& event : session.Events()) FAIL() << "before the first request: " << event.kind;
  session.Ask(kQuestion, Greedy(20));
  int bodies = 0;
  for (const Event& event : session.Events()) {
    if (event.kind != RSN_EVENT_TOKEN) continue;
    ++bodies;
    session.Run();  // takes the rest
  }
  EXPECT_EQ(bodies, 1);
}

TEST(Request, TheWholeConversationReusesItsPrefix) {
  Session session(BuiltIn());
  Messages messages;
  messages.Add(RSN_ROLE_USER, kQuestion);
  session.Prompt(messages, Greedy());
  session.Run();
  messages.Add(RSN_ROLE_ASSISTANT, session.Text(RSN_CHANNEL_ANSWER),
               session.Text(RSN_CHANNEL_THINKING));
  messages.Add(RSN_ROLE_USER, "What is 7 + 5?");
  EXPECT_EQ(messages.Size(), 3u);
  EXPECT_EQ(messages.Role(1), RSN_ROLE_ASSISTANT);
  session.Prompt(messages, Greedy(4));
  session.Run();
  EXPECT_GT(session.Usage().cached_tokens, 0);
  EXPECT_LT(session.Usage().cached_tokens, session.Usage().prompt_tokens);
}

TEST(Callback, EndsTheThinkingAndStillGetsAnAnswer) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy(400));
  int tokens = 0;
  int32_t why = 0;
  session.Run([&](Session&, const Event& event) -> int32_t {
    if (event.kind == RSN_EVENT_THINK_END) why = event.reason;
    tokens += event.kind == RSN_EVENT_TOKEN && event.channel == RSN_CHANNEL_THINKING;
    // Said again and again it means the same.
    return tokens >= 5 ? RSN_END_THINKING : RSN_CONTINUE;
  });
  EXPECT_EQ(why, RSN_THINK_END_CALLER);
  // The five, and a forced line end before the tag where the model expects one.
  EXPECT_GE(session.Usage().thinking_tokens, 5);
  EXPECT_LE(session.Usage().thinking_tokens, 6);
  EXPECT_GT(session.Usage().forced_tokens, 0);
  EXPECT_FALSE(session.Text(RSN_CHANNEL_ANSWER).empty());
}

TEST(Callback, StopsAndTheSessionStaysUsable) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy());
  Event last;
  bool stopping = false;
  session.Run([&](Session&, const Event& event) {
    last = event;
    stopping = stopping || event.kind == RSN_EVENT_TOKEN;
    return stopping ? RSN_STOP : RSN_CONTINUE;
  });
  EXPECT_EQ(last.kind, RSN_EVENT_DONE);
  EXPECT_EQ(last.reason, RSN_DONE_STOPPED);
  session.Ask(kQuestion, Greedy());
  EXPECT_FALSE(session.Run().empty());
}

TEST(Callback, AnExceptionComesOutUnchanged) {
  struct Custom : std::runtime_error {
    using std::runtime_error::runtime_error;
    int code = 42;
  };
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy());
  int calls_after = 0;
  bool thrown = false;
  try {
    session.Run([&](Session&, const Event& event) -> int32_t {
      if (thrown) ++calls_after;
      if (event.kind == RSN_EVENT_TOKEN) {
        thrown = true;
        throw Custom("from the callback");
      }
      return RSN_CONTINUE;
    });
    FAIL() << "nothing was thrown";
  } catch (const Custom& error) {
    EXPECT_EQ(error.code, 42);
    EXPECT_STREQ(error.what(), "from the callback");
  }
  EXPECT_EQ(calls_after, 0);
  session.Ask(kQuestion, Greedy());
  EXPECT_FALSE(session.Run().empty());
}

TEST(Callback, ARewindOnDoneMakesTheRunGoOn) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy(12));
  int done = 0;
  session.Run([&](Session& s, const Event& event) {
    if (event.kind == RSN_EVENT_DONE && ++done == 1) s.Rewind(s.Usage().prompt_tokens);
    return RSN_CONTINUE;
  });
  EXPECT_EQ(done, 2);
  EXPECT_EQ(session.Usage().discarded_tokens, 12);
}

// Every verb as a call on the session, where a callback's return value has no word for it.
TEST(Callback, SteersByCalls) {
  Session session(BuiltIn());
  session.Ask("Solve 3x + 5 = 20.", Greedy(400));
  const std::string note = "Let me see. ";
  int64_t told = 0, injected = 0;
  std::string notices;
  int32_t think_end = 0, done = 0;
  bool ended = false, stopped = false;
  session.Run([&](Session& s, const Event& event) {
    if (event.kind == RSN_EVENT_TOKEN) {
      injected += event.source == RSN_SOURCE_INJECTED;
      EXPECT_EQ(s.Position(), event.position + 1);
      ++told;
      if (told == 3) s.Inject(note);
      if (told == 20 && !ended) {
        s.EndThinking();
        ended = true;
      }
    }
    if (event.kind == RSN_EVENT_NOTICE) notices += std::to_string(event.reason) + " ";
    if (event.kind == RSN_EVENT_THINK_END) think_end = event.reason;
    if (event.kind == RSN_EVENT_DONE && ++done == 1) {
      EXPECT_EQ(event.reason, RSN_DONE_END);
      EXPECT_EQ(think_end, RSN_THINK_END_CALLER);
      GenerateOptions hot = Greedy(400);
      hot.temperature = 2;
      hot.branch = 9;
      s.Rewind(s.Usage().prompt_tokens, hot);
      EXPECT_EQ(s.EffectiveOptions().branch, 9);
      told = 100;
    } else if (told == 105 && !stopped) {
      EXPECT_EQ(StatusOf([&] { s.Inject(std::string(100000, 'x')); }), RSN_ERR_CONTEXT);
      s.Stop();
      stopped = true;
    }
    if (event.kind == RSN_EVENT_DONE && done == 2) {
      EXPECT_EQ(event.reason, RSN_DONE_STOPPED);
    }
    return RSN_CONTINUE;
  });
  EXPECT_EQ(done, 2);
  EXPECT_EQ(told, 105);
  EXPECT_EQ(injected, static_cast<int64_t>(BuiltIn().Tokenize(note, 0).size()));
  EXPECT_EQ(notices, std::to_string(RSN_NOTICE_INJECTED) + " " +
                         std::to_string(RSN_NOTICE_END_THINKING) + " " +
                         std::to_string(RSN_NOTICE_REWOUND) + " " +
                         std::to_string(RSN_NOTICE_STOPPED) + " ");
  EXPECT_EQ(session.Position(), session.Usage().prompt_tokens + 5);
}

TEST(Callback, ForksAndReadsTheForkToItsEnd) {
  Session session(BuiltIn()), alone(BuiltIn());
  alone.Ask(kQuestion, Greedy());
  const Told expected = Listen(alone);
  session.Ask(kQuestion, Greedy());
  std::vector<int32_t> tokens, forked;
  session.Run([&](Session& s, const Event& event) {
    if (event.kind != RSN_EVENT_TOKEN) return RSN_CONTINUE;
    tokens.push_back(event.token);
    if (tokens.size() == 7) {
      Session fork = s.Fork();  // greedy: the same text on another branch
      EXPECT_EQ(fork.Position(), s.Position());
      EXPECT_EQ(fork.EffectiveOptions().branch, 1);
      forked = tokens;
      const std::vector<int32_t> rest = Listen(fork).tokens;
      forked.insert(forked.end(), rest.begin(), rest.end());
    }
    return RSN_CONTINUE;
  });
  EXPECT_EQ(tokens, expected.tokens);
  EXPECT_EQ(forked, expected.tokens);
}

TEST(Steering, RewindWithTheSameBranchReplaysAndWithTheNextDoesNot) {
  Session session(BuiltIn());
  GenerateOptions options;
  options.temperature = 4;  // Petit is sure of itself
  options.top_p = 1;
  options.seed = 7;
  options.max_tokens = 40;
  session.Ask(kQuestion, options);
  const std::vector<int32_t> first = Listen(session).tokens;
  const int64_t prompt = session.Usage().prompt_tokens;
  options.branch = 0;
  session.Rewind(prompt, options);
  EXPECT_EQ(Listen(session).tokens, first);
  session.Rewind(prompt);
  EXPECT_NE(Listen(session).tokens, first);
}

TEST(Steering, AForkGoesItsOwnWay) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy());
  Event event;
  for (int tokens = 0; tokens < 6;) {
    session.Next(event);
    tokens += event.kind == RSN_EVENT_TOKEN;
  }
  Session fork = session.Fork();
  EXPECT_EQ(fork.Position(), session.Position());
  fork.Inject("Wait, ");
  const Told ours = Listen(session), theirs = Listen(fork);
  EXPECT_EQ(session.Text(RSN_CHANNEL_THINKING).find("Wait, "), std::string::npos);
  EXPECT_NE(fork.Text(RSN_CHANNEL_THINKING).find("Wait, "), std::string::npos);
  EXPECT_NE(ours.tokens, theirs.tokens);
}

TEST(Steering, ThinkingOutsideTheThinkingCannotEnd) {
  Session session(BuiltIn());
  GenerateOptions options = Greedy();
  options.thinking = RSN_THINKING_OFF;
  session.Ask(kQuestion, options);
  EXPECT_EQ(StatusOf([&] { session.EndThinking(); }), RSN_ERR_STATE);
  EXPECT_EQ(Listen(session).thinking, "");
}

TEST(Threads, ASecondThreadGetsAStatus) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy());
  int32_t seen = RSN_OK;
  session.Run([&](Session& s, const Event& event) {
    if (event.kind == RSN_EVENT_TOKEN && seen == RSN_OK) {
      std::thread([&] { seen = StatusOf([&] { s.Position(); }); }).join();
    }
    return RSN_CONTINUE;
  });
  EXPECT_EQ(seen, RSN_ERR_BUSY);
}

TEST(Threads, CancelFromAnotherThread) {
  Session session(BuiltIn());
  GenerateOptions options;
  options.think_minimum = 100000;  // it would go on for long
  session.Ask(kQuestion, options);
  std::atomic<bool> started{false};
  std::thread other([&] {
    while (!started) std::this_thread::yield();
    session.Cancel();
  });
  Event event;
  do {
    session.Next(event);
    started = true;
  } while (event.kind != RSN_EVENT_DONE);
  other.join();
  EXPECT_EQ(event.reason, RSN_DONE_CANCELLED);
  session.Ask(kQuestion, Greedy());
  EXPECT_FALSE(session.Run().empty());
}

TEST(Threads, EightSessionsOnEightThreadsGiveWhatOneGives) {
  Session alone(BuiltIn());
  GenerateOptions options;
  options.seed = 3;
  options.max_tokens = 24;
  alone.Ask(kQuestion, options);
  const std::vector<int32_t> expected = Listen(alone).tokens;
  std::vector<std::vector<int32_t>> got(8);
  std::vector<std::thread> threads;
  for (auto& tokens : got) {
    threads.emplace_back([&tokens, &options] {
      Session session(BuiltIn());
      session.Ask(kQuestion, options);
      tokens = Listen(session).tokens;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& tokens : got) EXPECT_EQ(tokens, expected);
}

TEST(Threads, EightSessionsFromOneThreadShareTheirPasses) {
  Session alone(BuiltIn());
  GenerateOptions options = Greedy(64);
  options.think_minimum = 64;  // nobody ends early
  options.answer_reserve = 0;
  options.wait_ms = 60000;
  alone.Ask(kQuestion, options);
  const std::vector<int32_t> expected = Listen(alone).tokens;
  ASSERT_EQ(expected.size(), 64u);
  Sessions many;
  for (int i = 0; i < 8; ++i) {
    Session session(BuiltIn());
    session.Ask(kQuestion, options);
    many.Add(session);
  }
  const uint64_t before = BuiltIn().Info().passes;
  std::map<int64_t, std::vector<int32_t>> got;
  int done = 0;
  Event event;
  for (int64_t which; (which = many.Next(event)) >= 0;) {
    if (event.kind == RSN_EVENT_TOKEN) got[which].push_back(event.token);
    done += event.kind == RSN_EVENT_DONE;
  }
  EXPECT_EQ(done, 8);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(got[i], expected) << i;
  // One for the prompts, whose logits choose the first token, and one for each of the 63 others; a
  // last one may have been under way.
  EXPECT_LE(BuiltIn().Info().passes - before, 65u);
  EXPECT_EQ(many.Next(event), -1);
  EXPECT_EQ(event.kind, RSN_EVENT_NONE);
}

TEST(Reading, ModelTokensAndTemplates) {
  const Model& model = BuiltIn();
  const ModelInfo info = model.Info();
  EXPECT_EQ(info.architecture, "deepseek_v3");
  EXPECT_EQ(info.layers, 8u);
  EXPECT_EQ(info.experts, 16u);
  EXPECT_GT(info.parameters, info.active_parameters);
  EXPECT_GT(info.kv_bytes_per_token, 0u);
  for (const char* text : {"", "12 + 30 = 42", "\xF0\x9F\x98\x80 caf\xC3\xA9", "a\nb\t c"}) {
    EXPECT_EQ(model.Detokenize(model.Tokenize(text)), text);
  }
  const std::string with_nul("a\0b", 3);
  EXPECT_EQ(model.Detokenize(model.Tokenize(with_nul)), with_nul);
  std::string megabyte;
  while (megabyte.size() < 1 << 20) megabyte += "\xF0\x9F\x98\x80 12 * 13 " + with_nul;
  EXPECT_EQ(model.Detokenize(model.Tokenize(megabyte)), megabyte);
  Messages messages;
  messages.Add(RSN_ROLE_USER, kQuestion);
  EXPECT_NE(model.Render(messages).find(kQuestion), std::string::npos);
  EXPECT_NE(model.Plan().find("cpu"), std::string::npos);
  EXPECT_EQ(model.Plan(RSN_FORMAT_JSON, 128, 2).front(), '{');
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < info.tensors; ++i) bytes += model.Tensor(i).bytes;
  EXPECT_EQ(bytes, info.weight_bytes);
}

TEST(Reading, AHeaderIsEnoughToReadButNotToRun) {
  ModelOptions options;
  options.load = RSN_LOAD_HEADER;
  Model header("", options);
  EXPECT_EQ(header.Info().layers, 8u);
  EXPECT_EQ(header.Tokenize("1 + 1"), BuiltIn().Tokenize("1 + 1"));
  EXPECT_EQ(StatusOf([&] { Session session(header); }), RSN_ERR_STATE);
}

TEST(Reading, LoadProgressAndItsExceptions) {
  uint64_t last = 0, total = 0;
  ModelOptions options;
  options.progress = [&](uint64_t done, uint64_t all) {
    EXPECT_LE(done, all);
    last = done;
    total = all;
    return true;
  };
  Model model("", options);
  EXPECT_GT(total, 0u);
  EXPECT_EQ(last, total);
  options.progress = [](uint64_t, uint64_t) -> bool { throw std::logic_error("no"); };
  EXPECT_THROW(Model("", options), std::logic_error);
  options.progress = [](uint64_t, uint64_t) { return false; };
  EXPECT_EQ(StatusOf([&] { Model refused("", options); }), RSN_ERR_CANCELLED);
}

TEST(Reading, ExpertCountsOfAStepAddUp) {
  Session session(BuiltIn());
  GenerateOptions options = Greedy();
  options.trace = RSN_TRACE_EXPERTS;
  session.Ask(kQuestion, options);
  Listen(session);
  ASSERT_GT(session.StepCount(), 0u);
  const ModelInfo info = BuiltIn().Info();
  const Step step = session.Step(0);
  const std::vector<uint32_t> counts = session.StepExperts(0);
  ASSERT_EQ(counts.size(), size_t{info.layers} * info.experts);
  for (uint32_t layer = 0; layer < info.layers; ++layer) {
    uint64_t sum = 0;
    for (uint32_t e = 0; e < info.experts; ++e) sum += counts[layer * info.experts + e];
    const uint64_t tokens = static_cast<uint64_t>(step.end - step.begin);
    EXPECT_EQ(sum, layer < info.dense_layers ? 0 : tokens * info.experts_used) << "layer " << layer;
  }
  const Token token = session.Token(step.begin);
  EXPECT_EQ(token.experts.size(), size_t{info.layers - info.dense_layers} * info.experts_used);
  EXPECT_EQ(token.experts.size(), token.expert_weights.size());
}

TEST(Reading, LogitsAreThoseThatGreedyDrawsFrom) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy(3));
  Event event;
  do session.Next(event);
  while (event.kind != RSN_EVENT_TOKEN);
  const std::vector<float> logits = session.Logits();
  ASSERT_EQ(logits.size(), BuiltIn().Info().vocabulary);
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  do session.Next(event);
  while (event.kind != RSN_EVENT_TOKEN);
  EXPECT_EQ(event.token, best);
}

}  // namespace
}  // namespace raison::test
