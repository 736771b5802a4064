// How a session tells what happened: narrative events become records, steps and events.
#include <algorithm>
#include <utility>

#include "core/reasoning/markers.h"
#include "core/session/session.h"

namespace raison {

int64_t Session::Microseconds() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - request_->begin)
      .count();
}

Event Session::MakeEvent(EventKind kind) const {
  Event event;
  event.kind = kind;
  event.position = static_cast<int64_t>(tokens_.size());
  event.microseconds = Microseconds();
  return event;
}

Event Session::ProgressEvent() const {
  Event event = MakeEvent(EventKind::kProgress);
  event.done = request_->prompt_done;
  event.total = request_->prompt_length;
  event.cached = request_->cached;
  return event;
}

void Session::Note(NoticeReason notice, std::string text) {
  Event event = MakeEvent(EventKind::kNotice);
  event.reason = static_cast<int32_t>(notice);
  event.text = std::move(text);
  events_.push_back(std::move(event));
}

void Session::Tell(const std::vector<NarrativeEvent>& told) {
  for (const NarrativeEvent& e : told) {
    Apply(e);
    Event event = ToEvent(e);
    if (e.kind != EventKind::kToken && e.kind != EventKind::kStepEnd) {
      // Where the session's caller stands then: before the next token that is told.
      const auto next =
          std::find_if(told.begin() + (&e - told.data()), told.end(),
                       [](const NarrativeEvent& n) { return n.kind == EventKind::kToken; });
      if (next != told.end()) event.position = next->record.position;
    }
    Enqueue(std::move(event));
    if (e.kind == EventKind::kThinkEnd) request_->closing.reset();  // the model may think again
  }
}

// Silent events only count, in their turn: the first one in the queue is never silent.
void Session::Enqueue(Event event) {
  if (event.silent && events_.empty()) {
    ++request_->told;
  } else {
    events_.push_back(std::move(event));
  }
}

Event Session::ToEvent(const NarrativeEvent& told) const {
  Event event = MakeEvent(told.kind);
  event.narrative = true;
  if (told.step >= 0) event.step = live_steps_[static_cast<size_t>(told.step)];
  switch (told.kind) {
    case EventKind::kToken:
      event.position = told.record.position;
      event.silent = event.position < request_->told_end;
      event.microseconds = told.record.microseconds;
      event.channel = told.record.channel;
      event.record = records_[static_cast<size_t>(told.record.position)];
      event.text = event.record.text;
      if (request_->options.release_steps && event.channel == Channel::kThinking) {
        event.text.clear();
      }
      break;
    case EventKind::kStepEnd:
      event.channel = Channel::kThinking;
      event.text = steps_[static_cast<size_t>(event.step)].text;
      event.position = steps_[static_cast<size_t>(event.step)].end;
      break;
    case EventKind::kThinkEnd:
      event.reason = static_cast<int32_t>(request_->closing.value_or(ThinkEndReason::kModel));
      break;
    default:
      break;
  }
  return event;
}

// Brings records and steps up to date with one narrative event.
void Session::Apply(const NarrativeEvent& told) {
  switch (told.kind) {
    case EventKind::kStepBegin:
      BeginStep();
      return;
    case EventKind::kStepEnd:
      EndStep(steps_[static_cast<size_t>(live_steps_[static_cast<size_t>(told.step)])]);
      return;
    case EventKind::kToken:
      break;
    default:
      return;
  }
  TokenRecord& record = records_[static_cast<size_t>(told.record.position)];
  record.channel = told.record.channel;
  record.text = told.record.text;
  record.step = -1;
  if (told.step < 0) return;
  record.step = live_steps_[static_cast<size_t>(told.step)];
  StepRecord& step = steps_[static_cast<size_t>(record.step)];
  if (step.begin < 0) step.begin = record.position;
  step.end = record.position + 1;
  step.end_seconds = static_cast<double>(record.microseconds) * 1e-6;
  step.text += record.text;
  if (record.source != Source::kSampled) step.flags |= kStepForced;
  numbers_[static_cast<size_t>(record.step)].Add(record.logprob, record.entropy);
  const MoeConfig& moe = model().config().moe;
  if (!record.experts.empty() && step.expert_counts.empty()) {
    step.expert_counts.assign(size_t{model().config().num_hidden_layers} * moe.n_routed_experts, 0);
  }
  for (size_t i = 0; i < record.experts.size(); ++i) {
    ++step.expert_counts[static_cast<size_t>(record.expert_layers[i]) * moe.n_routed_experts +
                         static_cast<size_t>(record.experts[i])];
  }
}

void Session::BeginStep() {
  StepRecord step;
  step.id = step_ids_->fetch_add(1);
  step.parent = live_steps_.empty() ? -1 : steps_[static_cast<size_t>(live_steps_.back())].id;
  step.branch = request_->branch;
  step.begin = step.end = -1;
  step.begin_seconds = step.end_seconds = static_cast<double>(Microseconds()) * 1e-6;
  live_steps_.push_back(static_cast<int32_t>(steps_.size()));
  steps_.push_back(std::move(step));
  numbers_.emplace_back();
}

void Session::EndStep(StepRecord& step) {
  const size_t index = static_cast<size_t>(&step - steps_.data());
  const StepStats stats =
      numbers_[index].Result(step.end_seconds - step.begin_seconds, ClassifyStep(step.text));
  step.flags &= ~uint32_t{kStepOpen};
  step.marker = static_cast<int32_t>(stats.marker);
  step.mean_logprob = static_cast<float>(stats.mean_logprob);
  step.lowest_logprob = static_cast<float>(stats.lowest_logprob);
  step.mean_entropy = static_cast<float>(stats.mean_entropy);
  step.confidence = static_cast<float>(stats.confidence);
}

}  // namespace raison
