// The table of pre-tokenizers that GGUF names, as the models' own tokenizer.json files state them
// (not llama.cpp's adapted forms, which differ for non-ASCII case and combining marks).
// Classes are written with escapes only: a literal U+212A or U+1F7D would not survive an editor that
// normalises text.
#include <array>
#include <utility>

#include "absl/strings/str_join.h"
#include "core/model/text/pretokenizer.h"

namespace raison {
namespace {

// White_Space without U+180E, which PCRE2's \s would add; usable inside and outside of classes.
#define RSN_SPACE R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"
#define RSN_S "[" RSN_SPACE "]"
#define RSN_TAIL "|" RSN_S "+(?![^" RSN_SPACE "])|" RSN_S "+"
#define RSN_CONTRACTIONS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"

constexpr char kGpt2[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" RSN_SPACE R"(\p{L}\p{N}]+)" RSN_TAIL;
constexpr char kLlama3[] =
    RSN_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^)" RSN_SPACE
    R"(\p{L}\p{N}]+[\r\n]*|)" RSN_S R"(*[\r\n]+)" RSN_TAIL;
constexpr char kQwen2[] =
    RSN_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^)" RSN_SPACE
    R"(\p{L}\p{N}]+[\r\n]*|)" RSN_S R"(*[\r\n]+)" RSN_TAIL;
constexpr char kQwen35[] =
    RSN_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^)" RSN_SPACE
    R"(\p{L}\p{M}\p{N}]+[\r\n]*|)" RSN_S R"(*[\r\n]+)" RSN_TAIL;
#define RSN_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define RSN_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
constexpr char kGpt4o[] =
    R"([^\r\n\p{L}\p{N}]?)" RSN_UPPER "*" RSN_LOWER "+" RSN_CONTRACTIONS "?|"
    R"([^\r\n\p{L}\p{N}]?)" RSN_UPPER "+" RSN_LOWER "*" RSN_CONTRACTIONS
    R"(?|\p{N}{1,3}| ?[^)" RSN_SPACE R"(\p{L}\p{N}]+[\r\n/]*|)" RSN_S R"(*[\r\n]+)" RSN_TAIL;
constexpr char kTekken[] =
    R"([^\r\n\p{L}\p{N}]?)" RSN_UPPER "*" RSN_LOWER "+|"
    R"([^\r\n\p{L}\p{N}]?)" RSN_UPPER "+" RSN_LOWER
    R"(*|\p{N}| ?[^)" RSN_SPACE R"(\p{L}\p{N}]+[\r\n/]*|)" RSN_S R"(*[\r\n]+)" RSN_TAIL;
// deepseek-v3, step 3
constexpr char kDeepSeekV3[] =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S})" RSN_NEW_SYMBOLS
    R"(]?[\p{L}\p{M}]+| ?[\p{P}\p{S})" RSN_NEW_SYMBOLS R"(]+[\r\n]*|)" RSN_S R"(*[\r\n]+)" RSN_TAIL;
constexpr char kCjkKana[] = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
// deepseek-llm and deepseek-coder: the middle range is as wide as the model's own file has it
constexpr char kWideCjk[] =
    R"([\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr char kDeepSeekLlmLetters[] =
    RSN_S "?["
    R"(\x{0041}-\x{005A}\x{0061}-\x{007A}\x{00B5}\x{00C0}-\x{00D6}\x{00D8}-\x{00F6})"
    R"(\x{00F8}-\x{01BA}\x{01BC}-\x{01BF}\x{01C4}-\x{0293}\x{0295}-\x{02AF}\x{0370}-)"
    R"(\x{0373}\x{0376}\x{0377}\x{037B}-\x{037D}\x{037F}\x{0386}\x{0388}-\x{038A}\x{038C})"
    R"(\x{038E}-\x{03A1}\x{03A3}-\x{03F5}\x{03F7}-\x{0481}\x{048A}-\x{052F}\x{0531}-)"
    R"(\x{0556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA})"
    R"(\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-)"
    R"(\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59})"
    R"(\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-)"
    R"(\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"
    R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-)"
    R"(\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-)"
    R"(\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
    R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
    R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-)"
    R"(\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943})"
    "]+";
constexpr char kDeepSeekLlmSigns[] =
    RSN_S R"(?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
// falcon and default; default lacks the back quote
constexpr char kFalconSigns[] = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr char kDefaultSigns[] = R"([\p{P}\$\+<=>\^~\|]+)";

enum class Kind {
  kGpt2,
  kLlama3,
  kQwen2,
  kQwen35,
  kGpt4o,
  kTekken,
  kDeepSeekV3,
  kDeepSeekLlm,
  kDeepSeekCoder,
  kSmolLm,
  kFalcon,
  kDefault,
};

struct Name {
  std::string_view name;
  Kind kind;
  bool ignore_merges = false;
  bool nfc = false;
  bool add_bos = false;
};

constexpr std::array kNames = {
    Name{"default", Kind::kDefault},
    Name{"gpt-2", Kind::kGpt2},
    Name{"gpt2", Kind::kGpt2},
    Name{"phi-2", Kind::kGpt2},
    Name{"olmo", Kind::kGpt2, false, true},
    Name{"mpt", Kind::kGpt2},
    Name{"llama-bpe", Kind::kLlama3, true, false, true},
    Name{"llama3", Kind::kLlama3, true, false, true},
    Name{"llama-v3", Kind::kLlama3, true, false, true},
    Name{"falcon3", Kind::kLlama3, true, false, true},
    Name{"pixtral", Kind::kLlama3, true, false, true},
    Name{"dbrx", Kind::kLlama3},
    Name{"smaug-bpe", Kind::kLlama3},
    Name{"glm4", Kind::kLlama3},
    Name{"chatglm-bpe", Kind::kLlama3},
    Name{"qwen2", Kind::kQwen2, false, true},
    Name{"deepseek-r1-qwen", Kind::kQwen2, false, true},
    Name{"stablelm2", Kind::kQwen2},
    Name{"megrez", Kind::kQwen2},
    Name{"qwen35", Kind::kQwen35, false, true},
    Name{"gpt-4o", Kind::kGpt4o},
    Name{"llama4", Kind::kGpt4o},
    Name{"tekken", Kind::kTekken, true, false, true},
    Name{"deepseek-v3", Kind::kDeepSeekV3},
    Name{"deepseek-llm", Kind::kDeepSeekLlm},
    Name{"deepseek-coder", Kind::kDeepSeekCoder},
    Name{"smollm", Kind::kSmolLm},
    Name{"starcoder", Kind::kSmolLm},
    Name{"refact", Kind::kSmolLm},
    Name{"command-r", Kind::kSmolLm},
    Name{"codeshell", Kind::kSmolLm},
    Name{"exaone", Kind::kSmolLm},
    Name{"falcon", Kind::kFalcon},
};

std::vector<std::string> Patterns(Kind kind) {
  switch (kind) {
    case Kind::kGpt2:
      return {kGpt2};
    case Kind::kLlama3:
      return {kLlama3};
    case Kind::kQwen2:
      return {kQwen2};
    case Kind::kQwen35:
      return {kQwen35};
    case Kind::kGpt4o:
      return {kGpt4o};
    case Kind::kTekken:
      return {kTekken};
    case Kind::kDeepSeekV3:
      return {R"(\p{N}{1,3})", kCjkKana, kDeepSeekV3};
    case Kind::kDeepSeekLlm:
      return {R"([\r\n])", kDeepSeekLlmLetters, kDeepSeekLlmSigns, RSN_S "+$", kWideCjk, R"(\p{N})"};
    case Kind::kDeepSeekCoder:
      return {R"([\r\n])", RSN_S R"(?\p{L}+)", RSN_S R"(?\p{P}+)", kWideCjk, R"(\p{N})"};
    case Kind::kSmolLm:
      return {R"(\p{N})", kGpt2};
    case Kind::kFalcon:
      return {kFalconSigns, kGpt2, "[0-9][0-9][0-9]"};
    case Kind::kDefault:
      return {kDefaultSigns, kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"};
  }
  return {};
}

}  // namespace

std::string_view Gpt2Pattern() { return kGpt2; }

absl::StatusOr<NamedPreTokenizer> FindPreTokenizer(std::string_view name) {
  if (name.empty()) name = "default";
  for (const Name& known : kNames) {
    if (known.name != name) continue;
    NamedPreTokenizer result{.rules = {},
                             .ignore_merges = known.ignore_merges,
                             .nfc = known.nfc,
                             .add_bos = known.add_bos};
    for (std::string& pattern : Patterns(known.kind)) {
      result.rules.push_back({.pattern = std::move(pattern)});
    }
    return result;
  }
  return absl::UnimplementedError(absl::StrCat(
      "tokenizer.ggml.pre is \"", std::string(name.substr(0, 80)),
      "\", which is not a known pre-tokenizer; known are ",
      absl::StrJoin(kNames, ", ", [](std::string* out, const Name& known) {
        out->append(known.name);
      })));
}

}  // namespace raison
