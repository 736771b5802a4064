// Handles freed in every order, used after their parents went, carried over fork(); resident memory of
// many create/free cycles.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "fixture.h"

namespace raison::test {
namespace {

TEST(Lifetime, AModelLivesAsLongAsItsSessions) {
  rsn_model* model = nullptr;
  rsn_session* session = nullptr;
  ASSERT_EQ(rsn_model_load(&model, nullptr, 0, nullptr), RSN_OK) << rsn_last_error();
  ASSERT_EQ(rsn_session_new(&session, model, nullptr), RSN_OK);
  rsn_model_free(model);
  rsn_generate_options options;
  ASSERT_EQ(rsn_generate_options_init(&options, sizeof options), RSN_OK);
  options.max_tokens = 8;
  ASSERT_EQ(rsn_session_ask(session, kQuestion, RSN_NUL, &options), RSN_OK) << rsn_last_error();
  EXPECT_EQ(rsn_session_run(session, nullptr, nullptr), RSN_OK) << rsn_last_error();
  rsn_session_free(session);
}

TEST(Lifetime, EveryOrderOfFreeingIsLegal) {
  int order[4] = {0, 1, 2, 3};  // model, session, its fork, messages
  do {
    rsn_model* model = nullptr;
    rsn_session *session = nullptr, *fork = nullptr;
    rsn_messages* messages = nullptr;
    rsn_model_options header;
    ASSERT_EQ(rsn_model_options_init(&header, sizeof header), RSN_OK);
    ASSERT_EQ(rsn_model_load(&model, nullptr, 0, &header), RSN_OK) << rsn_last_error();
    ASSERT_EQ(rsn_session_new(&session, model, nullptr), RSN_OK);
    ASSERT_EQ(rsn_messages_new(&messages), RSN_OK);
    ASSERT_EQ(rsn_messages_add(messages, RSN_ROLE_USER, kQuestion, RSN_NUL, nullptr, 0), RSN_OK);
    ASSERT_EQ(rsn_session_prompt(session, messages, nullptr), RSN_OK) << rsn_last_error();
    rsn_event event;
    ASSERT_EQ(rsn_event_init(&event, sizeof event), RSN_OK);
    ASSERT_EQ(rsn_session_next(session, &event), RSN_OK) << rsn_last_error();
    ASSERT_EQ(rsn_session_fork(&fork, session, nullptr), RSN_OK) << rsn_last_error();
    for (int what : order) {
      if (what == 0) rsn_model_free(model);
      if (what == 1) rsn_session_free(session);
      if (what == 2) rsn_session_free(fork);
      if (what == 3) rsn_messages_free(messages);
    }
  } while (std::next_permutation(order, order + 4));
}

TEST(Lifetime, FreeingDuringARequestCancelsIt) {
  for (int events = 0; events < 4; ++events) {
    Session session(BuiltIn());
    session.Ask(kQuestion, Greedy(64));
    Event event;
    for (int i = 0; i < events; ++i) session.Next(event);
  }
}

TEST(Lifetime, InAForkedChildHandlesGiveAStatusAndNeverHang) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy(8));
  Event event;
  session.Next(event);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // a hang is a failure
    rsn_event c;
    rsn_session* other = nullptr;
    size_t count = 0;
    rsn_event_init(&c, sizeof c);
    const bool ok = rsn_session_next(session.handle(), &c) == RSN_ERR_FORKED &&
                    rsn_session_cancel(session.handle()) == RSN_ERR_FORKED &&
                    rsn_session_fork(&other, session.handle(), nullptr) == RSN_ERR_FORKED &&
                    rsn_session_new(&other, BuiltIn().handle(), nullptr) == RSN_ERR_FORKED &&
                    rsn_session_step_count(session.handle(), &count) == RSN_ERR_FORKED &&
                    rsn_last_error()[0] != '\0';
    rsn_session_free(session.handle());
    rsn_model_free(BuiltIn().handle());
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(session.Run().empty(), false);  // the parent goes on
}

TEST(Lifetime, AModelFromMemory) {
  std::ifstream file(BuiltIn().Info().path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() < 4 || bytes.compare(0, 4, "GGUF") != 0) GTEST_SKIP() << "not a GGUF file";
  Session copied(Model::FromBytes(bytes));
  copied.Ask(kQuestion, Greedy());
  Session mapped(Model::FromMemory(bytes.data(), bytes.size()));
  mapped.Ask(kQuestion, Greedy());
  const std::string one = Listen(copied).thinking, other = Listen(mapped).thinking;
  EXPECT_FALSE(one.empty());
  EXPECT_EQ(one, other);
}

int64_t ResidentKib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      int64_t kib = 0;
      status >> kib;
      return kib;
    }
  }
  return 0;
}

TEST(Lifetime, ManySessionsLeaveNothingBehind) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  constexpr int kCycles = 1000;
#else
  constexpr int kCycles = 100;  // their own memory grows: only that nothing is reported counts
#endif
  int64_t before = 0;
  for (int i = 0; i < kCycles; ++i) {
    if (i == 100) before = ResidentKib();
    Session session(BuiltIn());
    session.PromptText("1 + 1", RSN_TOKENIZE_BOS, Greedy(1));
    Event event;
    do session.Next(event);
    while (event.kind != RSN_EVENT_TOKEN);
    Session fork = session.Fork();
  }
  if (kCycles > 100) {
    EXPECT_LT(ResidentKib() - before, 1024) << "KiB more from cycle 100 to 1,000";
  }
}

}  // namespace
}  // namespace raison::test
