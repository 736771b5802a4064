#include "core/model/text/prompt_marks.h"

#include <algorithm>

#include "core/model/text/utf8.h"

namespace raison {

void PromptMarks::Avoid(std::string_view text) {
  for (size_t i = 0; i + 3 < text.size(); ++i) {
    // Planes 15 and 16 begin with F3 B0..BF or F4.
    if (static_cast<uint8_t>(text[i]) < 0xF3) continue;
    const Utf8Front front = ReadUtf8(text.substr(i));
    if (front.kind == Utf8Front::kValid && front.code_point >= kFirst) {
      used_ |= 1u << ((front.code_point - kFirst) / kBlock);
    }
  }
}

bool PromptMarks::Choose() {
  for (uint32_t block = 0; block < kBlocks; ++block) {
    if ((used_ >> block & 1) == 0) {
      base_ = kFirst + block * kBlock;
      return true;
    }
  }
  return false;
}

std::string PromptMarks::Mark(std::string_view text, const Style& style) {
  std::string out;
  out.reserve(text.size() + 8);
  size_t end_marker = style.end_marker ? text.size() : std::string_view::npos;
  while (style.end_marker && end_marker > 0 &&
         IsWhiteSpace(static_cast<uint8_t>(text[end_marker - 1]))) {
    --end_marker;
  }
  const auto starts = [](std::string_view at, std::string_view what) {
    return !what.empty() && at.substr(0, what.size()) == what;
  };
  for (size_t at = 0; at < text.size();) {
    if (at == end_marker) AppendUtf8(base_ + kEnd, &out);
    const std::string_view rest = text.substr(at);
    const Utf8Front front = ReadUtf8(rest);
    if (front.kind != Utf8Front::kValid) {
      AppendUtf8(base_ + kBytes + static_cast<uint8_t>(text[at]), &out);
      ++at;
      continue;
    }
    const bool mark = style.added != nullptr &&
                      (style.added->LengthAt(text, at) > 0 || style.added->CutOffAt(text, at)) &&
                      !starts(rest, style.keep_open) && !starts(rest, style.keep_close);
    uint32_t offset = kBytes;
    if (mark) {
      const auto it = std::find(characters_.begin(), characters_.end(), front.code_point);
      offset = static_cast<uint32_t>(it - characters_.begin());
      // Added tokens begin with a handful of characters; a vocabulary with thousands is not ours.
      if (it == characters_.end() && offset < kBytes) characters_.push_back(front.code_point);
    }
    if (offset < kBytes) {
      AppendUtf8(base_ + offset, &out);
    } else {
      out.append(rest.substr(0, front.length));
    }
    at += front.length;
  }
  if (end_marker == text.size()) AppendUtf8(base_ + kEnd, &out);
  return out;
}

UnmarkedText PromptMarks::Unmark(std::string_view text) const {
  UnmarkedText result;
  result.text.reserve(text.size());
  size_t copied = 0;
  for (size_t at = 0; at < text.size();) {
    if (static_cast<uint8_t>(text[at]) < 0xF3) {
      ++at;
      continue;
    }
    const Utf8Front front = ReadUtf8(text.substr(at));
    const uint32_t offset = front.code_point - base_;
    if (front.kind != Utf8Front::kValid || front.code_point < base_ || offset >= kBlock) {
      at += front.length;
      continue;
    }
    result.text.append(text.substr(copied, at - copied));
    const size_t begin = result.text.size();
    if (offset < characters_.size()) {
      AppendUtf8(characters_[offset], &result.text);
      result.literal.push_back({begin, result.text.size()});
    } else if (offset >= kBytes && offset < kBytes + 256) {
      result.text.push_back(static_cast<char>(offset - kBytes));
    } else if (offset == kEnd) {
      result.end_marker = begin;
    }
    at += front.length;
    copied = at;
  }
  result.text.append(text.substr(copied));
  return result;
}

}  // namespace raison
