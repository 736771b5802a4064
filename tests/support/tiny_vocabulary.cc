#include "tests/support/tiny_vocabulary.h"

#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace raison::testing {
namespace {

using Json = nlohmann::json;

constexpr size_t kTokens = 300;

constexpr const char* kSpecial[] = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
                                    "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>",
                                    "<think>", "</think>"};

// Left and right in the byte alphabet (U+0120 is the space, U+010A the line break), by rank.
constexpr const char* kMerges[][2] = {
    {"\u010a", "\u010a"}, {"\u0120", "t"}, {"h", "e"}, {"\u0120t", "he"}, {"i", "n"}, {"e", "r"},
    {"\u0120", "a"},      {"o", "n"},      {"r", "e"}, {"a", "t"},        {"\u0120", "s"},
    {"e", "n"},           {"i", "s"},      {"o", "r"}, {"\u0120", "w"},   {"\u0120", "c"},
    {"in", "g"},          {"\u0120a", "n"}, {"\u0120an", "d"}, {"\u0120", "="}, {"\u0120", "+"},
    {"W", "a"},           {"i", "t"},      {"Wa", "it"}, {"\u0120", "o"},  {"\u0120o", "f"},
    {"a", "l"},           {"e", "s"},      {"\u0120", "i"}, {"\u0120i", "s"}, {"o", "u"},
    {"\u0120", "m"},      {"\u0120", "b"}, {"e", "d"}, {"a", "n"}, {"\u0120", "f"},
    {"l", "l"}};

void AppendUtf8(uint32_t code, std::string& out) {  // code < 0x800
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// GPT-2's map: printable bytes stand for themselves, the others for U+0100 and up in order.
std::vector<std::string> Tokens() {
  std::vector<std::string> tokens(std::begin(kSpecial), std::end(kSpecial));
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    std::string text;
    AppendUtf8(printable ? byte : next++, text);
    tokens.push_back(text);
  }
  for (const auto& merge : kMerges) tokens.push_back(absl::StrCat(merge[0], merge[1]));
  return tokens;
}
static_assert(std::size(kSpecial) + 256 + std::size(kMerges) == kTokens);

}  // namespace

const char kTinyChatTemplate[] =
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ message['content'] }}{% elif message['role'] == 'user' %}{{ '<｜User｜>' + "
    "message['content'] }}{% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + "
    "message['content'].split('</think>')[-1] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}";

void AddTinyVocabulary(GgufWriter& out) {
  const std::vector<std::string> tokens = Tokens();
  std::vector<int32_t> types(tokens.size(), 1);
  for (size_t i = 0; i < std::size(kSpecial); ++i) types[i] = i < 5 ? 3 : 4;
  std::vector<std::string> merges;
  for (const auto& merge : kMerges) merges.push_back(absl::StrCat(merge[0], " ", merge[1]));
  out.AddString("tokenizer.ggml.model", "gpt2");
  out.AddString("tokenizer.ggml.pre", "deepseek-v3");
  out.AddStrings("tokenizer.ggml.tokens", tokens);
  out.AddInt32s("tokenizer.ggml.token_type", types);
  out.AddStrings("tokenizer.ggml.merges", merges);
  out.AddUint32("tokenizer.ggml.bos_token_id", 0);
  out.AddUint32("tokenizer.ggml.eos_token_id", 1);
  out.AddUint32("tokenizer.ggml.padding_token_id", 2);
  out.AddBool("tokenizer.ggml.add_bos_token", true);
  out.AddString("tokenizer.chat_template", kTinyChatTemplate);
}

std::string TinyTokenizerJson() {
  const std::vector<std::string> tokens = Tokens();
  Json vocab = Json::object(), merges = Json::array(), added = Json::array();
  for (size_t i = 0; i < tokens.size(); ++i) vocab[tokens[i]] = i;
  for (const auto& merge : kMerges) merges.push_back(Json::array({merge[0], merge[1]}));
  for (size_t i = 0; i < std::size(kSpecial); ++i) {
    added.push_back({{"id", i}, {"content", kSpecial[i]}, {"single_word", false},
                     {"lstrip", false}, {"rstrip", false}, {"normalized", false},
                     {"special", i < 5}});
  }
  const auto split = [](const char* regex) {
    return Json{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"},
                {"invert", false}};
  };
  const Json steps = Json::array({
      split(R"(\p{N}{1,3})"), split("[一-龥぀-ゟ゠-ヿ]+"),
      split(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true},
       {"use_regex", false}}});
  return Json{{"version", "1.0"}, {"added_tokens", added}, {"normalizer", nullptr},
              {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", steps}}},
              {"post_processor", nullptr},
              {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true},
                           {"trim_offsets", true}, {"use_regex", true}}},
              {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr},
                         {"fuse_unk", false}, {"byte_fallback", false},
                         {"ignore_merges", false}, {"vocab", vocab}, {"merges", merges}}}}
      .dump(1);
}

std::string TinyTokenizerConfigJson() {
  return Json{{"bos_token", kSpecial[0]}, {"eos_token", kSpecial[1]}, {"pad_token", kSpecial[2]},
              {"add_bos_token", true}, {"add_eos_token", false}, {"model_max_length", 512},
              {"chat_template", kTinyChatTemplate}}
      .dump(1);
}

}  // namespace raison::testing
