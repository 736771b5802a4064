#include "core/model/text/pretokenizer.h"

#include <utility>

namespace raison {
namespace {

// Extends `piece` to the end of `by`; both are parts of the same text.
std::string_view Joined(std::string_view piece, std::string_view by) {
  return {piece.data(), static_cast<size_t>(by.data() + by.size() - piece.data())};
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Create(const std::vector<SplitRule>& rules) {
  PreTokenizer result;
  for (const SplitRule& rule : rules) {
    RSN_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(rule.pattern));
    result.steps_.push_back({std::move(regex), rule.behavior, rule.invert});
  }
  return result;
}

absl::Status PreTokenizer::Split(std::string_view text, Scratch* scratch) const {
  scratch->pieces.clear();
  if (text.empty()) return absl::OkStatus();
  scratch->pieces.push_back(text);
  for (const Step& step : steps_) {
    scratch->next.clear();
    for (const std::string_view piece : scratch->pieces) {
      RSN_RETURN_IF_ERROR(Apply(step, piece, scratch));
    }
    std::swap(scratch->pieces, scratch->next);
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::Apply(const Step& step, std::string_view piece, Scratch* scratch) {
  std::vector<std::string_view>& out = scratch->next;
  const size_t first = out.size();  // pieces before this index belong to another piece
  bool previous_match = false;
  const auto emit = [&](size_t begin, size_t end, bool match) {
    if (begin == end) return;
    match ^= step.invert;
    const std::string_view part = piece.substr(begin, end - begin);
    bool join = false;
    switch (step.behavior) {
      case SplitBehavior::kIsolated:
        break;
      case SplitBehavior::kRemoved:
        if (match) return;
        break;
      case SplitBehavior::kMergedWithPrevious:
        join = match && !previous_match;
        break;
      case SplitBehavior::kMergedWithNext:
        join = !match && previous_match;
        break;
      case SplitBehavior::kContiguous:
        join = match == previous_match;
        break;
    }
    if (join && out.size() > first) {
      out.back() = Joined(out.back(), part);
    } else {
      out.push_back(part);
    }
    previous_match = match;
  };
  size_t at = 0, search = 0;
  while (search <= piece.size()) {
    RSN_ASSIGN_OR_RETURN(const Regex::Match match,
                         step.regex.Find(piece, search, &scratch->regex));
    if (!match.found) break;
    if (match.end == match.begin) {  // an empty match cuts nothing: go on behind the next code point
      search = match.end + 1;
      while (search < piece.size() && (piece[search] & 0xC0) == 0x80) ++search;
      continue;
    }
    emit(at, match.begin, false);
    emit(match.begin, match.end, true);
    at = search = match.end;
  }
  emit(at, piece.size(), false);
  return absl::OkStatus();
}

}  // namespace raison
