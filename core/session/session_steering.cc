// The steering verbs: each brings the session to rest at the last token that was told, changes what
// comes next, and leaves nothing behind of what had been computed beyond it.
#include <algorithm>
#include <utility>

#include "core/session/prompt.h"
#include "core/session/session.h"

namespace raison {

// One past the last token whose event was taken: the first one in the queue is not.
int64_t Session::DeliveredEnd() const {
  for (const Event& e : events_) {
    if (e.kind == EventKind::kToken && !e.silent) return e.position;
  }
  if (request_ && !request_->done) {
    if (const auto held = request_->narrative.FirstHeld()) {
      return std::max(*held, request_->told_end);
    }
  }
  return static_cast<int64_t>(tokens_.size());
}

// Waits for work that is under way and forgets what it computed beyond the last token.
void Session::Settle() {
  if (in_flight_) {
    scheduler_->WaitDone(work_);
    in_flight_ = false;
    if (!work_.status.ok()) fresh_prompt_end_ = nullptr;
    KeepPromptEnd();
    traced_.clear();
  }
  // A cancellation of the running request that comes while it is steered is not lost.
  if (!active()) cancelled_ = false;
  ForgetComputed();
}

// The newest token's row is computed when its logits are wanted; those of the prompt's end are kept.
void Session::ForgetComputed() {
  outcome_.reset();
  if (tokens_.empty()) return;
  const bool kept = request_ && request_->prompt_end != nullptr &&
                    static_cast<int64_t>(tokens_.size()) == request_->prompt_length;
  const uint32_t limit = static_cast<uint32_t>(tokens_.size()) - (kept ? 0 : 1);
  pages_.Truncate(std::min(pages_.length(), limit));
}

absl::Status Session::BeginSteering() {
  if (!request_) return absl::FailedPreconditionError("no request has been made");
  if (request_->done) return absl::FailedPreconditionError("the request is over; rewind it first");
  Settle();
  DropUndelivered();
  return absl::OkStatus();
}

// What was to be forced when the tokens from `position` on are taken back: text that the caller put
// in is not lost with them. What follows a draw is decided again.
Session::Pending Session::PendingFrom(int64_t position) const {
  const Request& r = *request_;
  Pending out;
  if (r.done) return out;
  for (size_t p = static_cast<size_t>(position); p < tokens_.size(); ++p) {
    if (records_[p].source == Source::kSampled) return out;
    out.forced.push_back({.token = tokens_[p], .source = records_[p].source});
  }
  out.forced.insert(out.forced.end(), r.forced.begin(), r.forced.end());
  out.closing = r.closing;
  return out;
}

// Takes back the tokens that were drawn but not told, so that steering acts where the caller stands.
void Session::DropUndelivered() {
  const int64_t end = DeliveredEnd();
  if (end == static_cast<int64_t>(tokens_.size())) return;
  // If the step before them was told to have ended, it stays ended.
  const bool ended = !events_.empty() && std::none_of(events_.begin(), events_.end(),
                                                      [](const Event& e) {
                                                        return e.kind == EventKind::kStepEnd;
                                                      }) &&
                     std::any_of(events_.begin(), events_.end(), [](const Event& e) {
                       return e.kind == EventKind::kStepBegin;
                     });
  std::deque<Event> kept;
  for (Event& e : events_) {
    if (e.kind == EventKind::kNotice) kept.push_back(std::move(e));
  }
  events_.clear();
  if (ended) request_->cuts.push_back(end);
  Pending pending = PendingFrom(end);
  Replay(end);
  request_->forced = std::move(pending.forced);
  request_->closing = pending.closing;
  for (Event& e : kept) events_.push_back(std::move(e));
}

// Drops the tokens from `position` on and brings narrative, steps and events to that place by
// reading the tokens before it again.
void Session::Replay(int64_t position) {
  Request& r = *request_;
  tokens_.resize(static_cast<size_t>(position));
  records_.resize(static_cast<size_t>(position));
  ForgetComputed();
  r.cuts.erase(std::remove_if(r.cuts.begin(), r.cuts.end(),
                              [position](int64_t cut) { return cut > position; }),
               r.cuts.end());
  r.forced.clear();
  r.closing.reset();

  r.told_end = position;
  r.narrative = r.start;
  std::vector<NarrativeEvent> told;
  const auto cut_here = [&](int64_t at) {
    return std::find(r.cuts.begin(), r.cuts.end(), at) != r.cuts.end();
  };
  for (int64_t p = r.prompt_length; p < position; ++p) {
    if (cut_here(p)) r.narrative.CutStep(&told);
    r.narrative.Push(records_[static_cast<size_t>(p)], &told);
  }
  if (cut_here(position)) r.narrative.CutStep(&told);

  // Steps that lie wholly before the place, and before the tokens that wait for their step again,
  // stay as they are; the others are left behind, and the beginning of one that is cut through is
  // told as a new step.
  const int64_t certain = r.narrative.FirstHeld().value_or(position);
  std::vector<int32_t> whole;
  for (int32_t i : live_steps_) {
    StepRecord& step = steps_[static_cast<size_t>(i)];
    if (step.end <= certain && step.begin >= 0) {
      whole.push_back(i);
    } else {
      if ((step.flags & kStepOpen) != 0) EndStep(step);
      step.flags |= kStepDiscarded;
    }
  }
  live_steps_.clear();
  std::deque<Event> again;
  for (const NarrativeEvent& e : told) {
    const size_t ordinal = static_cast<size_t>(e.step);
    const bool old_step = e.step >= 0 && ordinal < whole.size();
    if (e.kind == EventKind::kStepBegin && old_step) {
      live_steps_.push_back(whole[ordinal]);
      steps_[static_cast<size_t>(whole[ordinal])].flags |= kStepOpen;
    } else if (e.kind == EventKind::kStepEnd && old_step) {
      EndStep(steps_[static_cast<size_t>(whole[ordinal])]);
    } else if (!old_step) {
      Apply(e);
    }
    again.push_back(ToEvent(e));
  }
  // What the caller has had is not told again, but for a step that has a new number now.
  const size_t had = std::min(r.told, again.size());
  r.told = had;
  for (size_t i = 0; i < again.size(); ++i) {
    const Event& e = again[i];
    const bool renumbered = e.kind == EventKind::kStepBegin &&
                            live_steps_.size() > whole.size() && e.step >= 0 &&
                            e.step == live_steps_.back();
    if (i >= had) {
      Enqueue(e);
    } else if (renumbered) {
      Event begin = e;
      begin.narrative = false;
      events_.push_back(std::move(begin));
    }
  }
}

absl::Status Session::EndThinking() {
  if (!active() || !request_->narrative.InThinking()) {
    return absl::FailedPreconditionError("the session is not thinking");
  }
  // Asked again while the tag is on its way (a callback that says so for every event): it is.
  if (request_->closing.has_value()) return absl::OkStatus();
  RSN_RETURN_IF_ERROR(BeginSteering());
  if (!request_->narrative.InThinking()) {
    return absl::FailedPreconditionError("the session is not thinking");
  }
  RSN_RETURN_IF_ERROR(ForceClose(ThinkEndReason::kCaller));
  Note(NoticeReason::kEndThinking, "the caller ended the thinking");
  return absl::OkStatus();
}

absl::Status Session::Stop() {
  if (active() && request_->stop) return absl::OkStatus();  // once is enough: it is announced
  RSN_RETURN_IF_ERROR(BeginSteering());
  request_->stop = true;
  Note(NoticeReason::kStopped, "stopped by the caller");
  return absl::OkStatus();
}

absl::Status Session::Inject(std::string_view text) {
  if (!active()) return absl::FailedPreconditionError("no request is running");
  RSN_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, model().tokenizer().Encode(text));
  if (static_cast<size_t>(DeliveredEnd()) + request_->forced.size() + tokens.size() >=
      context_length_) {
    return absl::OutOfRangeError(absl::StrCat("the injected text has ", tokens.size(),
                                              " tokens: no room in the context of ",
                                              context_length_));
  }
  RSN_RETURN_IF_ERROR(BeginSteering());
  Force(tokens, Source::kInjected);
  Note(NoticeReason::kInjected, absl::StrCat(tokens.size(), " tokens go in"));
  return absl::OkStatus();
}

absl::Status Session::Rewind(int64_t position, const std::optional<GenerateOptions>& options) {
  if (!request_) return absl::FailedPreconditionError("no request has been made");
  const int64_t end = DeliveredEnd();
  if (position < request_->prompt_length || position > end) {
    return absl::InvalidArgumentError(absl::StrCat("position = ", position, ": wanted ",
                                                   request_->prompt_length, "..", end,
                                                   ", from the end of the prompt to here"));
  }
  return ContinueWith(position, options);
}

// Goes on from `position` with new options, or the request's own and the next branch number.
absl::Status Session::ContinueWith(int64_t position, const std::optional<GenerateOptions>& options) {
  Request& r = *request_;
  ResolvedOptions resolved = r.options;
  resolved.branch = kUnset;
  if (options) {
    RSN_ASSIGN_OR_RETURN(resolved,
                         Resolve(*options, model(), static_cast<int32_t>(context_length_)));
  }
  if (position > r.prompt_length &&
      model().tokenizer().IsEndOfGeneration(tokens_[static_cast<size_t>(position) - 1])) {
    return absl::InvalidArgumentError(
        absl::StrCat("position = ", position,
                     ": the text has ended there; rewind to before its end-of-text token"));
  }
  const bool exclude = options && resolved.exclude_first_token &&
                       position < static_cast<int64_t>(tokens_.size());
  const int32_t followed = exclude ? tokens_[static_cast<size_t>(position)] : -1;

  Settle();
  r.discarded += DeliveredEnd() - position;
  events_.clear();
  if (resolved.branch == kUnset) {
    resolved.branch = branches_->fetch_add(1) + 1;
  } else {
    int32_t last = branches_->load();
    while (last < resolved.branch && !branches_->compare_exchange_weak(last, resolved.branch)) {
    }
  }
  r.branch = resolved.branch;
  r.excluded.reset();
  if (exclude) r.excluded = followed;
  r.options = std::move(resolved);
  r.stop = r.done = false;
  r.budget = NewBudget(r.options, int64_t{context_length_} - r.prompt_length);
  r.start = Narrative(model().tokenizer(), ThinkTagsOf(model().reasoning_tags()), r.start.state(),
                      r.options.stop);
  Replay(position);
  Note(NoticeReason::kRewound, absl::StrCat("rewound to position ", position));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Session>> Session::Fork(
    const std::optional<GenerateOptions>& options) {
  if (!request_) return absl::FailedPreconditionError("no request has been made: nothing to fork");
  Settle();
  auto fork = std::unique_ptr<Session>(new Session(scheduler_, context_length_));
  fork->branches_ = branches_;
  fork->step_ids_ = step_ids_;
  fork->tokens_ = tokens_;
  fork->records_ = records_;
  fork->pages_ = PageTable(pages_);
  fork->request_ = request_;
  fork->steps_ = steps_;
  fork->numbers_ = numbers_;
  fork->live_steps_ = live_steps_;
  fork->events_ = events_;
  // A text that has ended stays ended in the fork, until it is rewound.
  const int64_t end = fork->DeliveredEnd();
  if (model().tokenizer().IsEndOfGeneration(tokens_[static_cast<size_t>(end) - 1]) &&
      end > request_->prompt_length) {
    return fork;
  }
  Pending pending = fork->PendingFrom(end);
  RSN_RETURN_IF_ERROR(fork->ContinueWith(end, options));
  fork->request_->forced = std::move(pending.forced);
  fork->request_->closing = pending.closing;
  fork->request_->discarded = 0;
  fork->events_.pop_back();  // the notice of a rewind that was none
  return fork;
}

absl::StatusOr<std::vector<float>> Session::Logits() {
  if (!request_ || tokens_.empty()) {
    return absl::FailedPreconditionError("no prompt has been processed");
  }
  if (DeliveredEnd() < static_cast<int64_t>(tokens_.size())) {
    return absl::FailedPreconditionError("a token waits to be told: take the next event first");
  }
  Settle();
  Request& r = *request_;
  if (r.prompt_end && static_cast<int64_t>(tokens_.size()) == r.prompt_length) {
    return r.prompt_end->logits;
  }
  if (static_cast<uint32_t>(tokens_.size()) != pages_.length() + 1) {
    return absl::FailedPreconditionError("the prompt has not been processed yet");
  }
  PrepareTokens(pages_.length());
  keep_logits_ = true;
  Work* work = &work_;
  scheduler_->Submit({&work, 1});
  scheduler_->WaitDone(work_);
  keep_logits_ = false;
  if (!work_.status.ok()) {
    fresh_prompt_end_ = nullptr;
    outcome_.reset();
    return work_.status;
  }
  ++r.passes;
  KeepPromptEnd();
  if (outcome_ && work_.wants_routing && !work_.routing.empty()) {
    outcome_->routing = std::move(work_.routing.back());
  }
  if (r.done) ForgetComputed();
  return std::move(full_logits_);
}

}  // namespace raison
