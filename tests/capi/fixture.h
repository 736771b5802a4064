// What the ABI's tests share: the built-in model, loaded once a process, and a request run to its end.
#pragma once

#include <gtest/gtest.h>

#include <raison/raison.hpp>
#include <string>
#include <vector>

namespace raison::test {

inline const Model& BuiltIn() {
  static const Model* model = new Model();
  return *model;
}

// Deterministic and short.
inline GenerateOptions Greedy(int32_t max_tokens = 96) {
  GenerateOptions options;
  options.temperature = 0;
  options.max_tokens = max_tokens;
  return options;
}

inline constexpr char kQuestion[] = "What is 12 * 13?";

struct Told {
  std::vector<Event> events;
  std::vector<int32_t> tokens;
  std::string thinking, answer;
  Event done;
};

inline Told Listen(Session& session) {
  Told told;
  for (const Event& event : session.Events()) {
    told.events.push_back(event);
    if (event.kind == RSN_EVENT_TOKEN) {
      told.tokens.push_back(event.token);
      if (event.channel == RSN_CHANNEL_THINKING) told.thinking += event.text;
      if (event.channel == RSN_CHANNEL_ANSWER) told.answer += event.text;
    }
    if (event.kind == RSN_EVENT_DONE) told.done = event;
  }
  return told;
}

inline int32_t StatusOf(const std::function<void()>& call) {
  try {
    call();
    return RSN_OK;
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
    return error.status();
  }
}

}  // namespace raison::test
