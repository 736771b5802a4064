// Records (bindings/swig/record.h): what goes in comes out, and hostile bytes are refused before
// anything is allocated for them.
#include "bindings/swig/record.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace raison::swig {
namespace {

GenerateOptions Everything() {
  GenerateOptions o;
  o.max_tokens = 1;
  o.seed = UINT64_MAX;
  o.temperature = 0.5f;
  o.logit_bias_tokens = {1, -2};
  o.logit_bias = {0.25f, -INFINITY};
  o.stop = {"", std::string("a\0b", 3), "\xF0\x9F\x98\x80"};
  o.continuation = "Wait";
  o.trace = 3;
  o.continue_last = true;
  return o;
}

TEST(Record, ComesBack) {
  const std::string record = ToRecord(Everything());
  const GenerateOptions o = FromRecord<GenerateOptions>(record);
  EXPECT_EQ(o.seed, UINT64_MAX);
  EXPECT_EQ(o.logit_bias_tokens, Everything().logit_bias_tokens);
  EXPECT_EQ(o.logit_bias, Everything().logit_bias);
  EXPECT_EQ(o.stop, Everything().stop);
  EXPECT_TRUE(std::isnan(o.top_p));
  EXPECT_TRUE(o.continue_last);
  EXPECT_FALSE(o.exclude_first_token);
  EXPECT_EQ(ToRecord(o), record);
}

TEST(Record, HasTheLayoutThatTheReadmeNames) {
  LogLine line{2, "ab"};
  EXPECT_EQ(ToRecord(line), std::string("\x02\0\0\0\x02\0\0\0ab", 10));
  Device device;
  device.memory_free = 1;
  const std::vector<Device> devices = {device};
  // count, kind, four empty texts, two numbers of eight bytes
  EXPECT_EQ(ToRecord(devices).size(), 4u + 4 + 4 * 4 + 2 * 8);
}

TEST(Record, EveryCutIsRefused) {
  const std::string record = ToRecord(Everything());
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_THROW(FromRecord<GenerateOptions>(record.substr(0, size)), Error) << size;
  }
  EXPECT_THROW(FromRecord<GenerateOptions>(record + '\0'), Error);
}

// No byte may make the reader read outside, or allocate more than the record's own size times the
// size of an element.
TEST(Record, EveryByteMayLie) {
  const std::string record = ToRecord(Everything());
  for (size_t at = 0; at < record.size(); ++at) {
    for (const char lie : {'\x00', '\x01', '\x7F', '\xFF'}) {
      std::string bad = record;
      bad[at] = lie;
      try {
        EXPECT_EQ(ToRecord(FromRecord<GenerateOptions>(bad)).size(), bad.size());
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), RSN_ERR_ARGUMENT);
      }
    }
  }
}

}  // namespace
}  // namespace raison::swig
