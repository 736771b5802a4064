// Events and steps as JSON: the exact bytes, for every kind, and what hostile structs get.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "fixture.h"

namespace raison::test {
namespace {

TEST(Json, EachKindHasItsKeys) {
  Event event;
  event.kind = RSN_EVENT_TOKEN;
  event.position = 7;
  event.microseconds = 1234;
  event.text = "\"\xF0\x9F\x98\x80\n";
  event.step = 0;
  event.channel = RSN_CHANNEL_THINKING;
  event.token = 42;
  event.rank = 1;
  event.logprob = -0.1f;
  event.entropy = 0;
  event.alternatives = {1, 2};
  event.alternative_logprobs = {-0.5f, -INFINITY};
  event.expert_layers = {3};
  event.experts = {4};
  event.expert_weights = {0.25f};
  EXPECT_EQ(ToJson(event),
            R"({"v":1,"event":"token","position":7,"microseconds":1234,"channel":"thinking",)"
            R"("step":0,"token":42,"text":"\")"
            "\xF0\x9F\x98\x80"
            R"(\n","source":"sampled","rank":1,"logprob":-0.1,"entropy":0.0,)"
            R"("sampled_logprob":null,"alternatives":[{"token":1,"logprob":-0.5},)"
            R"({"token":2,"logprob":null}],"experts":[{"layer":3,"expert":4,"weight":0.25}]})");

  event = Event();
  event.position = 9;
  const std::string place = R"(,"position":9,"microseconds":0)";
  event.done = 1, event.total = 2, event.cached = 3, event.text = "t", event.step = 5;
  const auto line = [&](int32_t kind, int32_t reason) {
    event.kind = kind;
    event.reason = reason;
    return ToJson(event);
  };
  EXPECT_EQ(line(RSN_EVENT_PROGRESS, 0),
            R"({"v":1,"event":"progress")" + place + R"(,"done":1,"total":2,"cached":3})");
  EXPECT_EQ(line(RSN_EVENT_STEP_BEGIN, 0),
            R"({"v":1,"event":"step_begin")" + place + R"(,"step":5})");
  EXPECT_EQ(line(RSN_EVENT_STEP_END, 0),
            R"({"v":1,"event":"step_end")" + place + R"(,"step":5,"text":"t"})");
  EXPECT_EQ(line(RSN_EVENT_THINK_BEGIN, 0), R"({"v":1,"event":"think_begin")" + place + "}");
  EXPECT_EQ(line(RSN_EVENT_THINK_END, RSN_THINK_END_CALLER),
            R"({"v":1,"event":"think_end")" + place + R"(,"reason":"caller"})");
  EXPECT_EQ(line(RSN_EVENT_NOTICE, RSN_NOTICE_PLACED),
            R"({"v":1,"event":"notice")" + place + R"(,"reason":"placed","text":"t"})");
  EXPECT_EQ(line(RSN_EVENT_DONE, RSN_DONE_UNCLOSED),
            R"({"v":1,"event":"done")" + place + R"(,"reason":"unclosed","answer":"t","step":5})");
  event.status = RSN_ERR_KV;
  EXPECT_EQ(line(RSN_EVENT_DONE, RSN_DONE_FAILED),
            R"({"v":1,"event":"done")" + place +
                R"(,"reason":"failed","status":"RSN_ERR_KV","error":"t"})");
  EXPECT_EQ(line(99, 0), R"({"v":1,"event":"unknown")" + place + "}");
  EXPECT_EQ(line(RSN_EVENT_NOTICE, -1),
            R"({"v":1,"event":"notice")" + place + R"(,"reason":"unknown","text":"t"})");
}

TEST(Json, AStepOfASession) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy(400));
  Listen(session);
  ASSERT_GT(session.StepCount(), 0u);
  const std::string json = ToJson(session.Step(0));
  EXPECT_EQ(json.find(R"({"step":0,"id":0,"parent":-1,"branch":0,"marker":")"), 0u) << json;
  EXPECT_NE(json.find(R"("forced":false,"discarded":false,"open":false,"begin":)"),
            std::string::npos)
      << json;
}

TEST(Json, WhatIsNotUtf8IsReplaced) {
  Event event;
  event.kind = RSN_EVENT_STEP_END;
  event.text = std::string("a\0\xFF", 3);
  EXPECT_NE(ToJson(event).find("\"a\\u0000\xEF\xBF\xBD\""), std::string::npos) << ToJson(event);
}

TEST(Json, HostileStructs) {
  rsn_event event;
  size_t size = 0;
  ASSERT_EQ(rsn_event_init(&event, sizeof event), RSN_OK);
  EXPECT_EQ(rsn_event_json(nullptr, nullptr, 0, &size), RSN_ERR_ARGUMENT);
  EXPECT_EQ(rsn_event_json(&event, nullptr, 0, nullptr), RSN_ERR_ARGUMENT);
  EXPECT_EQ(rsn_event_json(&event, nullptr, 1, &size), RSN_ERR_ARGUMENT);
  EXPECT_EQ(rsn_step_json(nullptr, nullptr, 0, &size), RSN_ERR_ARGUMENT);

  event.kind = RSN_EVENT_TOKEN;
  event.alternative_count = 3;  // of nothing
  EXPECT_EQ(rsn_event_json(&event, nullptr, 0, &size), RSN_ERR_ARGUMENT);
  event.alternative_count = 0;
  event.expert_count = SIZE_MAX;
  EXPECT_EQ(rsn_event_json(&event, nullptr, 0, &size), RSN_ERR_ARGUMENT);
  event.expert_count = 0;
  event.text_size = 1;
  EXPECT_EQ(rsn_event_json(&event, nullptr, 0, &size), RSN_ERR_ARGUMENT);
  event.text = "NUL";
  event.text_size = RSN_NUL;
  ASSERT_EQ(rsn_event_json(&event, nullptr, 0, &size), RSN_OK);
  std::vector<char> text(size);
  EXPECT_EQ(rsn_event_json(&event, text.data(), size - 1, &size), RSN_ERR_CAPACITY);
  EXPECT_EQ(rsn_event_json(&event, text.data(), text.size(), &size), RSN_OK);
  EXPECT_NE(std::string(text.data(), size).find(R"("text":"NUL")"), std::string::npos);
  event.struct_size = 0;
  EXPECT_EQ(rsn_event_json(&event, nullptr, 0, &size), RSN_ERR_STRUCT);
}

}  // namespace
}  // namespace raison::test
