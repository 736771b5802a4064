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
