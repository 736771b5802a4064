#include "core/reasoning/markers.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace raison {
namespace {

struct Phrase {
  std::string_view words;  // lower case
  StepMarker marker;
  bool turn;  // begins a step of its own inside a long paragraph
};

// The longest phrase that fits decides. "so," and "no," need their comma: without it the words
// open sentences of every kind.
constexpr Phrase kPhrases[] = {
    {"let me check", StepMarker::kCheck, false},
    {"let me double-check", StepMarker::kCheck, false},
    {"let me double check", StepMarker::kCheck, false},
    {"let me verify", StepMarker::kCheck, false},
    {"let me test", StepMarker::kCheck, false},
    {"let's check", StepMarker::kCheck, false},
    {"let's verify", StepMarker::kCheck, false},
    {"let's test", StepMarker::kCheck, false},
    {"to verify", StepMarker::kCheck, false},
    {"to check", StepMarker::kCheck, false},
    {"check", StepMarker::kCheck, false},
    {"checking", StepMarker::kCheck, false},
    {"double-check", StepMarker::kCheck, false},
    {"verify", StepMarker::kCheck, false},
    {"verifying", StepMarker::kCheck, false},
    {"让我检查", StepMarker::kCheck, false},
    {"让我再", StepMarker::kCheck, false},
    {"验证", StepMarker::kCheck, false},

    {"wait", StepMarker::kCorrection, true},
    {"but wait", StepMarker::kCorrection, true},
    {"oh wait", StepMarker::kCorrection, true},
    {"no wait", StepMarker::kCorrection, true},
    {"no, wait", StepMarker::kCorrection, true},
    {"hmm wait", StepMarker::kCorrection, true},
    {"hmm, wait", StepMarker::kCorrection, true},
    {"hold on", StepMarker::kCorrection, true},
    {"actually", StepMarker::kCorrection, true},
    {"no,", StepMarker::kCorrection, true},
    {"that's not right", StepMarker::kCorrection, true},
    {"that’s not right", StepMarker::kCorrection, true},
    {"i made a mistake", StepMarker::kCorrection, true},
    {"let me correct", StepMarker::kCorrection, true},
    {"oops", StepMarker::kCorrection, true},
    {"等等", StepMarker::kCorrection, true},
    {"不对", StepMarker::kCorrection, true},

    {"alternatively", StepMarker::kCorrection, true},
    {"another way", StepMarker::kCorrection, true},
    {"another approach", StepMarker::kCorrection, true},
    {"maybe i can", StepMarker::kCorrection, true},
    {"what if", StepMarker::kCorrection, true},
    {"on the other hand", StepMarker::kCorrection, true},
    {"let me try", StepMarker::kCorrection, true},
    {"另外", StepMarker::kCorrection, true},
    {"或者", StepMarker::kCorrection, true},

    {"therefore", StepMarker::kConclusion, false},
    {"thus", StepMarker::kConclusion, false},
    {"hence", StepMarker::kConclusion, false},
    {"so the answer", StepMarker::kConclusion, false},
    {"so the final answer", StepMarker::kConclusion, false},
    {"so,", StepMarker::kConclusion, false},
    {"in conclusion", StepMarker::kConclusion, false},
    {"the answer is", StepMarker::kConclusion, false},
    {"the final answer", StepMarker::kConclusion, false},
    {"final answer", StepMarker::kConclusion, false},
    {"putting it together", StepMarker::kConclusion, false},
    {"putting it all together", StepMarker::kConclusion, false},
    {"\\boxed", StepMarker::kConclusion, false},
    {"因此", StepMarker::kConclusion, false},
    {"所以", StepMarker::kConclusion, false},
    {"综上", StepMarker::kConclusion, false},
};

// "Wait" opens "Wait, no", not "Waiting"; punctuation and Chinese end a phrase anywhere.
bool OpensWith(std::string_view text, std::string_view phrase) {
  if (!absl::StartsWithIgnoreCase(text, phrase)) return false;
  return text.size() == phrase.size() || !absl::ascii_isalpha(phrase.back()) ||
         !absl::ascii_isalnum(text[phrase.size()]);
}

bool ConsumeAny(std::string_view* text, std::initializer_list<std::string_view> prefixes) {
  for (std::string_view prefix : prefixes) {
    if (absl::StartsWith(*text, prefix)) {
      text->remove_prefix(prefix.size());
      return true;
    }
  }
  return false;
}

// "1." and "12)" with a space behind, and "(a)" is left: it is content as often as a mark.
bool ConsumeListNumber(std::string_view* text) {
  constexpr size_t kMaxDigits = 3;
  size_t n = 0;
  while (n < text->size() && n < kMaxDigits && absl::ascii_isdigit((*text)[n])) ++n;
  if (n == 0 || n + 1 >= text->size()) return false;
  if (((*text)[n] != '.' && (*text)[n] != ')') || (*text)[n + 1] != ' ') return false;
  text->remove_prefix(n + 2);
  return true;
}

}  // namespace

StepMarker ClassifyStep(std::string_view text) {
  std::string_view rest = text;
  while (ConsumeAny(&rest, {" ", "\t", "\r", "\n", "*", "_", "#", ">", "- ", "\"", "'", "“", "”",
                            "‘", "’", "$", "•"}) ||
         ConsumeListNumber(&rest)) {
  }
  const Phrase* best = nullptr;
  for (const Phrase& phrase : kPhrases) {
    if (OpensWith(rest, phrase.words) &&
        (best == nullptr || phrase.words.size() > best->words.size())) {
      best = &phrase;
    }
  }
  if (best != nullptr) return best->marker;
  return absl::StrContains(text, "\\boxed") ? StepMarker::kConclusion : StepMarker::kPlain;
}

TurnMatch MatchTurn(std::string_view text) {
  TurnMatch result = TurnMatch::kNo;
  for (const Phrase& phrase : kPhrases) {
    if (!phrase.turn) continue;
    if (OpensWith(text, phrase.words)) return TurnMatch::kYes;
    if (text.size() < phrase.words.size() && absl::StartsWithIgnoreCase(phrase.words, text)) {
      result = TurnMatch::kMore;
    }
  }
  return result;
}

}  // namespace raison
