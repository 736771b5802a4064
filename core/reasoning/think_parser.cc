#include "core/reasoning/think_parser.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace raison {
namespace {

constexpr size_t kAllNewlines = std::numeric_limits<size_t>::max();

// More white space than any template or model puts before its tag; beyond it the answer has begun.
constexpr size_t kMaxLeadingSpace = 64;

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool IsBlank(std::string_view text) { return std::all_of(text.begin(), text.end(), IsSpace); }

// Length of the longest end of `text` that is a proper beginning of `tag`.
size_t PartialMatch(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(text.size(), tag.empty() ? 0 : tag.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == tag.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

ThinkState StateAfterTail(const ThinkTags& tags, std::string_view tail) {
  if (tags.none()) return ThinkState::kAnswer;
  const size_t open = tags.open.empty() ? tail.npos : tail.rfind(tags.open);
  const size_t close = tags.close.empty() ? tail.npos : tail.rfind(tags.close);
  if (open == tail.npos && close == tail.npos) return ThinkState::kBefore;
  if (open == tail.npos) return ThinkState::kAnswer;
  return close == tail.npos || close < open ? ThinkState::kThink : ThinkState::kAnswer;
}

ThinkState StateAfterPrompt(const ThinkTags& tags, std::string_view prompt) {
  if (tags.none()) return ThinkState::kAnswer;
  while (!prompt.empty() && IsSpace(prompt.back())) prompt.remove_suffix(1);
  if (!tags.close.empty() && absl::EndsWith(prompt, tags.close)) return ThinkState::kAnswer;
  if (!tags.open.empty() && absl::EndsWith(prompt, tags.open)) return ThinkState::kThink;
  return ThinkState::kBefore;
}

ThinkParser::ThinkParser(ThinkTags tags, ThinkState start)
    : tags_(std::move(tags)), state_(tags_.none() ? ThinkState::kAnswer : start) {
  if (!tags_.none()) trim_left_ = kAllNewlines;
  if (state_ == ThinkState::kThink) marks_.push_back({0, ThinkEvent::Kind::kThinkBegin});
}

void ThinkParser::Feed(const ThinkToken& token, std::vector<ThinkEvent>* events) {
  const bool opens = !token.literal && token.id >= 0 && token.id == tags_.open_id;
  const bool closes = !token.literal && token.id >= 0 && token.id == tags_.close_id;
  // Without an id a tag may still be one added token: then it is recognised by its whole text.
  const bool whole = token.added && !token.literal;
  const bool opens_by_text =
      whole && tags_.open_id < 0 && !tags_.open.empty() && token.bytes == tags_.open;
  const bool closes_by_text =
      whole && tags_.close_id < 0 && !tags_.close.empty() && token.bytes == tags_.close;

  tokens_.push_back({token.id, token.bytes.size()});
  if (opens || closes || opens_by_text || closes_by_text) {
    SettleBefore(/*tag_follows=*/true);
    held_ += token.bytes;
    LabelTag(opens || opens_by_text ? Tag::kOpen : Tag::kClose, token.bytes.size(),
             /*special=*/true);
  } else if (token.added || token.literal) {
    SettleBefore(/*tag_follows=*/false);
    held_ += token.bytes;
    LabelText(token.bytes.size());
  } else {
    Scan(token.bytes);
  }
  Emit(events);
}

void ThinkParser::Finish(std::vector<ThinkEvent>* events) {
  SettleBefore(/*tag_follows=*/false);
  Emit(events);
  if (state_ == ThinkState::kThink) {
    EmitMark(ThinkEvent::Kind::kThinkEnd, events);
  } else if (!carry_.empty()) {
    events->push_back({.kind = ThinkEvent::Kind::kText, .channel = reported_, .text = carry_});
    carry_.clear();
  }
}

bool ThinkParser::Closes(const ThinkToken& token) const {
  if (state_ != ThinkState::kThink) return false;
  ThinkParser next = *this;
  std::vector<ThinkEvent> events;
  next.Feed(token, &events);
  return next.state_ == ThinkState::kAnswer;
}

// Byte by byte, so that the result cannot depend on where the tokens are cut.
void ThinkParser::Scan(std::string_view bytes) {
  const std::string_view open = tags_.open_id < 0 ? std::string_view(tags_.open) : "";
  const std::string_view close = tags_.close_id < 0 ? std::string_view(tags_.close) : "";
  for (char byte : bytes) {
    held_ += byte;
    const std::string_view text = std::string_view(held_).substr(labels_.size());
    const bool opens = !open.empty() && absl::EndsWith(text, open);
    const bool closes = !close.empty() && absl::EndsWith(text, close);
    if (!opens && !closes) continue;
    const size_t n = opens ? open.size() : close.size();
    const std::string_view before = text.substr(0, text.size() - n);
    if (state_ == ThinkState::kBefore && IsBlank(before) && before.size() <= kMaxLeadingSpace) {
      Label(before.size(), Channel::kControl);
    } else {
      LabelText(before.size());
    }
    LabelTag(opens ? Tag::kOpen : Tag::kClose, n, /*special=*/false);
  }
  const std::string_view text = std::string_view(held_).substr(labels_.size());
  const size_t partial = std::max(PartialMatch(text, open), PartialMatch(text, close));
  const std::string_view certain = text.substr(0, text.size() - partial);
  if (state_ == ThinkState::kBefore && IsBlank(certain) && certain.size() <= kMaxLeadingSpace) {
    return;
  }
  LabelText(certain.size());
}

void ThinkParser::Label(size_t n, Channel channel) { labels_.insert(labels_.end(), n, channel); }

void ThinkParser::LabelText(size_t n) {
  if (n == 0) return;
  if (state_ == ThinkState::kBefore) state_ = ThinkState::kAnswer;
  if (!IsBlank(std::string_view(held_).substr(labels_.size(), n))) visible_ = true;
  Label(n, state_ == ThinkState::kThink ? Channel::kThinking : Channel::kAnswer);
}

void ThinkParser::LabelTag(Tag tag, size_t n, bool special) {
  // Inside, an opening tag is text, except a first one that repeats what the prompt opened. After
  // the close a second one closes nothing: spelt out in letters it is text, except before the
  // answer's first word; the special token is never meant for the reader.
  const bool repeats = (state_ == ThinkState::kThink) == (tag == Tag::kOpen);
  if (state_ != ThinkState::kBefore && repeats) {
    if (visible_ && !(special && tag == Tag::kClose)) {
      LabelText(n);
    } else {
      Label(n, Channel::kControl);
    }
    return;
  }
  const size_t begin = labels_.size();
  Label(n, Channel::kControl);
  if (tag == Tag::kOpen) {
    marks_.push_back({begin + n, ThinkEvent::Kind::kThinkBegin});
  } else if (state_ == ThinkState::kThink) {
    marks_.push_back({begin, ThinkEvent::Kind::kThinkEnd});
  }
  state_ = tag == Tag::kOpen ? ThinkState::kThink : ThinkState::kAnswer;
  visible_ = false;
}

// Ends the wait of undecided bytes: a half tag is text, and so is leading white space unless a tag
// comes now.
void ThinkParser::SettleBefore(bool tag_follows) {
  const size_t n = Undecided();
  const std::string_view text = std::string_view(held_).substr(labels_.size());
  if (tag_follows && state_ == ThinkState::kBefore && IsBlank(text)) {
    Label(n, Channel::kControl);
  } else {
    LabelText(n);
  }
}

void ThinkParser::Emit(std::vector<ThinkEvent>* events) {
  size_t done = 0;
  for (;;) {
    while (!marks_.empty() && marks_.front().offset == 0) {
      EmitMark(marks_.front().kind, events);
      marks_.erase(marks_.begin());
    }
    if (done == tokens_.size() || tokens_[done].bytes > labels_.size()) break;
    // A token without bytes waits with the bytes before it, which are gone by now.
    EmitToken(tokens_[done], events);
    ++done;
  }
  tokens_.erase(tokens_.begin(), tokens_.begin() + done);
}

// Takes one token off the front of held_. It has one channel, that of its first text; what belongs
// to another channel behind a tag in the same token goes with the next token.
void ThinkParser::EmitToken(const Waiting& token, std::vector<ThinkEvent>* events) {
  ThinkEvent event = {.token = token.id};
  if (token.bytes == 0) event.channel = reported_;
  bool reported = false;
  const auto report = [&] {
    if (event.channel != Channel::kControl) {
      event.text.insert(0, carry_);
      carry_.clear();
      event.trim = Trim(event.text);
    }
    events->push_back(event);
    reported = true;
  };
  size_t mark = 0;
  for (size_t i = 0; i < token.bytes; ++i) {
    for (; mark < marks_.size() && marks_[mark].offset == i; ++mark) {
      if (!reported && event.channel != Channel::kControl) report();
      EmitMark(marks_[mark].kind, events);
    }
    if (labels_[i] == Channel::kControl) continue;
    if (reported) {
      carry_ += held_[i];
    } else {
      event.channel = labels_[i];
      event.text += held_[i];
    }
  }
  if (!reported) report();
  marks_.erase(marks_.begin(), marks_.begin() + mark);
  for (Mark& m : marks_) m.offset -= token.bytes;
  held_.erase(0, token.bytes);
  labels_.erase(labels_.begin(), labels_.begin() + token.bytes);
}

void ThinkParser::EmitMark(ThinkEvent::Kind kind, std::vector<ThinkEvent>* events) {
  if (!carry_.empty()) {
    events->push_back({.kind = ThinkEvent::Kind::kText,
                       .channel = reported_,
                       .text = carry_,
                       .trim = Trim(carry_)});
    carry_.clear();
  }
  const bool begins = kind == ThinkEvent::Kind::kThinkBegin;
  reported_ = begins ? Channel::kThinking : Channel::kAnswer;
  trim_left_ = begins ? 1 : kAllNewlines;
  events->push_back({.kind = kind, .channel = Channel::kThinking});
}

size_t ThinkParser::Trim(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && n < trim_left_ && text[n] == '\n') ++n;
  if (n < text.size()) {
    trim_left_ = 0;
  } else if (trim_left_ != kAllNewlines) {
    trim_left_ -= n;
  }
  return n;
}

}  // namespace raison
