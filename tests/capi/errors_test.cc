// What can go wrong while a request is made or runs, and that everything goes on afterwards; and the
// options that change what events look like.
#include <algorithm>

#include "fixture.h"

namespace raison::test {
namespace {

TEST(Errors, AConversationThatTheTemplateRefuses) {
  ModelOptions options;
  options.chat_template = "{{ raise_exception('no thanks') }}";
  Model model("", options);
  Session session(model);
  EXPECT_EQ(StatusOf([&] { session.Ask(kQuestion); }), RSN_ERR_TEMPLATE);
  EXPECT_NE(std::string(rsn_last_error()).find("no thanks"), std::string::npos);
  // The model itself is fine.
  session.PromptText("3 + 4 =", RSN_TOKENIZE_BOS, Greedy(4));
  session.Run();
}

TEST(Errors, ATemplateThatIsNoTemplate) {
  ModelOptions options;
  options.chat_template = "{% if %}";
  int32_t status = RSN_OK;
  try {
    Model model("", options);
    Session session(model);
    session.Ask(kQuestion);
  } catch (const Error& error) {
    status = error.status();
  }
  EXPECT_EQ(status, RSN_ERR_TEMPLATE);
}

TEST(Errors, APromptThatDoesNotFitLeavesTheSessionAsItWas) {
  SessionOptions small;
  small.context_length = 64;
  Session session(BuiltIn(), small);
  session.Ask("3 + 4?", Greedy(4));
  Listen(session);
  const int64_t position = session.Position();
  std::string much;
  for (int i = 0; i < 200; ++i) much += "12 ";
  EXPECT_EQ(StatusOf([&] { session.Ask(much); }), RSN_ERR_CONTEXT);
  EXPECT_EQ(session.Position(), position);
}

TEST(Errors, TheContextsEndIsAReason) {
  SessionOptions small;
  small.context_length = 48;
  Session session(BuiltIn(), small);
  GenerateOptions options;
  options.temperature = 0;
  options.think_minimum = 1000;
  options.answer_reserve = 0;
  session.Ask(kQuestion, options);
  const Told told = Listen(session);
  EXPECT_EQ(told.done.reason, RSN_DONE_CONTEXT_FULL);
  EXPECT_LE(session.Position(), 48);
}

TEST(Errors, AContextBeyondTheModelsOwnIsRefused) {
  ModelOptions options;
  options.context_length = BuiltIn().Info().context_length;
  Model most("", options);
  ++options.context_length;
  EXPECT_EQ(StatusOf([&] { Model("", options); }), RSN_ERR_UNSUPPORTED);
  EXPECT_NE(std::string(rsn_last_error()).find("own limit"), std::string::npos);
}

TEST(Errors, ACacheOfLessThanAPageIsNoFaultOfTheFile) {
  ModelOptions options;
  options.kv_bytes = 1;
  EXPECT_EQ(StatusOf([&] { Model("", options); }), RSN_ERR_MEMORY);
  EXPECT_NE(std::string(rsn_last_error()).find("kv_bytes = 1 "), std::string::npos);
}

TEST(Errors, ASessionThatGetsNoPageFailsAndGoesOnLater) {
  constexpr uint64_t kPage = 64;  // tokens
  ModelOptions options;
  options.kv_bytes = 3 * kPage * BuiltIn().Info().kv_bytes_per_token;
  Model model("", options);
  GenerateOptions generate = Greedy(150);
  generate.think_minimum = 150;
  generate.answer_reserve = 0;
  Session session(model);
  auto other = std::make_unique<Session>(model);
  other->Ask(kQuestion, Greedy(12));
  other->Run();
  ASSERT_GT(model.Info().kv_bytes_used, 0u);
  session.Ask(kQuestion, generate);
  Event event;
  const int32_t status = StatusOf([&] {
    do session.Next(event);
    while (event.kind != RSN_EVENT_DONE);
  });
  ASSERT_EQ(status, RSN_ERR_KV);
  EXPECT_EQ(event.kind, RSN_EVENT_DONE);
  EXPECT_EQ(event.reason, RSN_DONE_FAILED);
  EXPECT_EQ(event.status, RSN_ERR_KV);
  EXPECT_FALSE(event.text.empty());
  const int64_t position = session.Position();
  EXPECT_GT(position, 64);
  // The same failure does not throw where many are stepped.
  session.Rewind(position);
  Sessions many;
  many.Add(session);
  do EXPECT_EQ(many.Next(event), 0);
  while (event.kind != RSN_EVENT_DONE);
  EXPECT_EQ(event.status, RSN_ERR_KV);
  // Room, and on it goes.
  other.reset();
  session.Rewind(position);
  const Told rest = Listen(session);
  EXPECT_NE(rest.done.reason, RSN_DONE_FAILED);
  EXPECT_GE(session.Usage().thinking_tokens, 140);
}

TEST(Errors, SessionsOfTwoModelsCannotStepTogether) {
  Model model;
  Session one(BuiltIn()), two(model);
  one.Ask(kQuestion, Greedy(4));
  two.Ask(kQuestion, Greedy(4));
  Sessions many;
  many.Add(one);
  many.Add(two);
  Event event;
  EXPECT_EQ(StatusOf([&] { many.Next(event); }), RSN_ERR_ARGUMENT);
  EXPECT_FALSE(one.Run().empty() && two.Run().empty() && one.Position() == 0);
}

// What opening a GGUF v3 without tensors and with general.architecture = `value` says.
std::string SentenceFor(const std::string& value) {
  const std::string path = testing::TempDir() + "/raison_capi_bad.gguf";
  FILE* file = fopen(path.c_str(), "wb");
  if (file == nullptr) return "no file";
  const std::string key = "general.architecture";
  std::string bytes("GGUF\x03\0\0\0", 8);
  const auto number = [&bytes](uint64_t v, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(v >> (8 * i)));
  };
  number(0, 8);
  number(1, 8);
  number(key.size(), 8);
  bytes += key;
  number(8, 4);  // a string
  number(value.size(), 8);
  bytes += value;
  bytes.append(64, '\0');
  fwrite(bytes.data(), 1, bytes.size(), file);
  fclose(file);
  EXPECT_EQ(StatusOf([&] { Model model{path}; }), RSN_ERR_UNSUPPORTED);
  remove(path.c_str());
  return rsn_last_error();
}

TEST(Errors, AnUnknownArchitectureIsNamed) {
  EXPECT_NE(SentenceFor("abacus").find("abacus"), std::string::npos) << rsn_last_error();
}

// raison.h promises UTF-8, and a terminal shows sentences: a file's bytes are no exception.
TEST(Errors, SentencesAreUtf8WhateverTheFileHolds) {
  const std::string unknown = "\xEF\xBF\xBD";
  const auto says = [](const std::string& value, const std::string& wanted) {
    const std::string sentence = SentenceFor(value);
    EXPECT_NE(sentence.find("'" + wanted + "'"), std::string::npos) << sentence;
  };
  says("ab\xFF\xFE", "ab" + unknown + unknown);
  says("\xE2\x82", unknown);                            // half a code point
  says("caf\xC3\xA9", "caf\xC3\xA9");                   // a whole one stays
  says("\x1B[31m", unknown + "[31m");                   // an escape sequence
  says("\xC2\x9B" "31m", unknown + "31m");              // the same in one code point
  says(std::string("a\0b", 3), "a" + unknown + "b");    // does not end the sentence
}

TEST(Errors, AWeightThatIsNoNumberIsAStatus) {
  const std::string gguf = BuiltInWithNan();
  const Model model = Model::FromBytes(gguf);
  Session session(model);
  session.Ask(kQuestion, Greedy());
  Event event;
  int32_t status = RSN_OK;
  while (status == RSN_OK && event.kind != RSN_EVENT_DONE) {
    status = StatusOf([&] { session.Next(event); });
    EXPECT_NE(event.kind, RSN_EVENT_TOKEN);
  }
  EXPECT_EQ(status, RSN_ERR_NONFINITE);
  EXPECT_NE(std::string(rsn_last_error()).find("NaN"), std::string::npos) << rsn_last_error();
  // By the C function the event tells the same.
  rsn_model* c_model = nullptr;
  rsn_session* c_session = nullptr;
  ASSERT_EQ(rsn_model_load_memory(&c_model, gguf.data(), gguf.size(), nullptr), RSN_OK);
  ASSERT_EQ(rsn_session_new(&c_session, c_model, nullptr), RSN_OK);
  ASSERT_EQ(rsn_session_ask(c_session, kQuestion, RSN_NUL, nullptr), RSN_OK);
  rsn_event plain;
  rsn_event_init(&plain, sizeof plain);
  do {
    status = rsn_session_next(c_session, &plain);
  } while (status == RSN_OK && plain.kind != RSN_EVENT_DONE);
  EXPECT_EQ(status, RSN_ERR_NONFINITE);
  EXPECT_EQ(plain.kind, RSN_EVENT_DONE);
  EXPECT_EQ(plain.reason, RSN_DONE_FAILED);
  EXPECT_EQ(plain.status, RSN_ERR_NONFINITE);
  rsn_session_free(c_session);
  rsn_model_free(c_model);
}

TEST(Options, ReleaseByStepWithholdsTheTokensText) {
  Session session(BuiltIn());
  GenerateOptions options = Greedy(400);
  options.release = RSN_RELEASE_STEP;
  session.Ask(kQuestion, options);
  std::string steps;
  const Told told = Listen(session);
  for (const Event& event : told.events) {
    if (event.kind == RSN_EVENT_STEP_END) steps += event.text;
  }
  EXPECT_EQ(told.thinking, "");
  EXPECT_FALSE(steps.empty());
  EXPECT_EQ(steps, session.Text(RSN_CHANNEL_THINKING));
  EXPECT_EQ(told.answer, session.Text(RSN_CHANNEL_ANSWER));
}

TEST(Options, AStopStringEndsTheAnswerBeforeIt) {
  Session session(BuiltIn());
  GenerateOptions options = Greedy(400);
  session.Ask(kQuestion, options);
  session.Run();
  const std::string whole = session.Text(RSN_CHANNEL_ANSWER);
  ASSERT_NE(whole.find("answer"), std::string::npos) << whole;
  options.stop = {"answer"};
  session.Ask(kQuestion, options);
  const Told told = Listen(session);
  EXPECT_EQ(told.done.reason, RSN_DONE_STOP_STRING);
  EXPECT_EQ(session.Text(RSN_CHANNEL_ANSWER), whole.substr(0, whole.find("answer")));
  EXPECT_EQ(told.answer, session.Text(RSN_CHANNEL_ANSWER));
}

TEST(Options, ZeroWaitNeverBlocksAndShowsProgress) {
  Session session(BuiltIn());
  GenerateOptions options = Greedy(4);
  options.wait_ms = 0;
  session.Ask(kQuestion, options);
  Event event;
  int progress = 0;
  do {
    session.Next(event);
    if (event.kind != RSN_EVENT_PROGRESS) continue;
    ++progress;
    EXPECT_LE(event.done, event.total);
    EXPECT_EQ(event.total, session.Usage().prompt_tokens);
  } while (event.kind != RSN_EVENT_DONE);
  EXPECT_GT(progress, 0);
}

// A prompt of several chunks of 512 tokens, about 1,200 in all.
std::string LongPrompt() {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "7 + 8 ";
  return text;
}

TEST(Options, ALongPromptShowsProgressWithoutBeingAskedTo) {
  Session session(BuiltIn());
  session.PromptText(LongPrompt(), RSN_TOKENIZE_BOS, Greedy(1));
  Event event;
  std::vector<uint64_t> done;
  do {
    session.Next(event);
    if (event.kind != RSN_EVENT_PROGRESS) continue;
    done.push_back(event.done);
    EXPECT_EQ(event.total, session.Usage().prompt_tokens);
  } while (event.kind != RSN_EVENT_DONE);
  ASSERT_GT(session.Usage().prompt_tokens, 1024);
  ASSERT_GE(done.size(), 2u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_LT(done.front(), done.back());
}

TEST(Options, CancelEndsWithinThePrompt) {
  Session session(BuiltIn());
  session.PromptText(LongPrompt(), RSN_TOKENIZE_BOS, Greedy(8));
  Event event;
  do session.Next(event);
  while (event.kind != RSN_EVENT_PROGRESS && event.kind != RSN_EVENT_DONE);
  ASSERT_EQ(event.kind, RSN_EVENT_PROGRESS);
  ASSERT_LT(event.done, event.total);
  session.Cancel();
  const Told told = Listen(session);
  EXPECT_EQ(told.done.reason, RSN_DONE_CANCELLED);
  EXPECT_TRUE(told.tokens.empty());
  for (const Event& e : told.events) {
    EXPECT_TRUE(e.kind != RSN_EVENT_PROGRESS || e.done < e.total);
  }
}

TEST(Options, ContinueLastGoesOnFromTheAssistantsWords) {
  Session session(BuiltIn());
  Messages messages;
  messages.Add(RSN_ROLE_USER, kQuestion);
  messages.Add(RSN_ROLE_ASSISTANT, "The answer is");
  GenerateOptions options = Greedy(8);
  options.continue_last = true;
  const std::string rendered = BuiltIn().Render(messages, options);
  EXPECT_EQ(rendered.substr(rendered.size() - 13), "The answer is");
  session.Prompt(messages, options);
  const Told told = Listen(session);
  EXPECT_EQ(told.thinking, "");
  EXPECT_FALSE(told.answer.empty());
  messages.Add(RSN_ROLE_USER, "?");
  EXPECT_NE(StatusOf([&] { session.Prompt(messages, options); }), RSN_OK);
}

TEST(Options, SeedBranchAndPositionDecideADraw) {
  GenerateOptions options;
  options.temperature = 4;
  options.top_p = 1;
  options.max_tokens = 16;
  std::vector<std::vector<int32_t>> seen;
  for (uint64_t seed : {1, 2, 1}) {
    options.seed = seed;
    Session session(BuiltIn());
    session.Ask(kQuestion, options);
    seen.push_back(Listen(session).tokens);
  }
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
}

TEST(Options, EveryThinkingModeHolds) {
  for (int32_t mode : {RSN_THINKING_AUTO, RSN_THINKING_ON, RSN_THINKING_OFF}) {
    Session session(BuiltIn());
    GenerateOptions options = Greedy(8);
    options.thinking = mode;
    session.Ask(kQuestion, options);
    EXPECT_EQ(Listen(session).thinking.empty(), mode == RSN_THINKING_OFF) << mode;
  }
}

}  // namespace
}  // namespace raison::test
