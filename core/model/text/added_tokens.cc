#include "core/model/text/added_tokens.h"

#include <algorithm>

#include "core/model/text/utf8.h"

namespace raison {
namespace {

// The code point that ends at text[end), or 0 at the beginning of the text or in invalid bytes.
uint32_t CodePointBefore(std::string_view text, size_t end, uint32_t* length) {
  *length = 0;
  for (size_t back = 1; back <= 4 && back <= end; ++back) {
    const uint8_t byte = static_cast<uint8_t>(text[end - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const Utf8Front front = ReadUtf8(text.substr(end - back, back));
    if (front.kind != Utf8Front::kValid || front.length != back) return 0;
    *length = front.length;
    return front.code_point;
  }
  return 0;
}

// A character of a word, for `single_word`: letters, digits and the underscore. Beyond ASCII every
// character except white space counts; no family in use has such a token beside such text.
bool IsWordCharacter(uint32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  return !IsWhiteSpace(c);
}

}  // namespace

bool IsWhiteSpace(uint32_t c) {
  if (c <= 0x20) return c == 0x20 || (c >= 0x09 && c <= 0x0D);
  if (c < 0x85) return false;
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

int32_t AddedTokenMatcher::Child(int32_t node, uint8_t byte) const {
  for (int32_t at = nodes_[node].child; at >= 0; at = nodes_[at].sibling) {
    if (nodes_[at].byte == byte) return at;
  }
  return -1;
}

absl::Status AddedTokenMatcher::Add(const AddedToken& token) {
  if (token.text.empty()) return absl::OkStatus();  // matches nothing
  if (token.text.size() > kMaxText) {
    return absl::InvalidArgumentError(absl::StrCat("the added token with id ", token.id, " has ",
                                                   token.text.size(), " bytes; at most ", kMaxText,
                                                   " are accepted"));
  }
  bool whitespace = true;
  for (std::string_view rest = token.text; !rest.empty();) {
    const Utf8Front front = ReadUtf8(rest);
    if (front.kind != Utf8Front::kValid || !IsWhiteSpace(front.code_point)) {
      whitespace = false;
      break;
    }
    rest.remove_prefix(front.length);
  }
  int32_t node = 0;
  for (const char c : token.text) {
    const uint8_t byte = static_cast<uint8_t>(c);
    int32_t next = Child(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_.push_back({.byte = byte, .child = -1, .sibling = nodes_[node].child, .token = -1});
      nodes_[node].child = next;
    }
    node = next;
  }
  if (nodes_[node].token >= 0) return absl::OkStatus();  // the first of two equal texts counts
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip, whitespace});
  first_[static_cast<uint8_t>(token.text[0])] = true;
  if (whitespace) first_white_[static_cast<uint8_t>(token.text[0])] = true;
  return absl::OkStatus();
}

AddedTokenMatcher::Match AddedTokenMatcher::Find(std::string_view text, size_t start,
                                                 const std::vector<TextRange>& literal,
                                                 bool whitespace_only) const {
  if (empty()) return {};
  const bool* first = whitespace_only ? first_white_ : first_;
  auto range = std::upper_bound(literal.begin(), literal.end(), start,
                                [](size_t at, const TextRange& r) { return at < r.end; });
  for (size_t at = start; at < text.size(); ++at) {
    if (!first[static_cast<uint8_t>(text[at])]) continue;
    while (range != literal.end() && range->end <= at) ++range;
    // A match must end before the next literal range begins.
    const size_t limit = range == literal.end() ? text.size() : std::max(range->begin, at);
    const Flags* best = nullptr;
    size_t best_end = 0;
    int32_t node = 0;
    for (size_t i = at; i < limit; ++i) {
      node = Child(node, static_cast<uint8_t>(text[i]));
      if (node < 0) break;
      if (nodes_[node].token < 0) continue;
      const Flags& token = tokens_[nodes_[node].token];
      if (whitespace_only && !token.whitespace) continue;
      best = &token;
      best_end = i + 1;
    }
    if (best == nullptr) continue;
    uint32_t length = 0;
    if (best->single_word) {
      const uint32_t before = CodePointBefore(text, at, &length);
      if (length > 0 && IsWordCharacter(before)) continue;
      if (best_end < text.size()) {
        const Utf8Front front = ReadUtf8(text.substr(best_end));
        if (front.kind == Utf8Front::kValid && IsWordCharacter(front.code_point)) continue;
      }
    }
    Match match{.found = true, .begin = at, .end = best_end, .id = best->id};
    while (best->lstrip && match.begin > start) {
      const uint32_t before = CodePointBefore(text, match.begin, &length);
      if (length == 0 || length > match.begin - start || !IsWhiteSpace(before)) break;
      match.begin -= length;
    }
    while (best->rstrip && match.end < text.size()) {
      const Utf8Front front = ReadUtf8(text.substr(match.end));
      if (front.kind != Utf8Front::kValid || !IsWhiteSpace(front.code_point)) break;
      match.end += front.length;
    }
    return match;
  }
  return {};
}

size_t AddedTokenMatcher::LengthAt(std::string_view text, size_t at) const {
  size_t length = 0;
  int32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    node = Child(node, static_cast<uint8_t>(text[i]));
    if (node < 0) break;
    if (nodes_[node].token >= 0) length = i + 1 - at;
  }
  return length;
}

bool AddedTokenMatcher::CutOffAt(std::string_view text, size_t at) const {
  int32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    node = Child(node, static_cast<uint8_t>(text[i]));
    if (node < 0) return false;
  }
  return node != 0 && nodes_[node].child >= 0;
}

}  // namespace raison
