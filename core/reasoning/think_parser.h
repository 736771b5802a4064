// Separates thinking from answer, token by token, by the model's own tags.
// Owns the automaton BEFORE / THINK / ANSWER: where tags are, which channel each token and each
// byte belongs to. A tag that the model has as one special token is matched by its id alone, so the
// same letters from ordinary tokens never open or close; a tag without an id is matched by text,
// wherever token borders fall. Never throws text away, never goes back on an event.
//
// The object is a value: copy it to remember a place, assign the copy to go back there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/reasoning/reasons.h"

namespace raison {

struct ThinkTags {
  std::string open, close;  // "<think>", "</think>"; both empty: the model does not think
  int32_t open_id = -1;     // the special token that is the tag, -1: match by text
  int32_t close_id = -1;

  bool none() const { return open.empty() && close.empty(); }
};

enum class ThinkState { kBefore, kThink, kAnswer };

// The state that a rendered prompt ends in. `tail` is what the template wrote after the last
// message that is not the assistant's; the last tag in it decides.
ThinkState StateAfterTail(const ThinkTags& tags, std::string_view tail);
// The same when only the whole prompt is known: a tag counts at its very end, white space aside, so
// that tags in the user's text do not.
ThinkState StateAfterPrompt(const ThinkTags& tags, std::string_view prompt);

struct ThinkToken {
  int32_t id = -1;
  std::string_view bytes;  // may cut a code point
  bool added = false;      // added or special token: never part of a tag made of several tokens
  bool literal = false;    // injected text: never a tag, whatever it says
};

struct ThinkEvent {
  enum class Kind {
    kToken,       // the next fed token, in order
    kText,        // rare: text without a token of its own, when one token holds two tags
    kThinkBegin,  // comes before the first thinking token
    kThinkEnd,    // comes before the closing tag's token
  };
  Kind kind = Kind::kToken;
  Channel channel = Channel::kControl;
  int32_t token = -1;
  std::string text;  // the token's bytes in that channel, tags left out
  size_t trim = 0;  // leading bytes of text that only lay the tags out: one newline at the start of
                    // the thinking, all newlines at the start of the answer
};

class ThinkParser {
 public:
  // A parser that starts inside reports kThinkBegin with its first token.
  explicit ThinkParser(ThinkTags tags = {}, ThinkState start = ThinkState::kAnswer);

  // Appends what became certain. A token whose bytes may belong to an unfinished tag waits for the
  // next ones: by text at most as many as a tag has bytes, by id none. Leading white space waits in
  // BEFORE.
  void Feed(const ThinkToken& token, std::vector<ThinkEvent>* events);
  // End of generation, in whatever state: what waits is text. Inside the thinking kThinkEnd is
  // reported, and state() still says kThink: it was never closed.
  void Finish(std::vector<ThinkEvent>* events);

  // Whether feeding this token would end the thinking.
  bool Closes(const ThinkToken& token) const;

  ThinkState state() const { return state_; }               // after all that is certain
  size_t waiting_tokens() const { return tokens_.size(); }  // fed, not yet reported
  const ThinkTags& tags() const { return tags_; }

 private:
  enum class Tag { kOpen, kClose };
  struct Waiting {
    int32_t id;
    size_t bytes;
  };
  struct Mark {
    size_t offset;  // in held_
    ThinkEvent::Kind kind;
  };

  size_t Undecided() const { return held_.size() - labels_.size(); }
  void Scan(std::string_view bytes);
  void Label(size_t n, Channel channel);
  void LabelText(size_t n);
  void LabelTag(Tag tag, size_t n, bool special);
  void SettleBefore(bool tag_follows);
  void Emit(std::vector<ThinkEvent>* events);
  void EmitToken(const Waiting& token, std::vector<ThinkEvent>* events);
  void EmitMark(ThinkEvent::Kind kind, std::vector<ThinkEvent>* events);
  size_t Trim(std::string_view text);

  ThinkTags tags_;
  ThinkState state_;
  bool visible_ = false;         // something visible since the channel began
  std::string held_;             // [bytes] of the tokens that wait
  std::vector<Channel> labels_;  // [<= bytes] of the decided ones among them
  std::vector<Waiting> tokens_;
  std::vector<Mark> marks_;              // ascending
  std::string carry_;                    // text of a token that was reported in another channel
  Channel reported_ = Channel::kAnswer;  // the channel at the last event
  size_t trim_left_ = 0;                 // newlines that may still be trimmed
};

}  // namespace raison
