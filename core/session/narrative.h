// Turns the tokens of a request into channels, steps and text, in order. What it says depends only on
// where it started and on the tokens (and the places where a step was cut): feeding them again says
// the same again, which is how a rewind finds its state. A value: copy it to remember a place.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/text/stream_decoder.h"
#include "core/model/text/tokenizer.h"
#include "core/reasoning/step_splitter.h"
#include "core/reasoning/stop_matcher.h"
#include "core/reasoning/think_parser.h"
#include "core/session/event.h"

namespace raison {

struct NarrativeEvent {
  EventKind kind = EventKind::kToken;  // kToken, kStepBegin, kStepEnd, kThinkBegin, kThinkEnd
  TokenRecord record;                  // kToken: with channel and text
  std::string bytes;                   // kToken in the thinking: its own bytes
  int32_t step = -1;                   // ordinal of the live step; -1 outside
};

class Narrative {
 public:
  Narrative() = default;
  // Stop strings have been checked not to be empty.
  Narrative(const Tokenizer& tokenizer, ThinkTags tags, ThinkState start,
            const std::vector<std::string>& stop);

  // The next token of the timeline.
  void Push(TokenRecord record, std::vector<NarrativeEvent>* told);
  // Ends the open step here, without ending the thinking.
  void CutStep(std::vector<NarrativeEvent>* told);
  // The text is over: what was held back is told.
  void Finish(std::vector<NarrativeEvent>* told);

  ThinkState state() const { return parser_.state(); }
  bool InThinking() const { return state() == ThinkState::kThink; }
  bool thinks() const { return !parser_.tags().none(); }
  // Whether this token would end the thinking.
  bool Closes(int32_t token) const;
  bool AtStepBoundary() const { return !step_open_; }
  bool stopped() const { return stop_.matched().has_value(); }
  int64_t thinking_tokens() const { return thinking_tokens_; }
  int64_t answer_tokens() const { return answer_tokens_; }
  const std::string& thinking() const { return thinking_; }
  const std::string& answer() const { return answer_; }
  // The position of the first token that waits to be told.
  std::optional<int64_t> FirstHeld() const;
  bool thinking_ends_line() const { return thinking_.empty() || thinking_.back() == '\n'; }

 private:
  struct Held {  // an answer token whose text a stop string may still take
    TokenRecord record;
    size_t bytes;
  };

  void Read(const std::vector<ThinkEvent>& events, std::vector<NarrativeEvent>* told);
  void ReadThinking(TokenRecord record, const std::string& bytes, std::vector<NarrativeEvent>* told);
  void ReadAnswer(TokenRecord record, std::string_view bytes, std::vector<NarrativeEvent>* told);
  void TellSteps(const std::vector<StepEvent>& events, std::vector<NarrativeEvent>* told);
  void ReleaseAnswer(std::string certain, bool all, std::vector<NarrativeEvent>* told);

  const Tokenizer* tokenizer_ = nullptr;
  ThinkParser parser_;
  StepSplitter splitter_;
  StopMatcher stop_;
  StreamDecoder thinking_decoder_, answer_decoder_;
  std::deque<TokenRecord> fed_;       // not yet reported by the parser
  std::deque<NarrativeEvent> steps_;  // thinking tokens not yet assigned to a step
  std::deque<Held> held_;
  std::string certain_;  // answer text that is certain and belongs to held tokens
  bool step_open_ = false;
  int32_t step_ = -1;  // ordinal of the open or last step
  int64_t thinking_tokens_ = 0, answer_tokens_ = 0;
  std::string thinking_, answer_;
};

}  // namespace raison
