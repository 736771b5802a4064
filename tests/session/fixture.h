// What the session tests share: Petit on a device, and a request run to its end.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/session/session.h"

namespace raison::testing {

inline constexpr char kQuestion[] = "What is 12 * 13?";

inline std::shared_ptr<Scheduler> MakeScheduler(ModelOptions options) {
  auto model = Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf", options);
  EXPECT_TRUE(model.ok()) << model.status();
  auto scheduler = Scheduler::Create(*model);
  EXPECT_TRUE(scheduler.ok()) << scheduler.status();
  return *scheduler;
}

// One scheduler a device, made once.
inline std::shared_ptr<Scheduler> Petit(const std::string& device = "cpu") {
  static auto* made = new std::map<std::string, std::shared_ptr<Scheduler>>;
  std::shared_ptr<Scheduler>& scheduler = (*made)[device];
  if (scheduler == nullptr) scheduler = MakeScheduler({.device = device, .threads = 2});
  return scheduler;
}

inline std::unique_ptr<Session> NewSession(const std::shared_ptr<Scheduler>& scheduler,
                                           uint32_t context = 0) {
  auto session = Session::Create(scheduler, context);
  EXPECT_TRUE(session.ok()) << session.status();
  return *std::move(session);
}

inline GenerateOptions Greedy() {
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.wait_ms = 60000;  // no PROGRESS on a slow machine
  return options;
}

// Some 480 tokens, one chunk: attention over it takes its expanded form, and a step that lends its
// experts is cut in two.
inline std::string LongQuestion() {
  std::string question = "Sort from low to high: 12";
  for (int i = 0; i < 115; ++i) question += ", " + std::to_string(13 + i * 37 % 101);
  return question;
}

inline std::vector<Message> Ask(const std::string& text) { return {{"user", text, ""}}; }

struct Told {
  std::vector<Event> events;
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::string thinking, answer;
  int32_t think_end = 0;
  Event done;
};

inline void Hear(const Event& event, Told* told) {
  told->events.push_back(event);
  if (event.kind == EventKind::kToken) {
    told->tokens.push_back(event.record.token);
    told->logprobs.push_back(event.record.logprob);
    if (event.channel == Channel::kThinking) told->thinking += event.text;
    if (event.channel == Channel::kAnswer) told->answer += event.text;
  }
  if (event.kind == EventKind::kThinkEnd) told->think_end = event.reason;
  if (event.kind == EventKind::kDone) told->done = event;
}

inline Told Listen(Session& session) {
  Told told;
  while (true) {
    auto event = session.Next();
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok()) break;
    Hear(*event, &told);
    if (event->kind == EventKind::kDone) break;
  }
  return told;
}

// The next event of a kind; the ones before it are heard too.
inline Event Until(Session& session, EventKind kind, Told* told) {
  while (true) {
    auto event = session.Next();
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok()) return {};
    Hear(*event, told);
    if (event->kind == kind || event->kind == EventKind::kDone) return *event;
  }
}

}  // namespace raison::testing
