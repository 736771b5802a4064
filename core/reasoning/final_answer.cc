#include "core/reasoning/final_answer.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace raison {
namespace {

bool IsWord(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// Emphasis, formula and quote marks around an answer, and the full stop behind it.
std::string_view Unwrap(std::string_view text) {
  for (;;) {
    const size_t before = text.size();
    text = absl::StripAsciiWhitespace(text);
    for (std::string_view mark : {"**", "*", "$$", "$", "\"", "`", "\\(", "\\)", "\\[", "\\]"}) {
      while (absl::ConsumePrefix(&text, mark)) {
      }
      while (absl::ConsumeSuffix(&text, mark)) {
      }
    }
    for (std::string_view mark : {".", "。", ":", "："}) {
      absl::ConsumeSuffix(&text, mark);
    }
    for (std::string_view mark : {":", "："}) absl::ConsumePrefix(&text, mark);
    if (text.size() == before) return text;
  }
}

// The inside of the brace group that opens at `open`; \{ and \} are letters.
std::optional<std::string_view> BraceGroup(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return text.substr(open + 1, i - open - 1);
    }
  }
  return std::nullopt;
}

std::optional<std::string> LastBoxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed";
  for (size_t at = text.rfind(kBoxed); at != text.npos;
       at = at == 0 ? text.npos : text.rfind(kBoxed, at - 1)) {
    const size_t open = text.find_first_not_of(" \t\n", at + kBoxed.size());
    if (open == text.npos || text[open] != '{') continue;
    if (const auto inside = BraceGroup(text, open)) {
      return std::string(absl::StripAsciiWhitespace(*inside));
    }
  }
  return std::nullopt;
}

// To the end of the sentence or line: a full stop counts before white space, so 3.5 stays whole.
std::string_view Sentence(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
    if (stop && text[i + 1] == ' ') return text.substr(0, i);
  }
  return text.substr(0, text.find("。"));
}

std::optional<std::string> LastStated(std::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  for (size_t at = lower.rfind("answer"); at != lower.npos;
       at = at == 0 ? lower.npos : lower.rfind("answer", at - 1)) {
    std::string_view rest = text.substr(at + 6);
    std::string_view low = std::string_view(lower).substr(at + 6);
    if (at > 0 && IsWord(text[at - 1])) continue;
    const size_t marks = std::min(low.find_first_not_of("* \t"), low.size());
    rest.remove_prefix(marks);
    low.remove_prefix(marks);
    const bool is = absl::StartsWith(low, "is") && (low.size() == 2 || !IsWord(low[2]));
    if (!is && !absl::StartsWith(low, ":")) continue;
    rest.remove_prefix(is ? 2 : 1);
    // "The answer is:" may put it on the next line.
    const std::string_view head = Unwrap(Sentence(rest));
    const std::string_view found = head.empty()
                                       ? Unwrap(Sentence(absl::StripLeadingAsciiWhitespace(
                                             rest.substr(std::min(rest.find('\n'), rest.size())))))
                                       : head;
    if (!found.empty()) return std::string(found);
  }
  return std::nullopt;
}

// Where `answer` stands on its own in text from `from` on; npos if nowhere.
size_t FindAlone(std::string_view text, std::string_view answer, size_t from) {
  for (size_t at = text.find(answer, from); at != text.npos; at = text.find(answer, at + 1)) {
    const size_t end = at + answer.size();
    const auto separator = [](char c) { return c == '.' || c == ','; };
    const bool joined_before =
        at > 0 &&
        ((IsWord(text[at - 1]) && IsWord(answer.front())) ||
         (at > 1 && IsDigit(answer.front()) && separator(text[at - 1]) && IsDigit(text[at - 2])));
    const bool joined_after =
        end < text.size() && ((IsWord(text[end]) && IsWord(answer.back())) ||
                              (end + 1 < text.size() && IsDigit(answer.back()) &&
                               separator(text[end]) && IsDigit(text[end + 1])));
    if (!joined_before && !joined_after) return at;
  }
  return text.npos;
}

bool EndsAsStatement(std::string_view before) {
  while (!before.empty() && absl::StrContains(" \t\n$*({[", before.back())) {
    before.remove_suffix(1);
  }
  for (std::string_view sign : {"=", "≈", ":", "→", "\\boxed", "是", "为"}) {
    if (absl::EndsWith(before, sign)) return true;
  }
  for (std::string_view word : {"is", "are", "be", "equals", "gives", "get", "makes"}) {
    if (absl::EndsWith(before, word) &&
        (before.size() == word.size() || !IsWord(before[before.size() - word.size() - 1]))) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string ExtractFinalAnswer(std::string_view text) {
  if (auto boxed = LastBoxed(text)) return *std::move(boxed);
  if (auto stated = LastStated(text)) return *std::move(stated);
  const std::string_view body = absl::StripTrailingAsciiWhitespace(text);
  const size_t newline = body.rfind('\n');
  return std::string(
      absl::StripAsciiWhitespace(newline == body.npos ? body : body.substr(newline + 1)));
}

int32_t FirstStepStating(const std::vector<std::string_view>& steps, std::string_view answer) {
  answer = absl::StripAsciiWhitespace(answer);
  if (answer.empty()) return -1;
  const std::string wanted = absl::AsciiStrToLower(answer);
  int32_t mentioned = -1;
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string step = absl::AsciiStrToLower(steps[i]);
    for (size_t at = FindAlone(step, wanted, 0); at != step.npos;
         at = FindAlone(step, wanted, at + 1)) {
      if (EndsAsStatement(std::string_view(step).substr(0, at))) return static_cast<int32_t>(i);
      if (mentioned < 0) mentioned = static_cast<int32_t>(i);
    }
  }
  return mentioned;
}

}  // namespace raison
