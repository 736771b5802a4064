#include "core/session/narrative.h"

#include <utility>

namespace raison {

Narrative::Narrative(const Tokenizer& tokenizer, ThinkTags tags, ThinkState start,
                     const std::vector<std::string>& stop)
    : tokenizer_(&tokenizer), parser_(std::move(tags), start) {
  if (auto matcher = StopMatcher::Create(stop); matcher.ok()) stop_ = *std::move(matcher);
}

bool Narrative::Closes(int32_t token) const {
  return parser_.Closes({.id = token,
                         .bytes = tokenizer_->TokenBytes(token),
                         .added = tokenizer_->IsAdded(token)});
}

void Narrative::Push(TokenRecord record, std::vector<NarrativeEvent>* told) {
  const int32_t id = record.token;
  const ThinkTags& tags = parser_.tags();
  const bool tag = id == tags.open_id || id == tags.close_id;
  // Control tokens have no text; the tags are the parser's business.
  const bool silent = tokenizer_->IsControl(id) && !tag;
  std::vector<ThinkEvent> events;
  const ThinkToken token{.id = id,
                         .bytes = silent ? std::string_view() : tokenizer_->TokenBytes(id),
                         .added = tokenizer_->IsAdded(id),
                         .literal = record.source == Source::kInjected};
  record.channel = silent ? Channel::kControl : Channel::kAnswer;  // the parser has the last word
  fed_.push_back(std::move(record));
  parser_.Feed(token, &events);
  Read(events, told);
}

void Narrative::Read(const std::vector<ThinkEvent>& events, std::vector<NarrativeEvent>* told) {
  for (const ThinkEvent& e : events) {
    switch (e.kind) {
      case ThinkEvent::Kind::kThinkBegin:
        told->push_back({.kind = EventKind::kThinkBegin});
        break;
      case ThinkEvent::Kind::kThinkEnd: {
        CutStep(told);
        told->push_back({.kind = EventKind::kThinkEnd});
        break;
      }
      case ThinkEvent::Kind::kText:
        if (e.channel == Channel::kAnswer) answer_ += answer_decoder_.Feed(e.text);
        break;
      case ThinkEvent::Kind::kToken: {
        TokenRecord record = std::move(fed_.front());
        fed_.pop_front();
        if (record.channel == Channel::kControl || e.channel == Channel::kControl) {
          record.channel = Channel::kControl;
          ReleaseAnswer(stop_.Finish(), /*all=*/true, told);  // no stop string goes across it
          told->push_back({.kind = EventKind::kToken, .record = std::move(record)});
        } else if (e.channel == Channel::kThinking) {
          ReadThinking(std::move(record), e.text, told);
        } else {
          ReadAnswer(std::move(record), std::string_view(e.text).substr(e.trim), told);
        }
        break;
      }
    }
  }
}

void Narrative::ReadThinking(TokenRecord record, const std::string& bytes,
                             std::vector<NarrativeEvent>* told) {
  ++thinking_tokens_;
  record.channel = Channel::kThinking;
  record.text = thinking_decoder_.Feed(bytes);
  thinking_ += record.text;
  const std::string text = record.text;
  steps_.push_back({.kind = EventKind::kToken, .record = std::move(record), .bytes = bytes});
  std::vector<StepEvent> events;
  splitter_.Push(text, &events);
  TellSteps(events, told);
}

void Narrative::TellSteps(const std::vector<StepEvent>& events, std::vector<NarrativeEvent>* told) {
  for (const StepEvent& e : events) {
    switch (e.kind) {
      case StepEvent::Kind::kStepBegin:
        step_open_ = true;
        told->push_back({.kind = EventKind::kStepBegin, .step = ++step_});
        break;
      case StepEvent::Kind::kStepEnd:
        step_open_ = false;
        told->push_back({.kind = EventKind::kStepEnd, .step = step_});
        break;
      case StepEvent::Kind::kToken:
        steps_.front().step = step_;
        steps_.front().record.step = step_;
        told->push_back(std::move(steps_.front()));
        steps_.pop_front();
        break;
    }
  }
}

std::optional<int64_t> Narrative::FirstHeld() const {
  if (!held_.empty()) return held_.front().record.position;
  if (!steps_.empty()) return steps_.front().record.position;
  if (!fed_.empty()) return fed_.front().position;
  return std::nullopt;
}

void Narrative::CutStep(std::vector<NarrativeEvent>* told) {
  std::vector<StepEvent> events;
  splitter_.Finish(&events);
  TellSteps(events, told);
}

void Narrative::ReadAnswer(TokenRecord record, std::string_view bytes,
                           std::vector<NarrativeEvent>* told) {
  ++answer_tokens_;
  record.channel = Channel::kAnswer;
  const std::string text = answer_decoder_.Feed(bytes);
  held_.push_back({.record = std::move(record), .bytes = text.size()});
  ReleaseAnswer(stop_.Feed(text), stopped(), told);
}

// Tells the held tokens whose text is certain; at the end (`all`) the rest with what text they have.
void Narrative::ReleaseAnswer(std::string certain, bool all, std::vector<NarrativeEvent>* told) {
  answer_ += certain;
  certain_ += certain;
  while (!held_.empty() && (all || certain_.size() >= held_.front().bytes)) {
    Held held = std::move(held_.front());
    held_.pop_front();
    held.record.text = certain_.substr(0, held.bytes);
    certain_.erase(0, held.bytes);
    told->push_back({.kind = EventKind::kToken, .record = std::move(held.record)});
  }
}

void Narrative::Finish(std::vector<NarrativeEvent>* told) {
  std::vector<ThinkEvent> events;
  parser_.Finish(&events);
  Read(events, told);
  ReleaseAnswer(stop_.Finish(), /*all=*/true, told);
}

}  // namespace raison
