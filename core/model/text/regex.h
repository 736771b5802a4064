// One compiled PCRE2 pattern over UTF-8 that the caller has validated, and the translation of the
// Oniguruma syntax in which tokenizer.json states its patterns. What PCRE2 would read differently is
// rewritten (white space, script names, line ends) or refused by name, never passed through.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/status.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace raison {

// Symbols (mostly emoji) that Unicode 15 and 16 have and PCRE2 10.42, at 14, does not know: \p{S} in a
// class is followed by these, so that new emoji are split as Hugging Face splits them.
#define RSN_NEW_SYMBOLS                                                                          \
  R"(\x{1F6DC}\x{1F774}-\x{1F776}\x{1F77B}-\x{1F77F}\x{1F7D9}\x{1F8B2}-\x{1F8BB}\x{1F8C0})"      \
  R"(\x{1F8C1}\x{1FA75}-\x{1FA77}\x{1FA87}-\x{1FA89}\x{1FA8F}\x{1FAAD}-\x{1FAAF}\x{1FABB}-)"     \
  R"(\x{1FABF}\x{1FAC6}\x{1FACE}\x{1FACF}\x{1FADA}-\x{1FADC}\x{1FADF}\x{1FAE8}\x{1FAE9})"        \
  R"(\x{1FAF7}\x{1FAF8}\x{1FBCB}-\x{1FBEF})"

// The Oniguruma pattern of a tokenizer.json as one that PCRE2 10.42 reads alike.
absl::StatusOr<std::string> TranslateOniguruma(std::string_view pattern);

// What one matching thread needs; not shared between threads.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  pcre2_real_match_data_8* match_data_;
  pcre2_real_match_context_8* context_;
};

class Regex {
 public:
  // `pattern` is in PCRE2's syntax (see TranslateOniguruma).
  static absl::StatusOr<Regex> Compile(const std::string& pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  struct Match {
    bool found = false;
    size_t begin = 0, end = 0;
  };
  // First match in `text` (valid UTF-8) at or after `start`. A limit of the engine is a status.
  absl::StatusOr<Match> Find(std::string_view text, size_t start, RegexScratch* scratch) const;

 private:
  explicit Regex(pcre2_real_code_8* code) : code_(code) {}
  pcre2_real_code_8* code_ = nullptr;
};

}  // namespace raison
