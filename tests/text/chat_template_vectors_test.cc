// Prompts equal to those that transformers renders from the same templates (tests/golden/text).
#include <fstream>
#include <sstream>

#include "core/model/text/chat_template.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#ifndef RAISON_TEMPLATE_VECTORS
#define RAISON_TEMPLATE_VECTORS RAISON_SOURCE_DIR "/tests/golden/text/templates.json"
#endif

namespace raison {
namespace {

using Json = nlohmann::ordered_json;

const Json& Golden() {
  static const Json golden = [] {
    std::ifstream file(RAISON_TEMPLATE_VECTORS);
    return Json::parse(file);
  }();
  return golden;
}

std::string Source(const std::string& name) {
  const Json& entry = Golden()["templates"][name];
  if (entry.contains("source")) return entry["source"];
  std::ifstream file(RAISON_SOURCE_DIR "/tests/golden/text/templates/" + name + ".jinja",
                     std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::tm Clock() {
  const Json& c = Golden()["clock"];
  std::tm clock = {};
  clock.tm_year = c[0].get<int>() - 1900;
  clock.tm_mon = c[1].get<int>() - 1;
  clock.tm_mday = c[2];
  clock.tm_hour = c[3];
  clock.tm_min = c[4];
  clock.tm_sec = c[5];
  clock.tm_wday = 6;  // 7 March 2026 is a Saturday, the 66th day
  clock.tm_yday = 65;
  return clock;
}

class TemplateVectors : public testing::TestWithParam<std::string> {};

TEST_P(TemplateVectors, RendersLikeTransformers) {
  const Json& entry = Golden()["templates"][GetParam()];
  const auto token = [&](const char* name) {
    return entry["tokens"].contains(name) ? entry["tokens"][name].get<std::string>() : "";
  };
  // With added tokens given, marked renderings are made and must come out the same.
  auto chat = ChatTemplate::Create(
      Source(GetParam()), {.bos = token("bos_token"),
                           .eos = token("eos_token"),
                           .added = {"<think>", "</think>", token("eos_token"), "<tool_response>"},
                           .open_tag = "<think>",
                           .close_tag = "</think>"});
  ASSERT_TRUE(chat.ok()) << chat.status();
  for (const auto& [name, expected] : entry["expected"].items()) {
    const Json& dialog = Golden()["dialogs"][name];
    std::vector<Message> messages;
    for (const Json& m : dialog["messages"]) {
      messages.push_back({m["role"], m["content"], m["thinking"]});
    }
    const std::string arguments = dialog["arguments"].dump();
    const std::string tools = dialog["tools"].is_null() ? "" : dialog["tools"].dump();
    for (const bool generate : {true, false}) {
      const auto prompt = (*chat)->Render(messages, {.add_generation_prompt = generate,
                                                     .arguments_json = arguments,
                                                     .tools_json = tools,
                                                     .clock = Clock()});
      const Json& want = expected[generate ? 0 : 1];
      if (want.contains("error")) {
        EXPECT_FALSE(prompt.ok()) << name << ": " << prompt->text;
        // What raise_exception says reaches the caller.
        const std::string error = want["error"];
        if (error.find("undefined") == error.npos && error.find("has no") == error.npos) {
          EXPECT_NE(prompt.status().message().find(error), std::string::npos)
              << name << ": " << prompt.status() << " instead of " << error;
        }
        continue;
      }
      ASSERT_TRUE(prompt.ok()) << name << ": " << prompt.status();
      EXPECT_EQ(prompt->text, want["text"].get<std::string>()) << name << " " << generate;
    }
  }
}

std::vector<std::string> TemplateNames() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : Golden()["templates"].items()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Templates, TemplateVectors, testing::ValuesIn(TemplateNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = std::isalnum(c) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace raison
