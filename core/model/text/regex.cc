#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/model/text/regex.h"

#include <pcre2.h>

#include <utility>

namespace raison {
namespace {

// White_Space of Unicode, 25 code points. PCRE2's own \s adds U+180E; Oniguruma's and Rust's do not.
constexpr std::string_view kSpace =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// PCRE2's default is 10,000,000; the patterns in use need a few steps per byte, and a pattern that
// backtracks exponentially must end in a status within a second.
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kMaxPattern = 64 * 1024;  // deepseek-llm's longest class is 4 KiB

std::string ErrorText(int code) {
  PCRE2_UCHAR buffer[160];
  if (pcre2_get_error_message(code, buffer, sizeof buffer) < 0) return absl::StrCat("error ", code);
  return reinterpret_cast<const char*>(buffer);
}

absl::Status Unsupported(std::string_view what, std::string_view pattern) {
  return absl::UnimplementedError(
      absl::StrCat("the pre-tokenizer pattern \"", pattern.substr(0, 200), "\" uses ", what,
                   ", which is not supported"));
}

}  // namespace

absl::StatusOr<std::string> TranslateOniguruma(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (in_class) {
      if (c == '[') return Unsupported("a nested character class", pattern);
      if (pattern.substr(i, 2) == "&&") return Unsupported("a class intersection", pattern);
      if (c == ']') in_class = false;
    } else if (c == '[') {
      in_class = true;
      out.push_back(c);
      if (pattern.substr(i + 1, 1) == "^") {
        out.push_back('^');
        ++i;
      }
      if (pattern.substr(i + 1, 1) == "]") return Unsupported("']' first in a class", pattern);
      continue;
    } else if (pattern.substr(i, 2) == "(?") {
      const std::string_view rest = pattern.substr(i + 2);
      const bool known = rest.starts_with(":") || rest.starts_with("!") || rest.starts_with("=") ||
                         rest.starts_with("i:") || rest.starts_with(">");
      if (!known) return Unsupported(absl::StrCat("the group \"(?", rest.substr(0, 2), "\""), pattern);
    } else if (c == '(' && pattern.substr(i, 2) == "(*") {
      return Unsupported("a verb", pattern);
    }
    if (c != '\\') {
      out.push_back(c);
      continue;
    }
    if (++i == pattern.size()) return Unsupported("a backslash at its end", pattern);
    const char e = pattern[i];
    switch (e) {
      case 's':
        absl::StrAppend(&out, in_class ? "" : "[", kSpace, in_class ? "" : "]");
        break;
      case 'S':
        if (in_class) return Unsupported("\\S inside a class", pattern);
        absl::StrAppend(&out, "[^", kSpace, "]");
        break;
      case 'p':
      case 'P': {
        const size_t close = pattern.find('}', i);
        if (pattern.substr(i + 1, 1) != "{" || close == std::string_view::npos) {
          return Unsupported("a property without braces", pattern);
        }
        std::string_view name = pattern.substr(i + 2, close - i - 2);
        std::string caret;
        if (name.starts_with("^")) {
          caret = "^";
          name.remove_prefix(1);
        }
        // A bare script name means Script for Oniguruma and Script_Extensions for PCRE2 >= 10.40.
        const bool category = name.size() <= 2 || name == "Any";
        absl::StrAppend(&out, "\\", std::string_view(&e, 1), "{", caret, category ? "" : "sc:", name,
                        "}");
        if (in_class && e == 'p' && caret.empty() && name == "S") out.append(RSN_NEW_SYMBOLS);
        i = close;
        break;
      }
      case 'd':
      case 'D':
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'v':
        if (e == 'v') {  // a line tabulation for Oniguruma, any vertical space for PCRE2
          out.append("\\x{0B}");
        } else {
          out.push_back('\\');
          out.push_back(e);
        }
        break;
      case 'x':
      case 'u': {
        std::string_view digits = pattern.substr(i + 1);
        size_t used = 0;
        if (e == 'x' && digits.starts_with("{")) {
          const size_t close = digits.find('}');
          if (close == std::string_view::npos) return Unsupported("an unclosed \\x{", pattern);
          used = close + 1;
          digits = digits.substr(1, close - 1);
        } else {
          const size_t count = e == 'u' ? 4 : 2;
          digits = digits.substr(0, count);
          used = digits.size();
          if (used != count) return Unsupported("a short hexadecimal escape", pattern);
        }
        if (digits.empty() || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos) {
          return Unsupported("a malformed hexadecimal escape", pattern);
        }
        absl::StrAppend(&out, "\\x{", digits, "}");
        i += used;
        break;
      }
      default:
        if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e >= '0' && e <= '9')) {
          return Unsupported(absl::StrCat("\\", std::string_view(&e, 1)), pattern);
        }
        out.push_back('\\');
        out.push_back(e);
    }
  }
  if (in_class) return Unsupported("an unclosed class", pattern);
  return out;
}

RegexScratch::RegexScratch()
    : match_data_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)) {
  if (context_ != nullptr) {
    pcre2_set_match_limit(context_, kMatchLimit);
    pcre2_set_heap_limit(context_, kHeapLimitKib);
  }
}

RegexScratch::~RegexScratch() {
  pcre2_match_data_free(match_data_);
  pcre2_match_context_free(context_);
}

absl::StatusOr<Regex> Regex::Compile(const std::string& pattern) {
  if (pattern.size() > kMaxPattern) {
    return absl::InvalidArgumentError(
        absl::StrCat("a pre-tokenizer pattern has ", pattern.size(), " bytes; at most ", kMaxPattern,
                     " are accepted"));
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  // MULTILINE: Oniguruma's $ is the end of every line. NEVER_BACKSLASH_C: \C could split a code point.
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                   &error, &offset, nullptr);
  if (code == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the pre-tokenizer pattern \"",
                                                   pattern.substr(0, 200), "\" does not compile: ",
                                                   ErrorText(error), " at byte ", offset));
  }
  // Without executable memory this fails and pcre2_match interprets: slower, same matches.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return Regex(code);
}

Regex::Regex(Regex&& other) noexcept : code_(std::exchange(other.code_, nullptr)) {}
Regex& Regex::operator=(Regex&& other) noexcept {
  std::swap(code_, other.code_);
  return *this;
}
Regex::~Regex() { pcre2_code_free(code_); }

absl::StatusOr<Regex::Match> Regex::Find(std::string_view text, size_t start,
                                         RegexScratch* scratch) const {
  if (scratch->match_data_ == nullptr || scratch->context_ == nullptr) {
    return absl::ResourceExhaustedError("no memory for matching the pre-tokenizer's pattern");
  }
  const auto match = [&](uint32_t options) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                       options | PCRE2_NO_UTF_CHECK, scratch->match_data_, scratch->context_);
  };
  int rc = match(0);
  // The JIT's stack is 32 KiB and repeated groups use it per iteration; the interpreter has a heap.
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = match(PCRE2_NO_JIT);
  if (rc == PCRE2_ERROR_NOMATCH) return Match{};
  if (rc < 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "splitting the text by the pre-tokenizer's pattern failed: ", ErrorText(rc)));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(scratch->match_data_);
  return Match{.found = true, .begin = range[0], .end = range[1]};
}

}  // namespace raison
