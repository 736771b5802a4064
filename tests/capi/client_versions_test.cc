// Programs compiled against another version of the header: structs with fewer fields (older) and with
// more (newer). A struct's end is moved by its struct_size; guard bytes show that nothing is written
// beyond it.
#include <cstring>

#include "fixture.h"

namespace raison::test {
namespace {

// The first `size` bytes of a T, and guard bytes behind them.
template <typename T>
class Client {
 public:
  explicit Client(size_t size) : size_(size), bytes_(size + 64, 0xA5) {}
  T* get() { return reinterpret_cast<T*>(bytes_.data()); }
  unsigned char* bytes() { return bytes_.data(); }
  size_t size() const { return size_; }
  bool GuardIsWhole() const {
    for (size_t i = size_; i < bytes_.size(); ++i) {
      if (bytes_[i] != 0xA5) return false;
    }
    return true;
  }

 private:
  size_t size_;
  std::vector<unsigned char> bytes_;
};

TEST(OldClient, EventWithoutItsLastFieldsIsFilledUpToItsEnd) {
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy(4));
  // An event that ended before `alternatives`.
  Client<rsn_event> event(offsetof(rsn_event, alternatives));
  ASSERT_EQ(rsn_event_init(event.get(), event.size()), RSN_OK);
  bool token = false;
  do {
    ASSERT_EQ(rsn_session_next(session.handle(), event.get()), RSN_OK) << rsn_last_error();
    ASSERT_TRUE(event.GuardIsWhole());
    ASSERT_EQ(event.get()->struct_size, event.size());
    if (event.get()->kind == RSN_EVENT_TOKEN) {
      token = true;
      EXPECT_LE(event.get()->logprob, 0);
      EXPECT_GE(event.get()->entropy, 0);
    }
  } while (event.get()->kind != RSN_EVENT_DONE);
  EXPECT_TRUE(token);
}

TEST(OldClient, GetterStructsAreFilledUpToTheirEnd) {
  Client<rsn_model_info> info(offsetof(rsn_model_info, parameters));
  ASSERT_EQ(rsn_model_info_init(info.get(), info.size()), RSN_OK);
  ASSERT_EQ(rsn_model_describe(BuiltIn().handle(), info.get()), RSN_OK) << rsn_last_error();
  EXPECT_TRUE(info.GuardIsWhole());
  EXPECT_GT(info.get()->context_length, 0u);
  EXPECT_GT(info.get()->architecture_size, 0u);
}

TEST(OldClient, OptionsThatItDoesNotKnowHaveTheirDefaults) {
  // Options that ended after top_p; what follows on the stack is not zero.
  Client<rsn_generate_options> options(offsetof(rsn_generate_options, min_p) - 8);
  ASSERT_EQ(rsn_generate_options_init(options.get(), options.size()), RSN_OK);
  EXPECT_TRUE(options.GuardIsWhole());
  options.get()->max_tokens = 3;
  Session session(BuiltIn());
  ASSERT_EQ(rsn_session_ask(session.handle(), kQuestion, RSN_NUL, options.get()), RSN_OK)
      << rsn_last_error();
  const GenerateOptions effective = session.EffectiveOptions();
  EXPECT_EQ(effective.max_tokens, 3);
  EXPECT_EQ(effective.alternatives, 0);
  EXPECT_EQ(effective.wait_ms, 100);
  EXPECT_TRUE(effective.stop.empty());
}

TEST(NewClient, ZeroInUnknownFieldsIsFine) {
  Client<rsn_generate_options> options(sizeof(rsn_generate_options) + 32);
  ASSERT_EQ(rsn_generate_options_init(options.get(), options.size()), RSN_OK);
  options.get()->max_tokens = 2;
  Session session(BuiltIn());
  ASSERT_EQ(rsn_session_ask(session.handle(), kQuestion, RSN_NUL, options.get()), RSN_OK)
      << rsn_last_error();
  Client<rsn_event> event(sizeof(rsn_event) + 64);
  ASSERT_EQ(rsn_event_init(event.get(), event.size()), RSN_OK);
  ASSERT_EQ(rsn_session_next(session.handle(), event.get()), RSN_OK) << rsn_last_error();
  EXPECT_TRUE(event.GuardIsWhole());
  EXPECT_EQ(event.get()->struct_size, event.size());
}

TEST(NewClient, AnythingElseInUnknownFieldsIsRefused) {
  Client<rsn_generate_options> options(sizeof(rsn_generate_options) + 32);
  ASSERT_EQ(rsn_generate_options_init(options.get(), options.size()), RSN_OK);
  options.bytes()[sizeof(rsn_generate_options) + 31] = 1;  // the very last byte
  Session session(BuiltIn());
  EXPECT_EQ(rsn_session_ask(session.handle(), kQuestion, RSN_NUL, options.get()), RSN_ERR_STRUCT);
  EXPECT_NE(std::string(rsn_last_error()).find("older"), std::string::npos) << rsn_last_error();

  Client<rsn_event> event(sizeof(rsn_event) + 8);
  ASSERT_EQ(rsn_event_init(event.get(), event.size()), RSN_OK);
  event.bytes()[sizeof(rsn_event)] = 1;
  session.Ask(kQuestion, Greedy(2));
  EXPECT_EQ(rsn_session_next(session.handle(), event.get()), RSN_ERR_STRUCT);
}

}  // namespace
}  // namespace raison::test
