#include "core/sampler/options.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

namespace raison {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Options, DefaultsAndExtremesAreValid) {
  EXPECT_TRUE(Validate({}, 10).ok());
  SamplingOptions o;
  o.temperature = 0;
  o.top_k = std::numeric_limits<int32_t>::max();
  o.top_p = 1e-9;
  o.min_p = 1;
  o.presence_penalty = -2;
  o.logit_bias = {{.id = 9, .bias = -std::numeric_limits<float>::infinity()}};
  EXPECT_TRUE(Validate(o, 10).ok());
}

TEST(Options, EveryBadFieldIsNamedWithItsValue) {
  struct Case {
    std::string field, value;
    std::function<void(SamplingOptions&)> set;
  };
  const std::vector<Case> cases = {
      {"temperature", "-0.5", [](auto& o) { o.temperature = -0.5; }},
      {"temperature", "nan", [](auto& o) { o.temperature = kNan; }},
      {"temperature", "inf", [](auto& o) { o.temperature = kInf; }},
      {"top_k", "-1", [](auto& o) { o.top_k = -1; }},
      {"top_p", "0", [](auto& o) { o.top_p = 0; }},
      {"top_p", "1.5", [](auto& o) { o.top_p = 1.5; }},
      {"top_p", "nan", [](auto& o) { o.top_p = kNan; }},
      {"min_p", "-1", [](auto& o) { o.min_p = -1; }},
      {"min_p", "nan", [](auto& o) { o.min_p = kNan; }},
      {"repetition_penalty", "0", [](auto& o) { o.repetition_penalty = 0; }},
      {"repetition_penalty", "nan", [](auto& o) { o.repetition_penalty = kNan; }},
      {"presence_penalty", "inf", [](auto& o) { o.presence_penalty = kInf; }},
      {"presence_penalty", "nan", [](auto& o) { o.presence_penalty = kNan; }},
      {"frequency_penalty", "-inf", [](auto& o) { o.frequency_penalty = -kInf; }},
      {"frequency_penalty", "nan", [](auto& o) { o.frequency_penalty = kNan; }},
      {"penalty_last_n", "-64", [](auto& o) { o.penalty_last_n = -64; }},
      {"logit_bias[1].id", "10",
       [](auto& o) {
         o.logit_bias = {{.id = 1}, {.id = 10}};
       }},
      {"logit_bias[0].id", "-3", [](auto& o) { o.logit_bias = {{.id = -3}}; }},
      {"logit_bias[0].bias", "nan",
       [](auto& o) { o.logit_bias = {{.id = 0, .bias = static_cast<float>(kNan)}}; }},
      {"logit_bias[0].bias", "inf",
       [](auto& o) { o.logit_bias = {{.id = 0, .bias = static_cast<float>(kInf)}}; }},
      {"order", "7", [](auto& o) { o.order = static_cast<SamplingOrder>(7); }},
  };
  for (const Case& c : cases) {
    SamplingOptions o;
    c.set(o);
    const absl::Status status = Validate(o, 10);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.field;
    const std::string message(status.message());
    EXPECT_EQ(message.find(c.field + " is " + c.value), 0u) << message;
  }
}

TEST(Options, OrderByName) {
  EXPECT_EQ(*ParseSamplingOrder("hf"), SamplingOrder::kHuggingFace);
  EXPECT_EQ(*ParseSamplingOrder("llama.cpp"), SamplingOrder::kLlamaCpp);
  EXPECT_EQ(ParseSamplingOrder("LLAMA").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Options, RequestOverFileOverR1) {
  const SamplingOptions r1 = MergeSampling({}, {});
  EXPECT_EQ(r1.temperature, 0.6);
  EXPECT_EQ(r1.top_p, 0.95);
  EXPECT_EQ(r1.top_k, 0);

  SamplingOverrides file;
  file.temperature = 0.7;
  file.top_k = 20;
  const SamplingOptions from_file = MergeSampling(file, {});
  EXPECT_EQ(from_file.temperature, 0.7);
  EXPECT_EQ(from_file.top_k, 20);
  EXPECT_EQ(from_file.top_p, 1);  // the file speaks for itself

  SamplingOverrides request;
  request.temperature = 0;
  request.seed = 5;
  request.order = SamplingOrder::kLlamaCpp;
  request.logit_bias = std::vector<LogitBias>{{.id = 3, .bias = 1}};
  const SamplingOptions both = MergeSampling(file, request);
  EXPECT_EQ(both.temperature, 0);
  EXPECT_EQ(both.top_k, 20);
  EXPECT_EQ(both.seed, 5u);
  EXPECT_EQ(both.order, SamplingOrder::kLlamaCpp);
  EXPECT_EQ(both.logit_bias.size(), 1u);
  EXPECT_EQ(MergeSampling({}, request).top_p, 0.95);
}

}  // namespace
}  // namespace raison
