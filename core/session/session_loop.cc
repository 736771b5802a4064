// The pull loop of a session: what the next pass has to compute, and what its logits come to.
#include <algorithm>
#include <utility>

#include "core/sampler/penalties.h"
#include "core/session/prompt.h"
#include "core/session/session.h"

namespace raison {
namespace {

// Prompt tokens with full records need a row of logits each.
constexpr uint32_t kTracedChunk = kStepLogitRows;

Candidates ToCandidates(const LogitRow& row, uint32_t vocabulary) {
  return {.ids = row.ids,
          .logits = row.logits,
          .raw_logits = row.raw,
          .logsumexp = row.logsumexp,
          .entropy = row.entropy,
          .adjusted_logsumexp = row.adjusted_logsumexp,
          .vocab_size = vocabulary,
          .complete = row.ids.size() == vocabulary};
}

}  // namespace

absl::StatusOr<Event> Session::Next() {
  if (!running()) {
    return absl::FailedPreconditionError("no request is running: prompt the session first");
  }
  Session* self = this;
  size_t which = 0;
  return NextOfMany({&self, 1}, &which);
}

absl::StatusOr<Event> Session::NextOfMany(absl::Span<Session* const> sessions, size_t* which) {
  *which = sessions.size();
  if (sessions.empty()) return Event{};
  Scheduler& scheduler = *sessions[0]->scheduler_;
  int32_t wait_ms = INT32_MAX;
  for (const Session* s : sessions) {
    if (s->scheduler_.get() != &scheduler) {
      return absl::InvalidArgumentError("the sessions belong to different models");
    }
    if (s->active()) wait_ms = std::min(wait_ms, s->request_->options.wait_ms);
  }
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(wait_ms);
  const auto cancel_requested = [&] {
    return std::any_of(sessions.begin(), sessions.end(),
                       [](const Session* s) { return s->active() && s->CancelRequested(); });
  };

  while (true) {
    for (Session* s : sessions) {
      if (!s->active() || !s->CancelRequested()) continue;
      s->Note(NoticeReason::kCancelled, "cancelled by the caller");
      s->Finish(DoneReason::kCancelled);
    }
    // What is known is told first; only then does everybody ask for the next pass together.
    for (size_t i = 0; i < sessions.size(); ++i) {
      if (sessions[i]->events_.empty()) continue;
      *which = i;
      return sessions[i]->Pop();
    }
    std::vector<Work*> fresh, waiting;
    bool moved = false;
    size_t first = sessions.size();
    for (size_t i = 0; i < sessions.size(); ++i) {
      Session& s = *sessions[i];
      if (!s.active()) continue;
      if (!s.in_flight_) {
        if (!s.PrepareWork()) {
          moved = true;
          continue;
        }
        fresh.push_back(&s.work_);
        s.in_flight_ = true;
      }
      waiting.push_back(&s.work_);
      first = std::min(first, i);
    }
    if (!fresh.empty()) scheduler.Submit(fresh);
    if (moved) continue;
    if (waiting.empty()) return Event{};  // nobody has a running request

    scheduler.WaitAny(waiting, cancel_requested, deadline);
    bool taken = false;
    for (Session* s : sessions) {
      if (!s->active() || !s->in_flight_ || !scheduler.IsDone(s->work_)) continue;
      s->TakeResult();
      taken = true;
    }
    if (!taken && !cancel_requested() && Clock::now() >= deadline) {
      *which = first;
      return sessions[first]->ProgressEvent();
    }
  }
}

Event Session::Pop() {
  Event event = std::move(events_.front());
  events_.pop_front();
  if (event.narrative) ++request_->told;
  for (; !events_.empty() && events_.front().silent; events_.pop_front()) ++request_->told;
  return event;
}

// Decides what the request does next. True: work_ is ready for the scheduler. False: something
// happened without a pass (an event, the end, a token from logits that were there already).
bool Session::PrepareWork() {
  Request& r = *request_;
  if (r.stop) {
    Finish(DoneReason::kStopped);
    return false;
  }
  if (r.narrative.stopped()) {  // a rewind to behind a stop string
    Finish(DoneReason::kStopString);
    return false;
  }
  const bool at_prompt_end = static_cast<int64_t>(tokens_.size()) == r.prompt_length;
  if (r.forced.empty() && !ApplyBudget(/*wants_close=*/false)) return false;
  if (tokens_.size() >= context_length_) {
    Finish(DoneReason::kContextFull);
    return false;
  }
  const int64_t generated = static_cast<int64_t>(tokens_.size()) - r.prompt_length;
  if (r.options.max_tokens != kUnset && generated >= r.options.max_tokens) {
    Finish(r.narrative.InThinking() ? DoneReason::kLengthThinking : DoneReason::kLengthAnswer);
    return false;
  }
  if (at_prompt_end && r.prompt_end != nullptr) {
    auto outcome = ChooseAtPromptEnd();
    if (!outcome.ok()) {
      Finish(DoneReason::kFailed, outcome.status());
    } else {
      AcceptOutcome(*std::move(outcome));
    }
    return false;
  }
  if (outcome_) {  // computed already, by Logits()
    AcceptOutcome(*std::exchange(outcome_, std::nullopt));
    return false;
  }
  PrepareTokens(pages_.length());
  return true;
}

// The tokens that have no KV yet, at most a chunk. Chunks end at absolute multiples of a fixed
// length, so that they depend on the timeline alone.
void Session::PrepareTokens(uint32_t from) {
  const Request& r = *request_;
  const bool traced = r.options.trace_prompt && from < r.prompt_length;
  const uint32_t chunk = traced ? kTracedChunk : kPromptChunk;
  const uint32_t size = static_cast<uint32_t>(tokens_.size());
  const uint32_t end = std::min((from / chunk + 1) * chunk, size);
  work_.tokens.assign(tokens_.begin() + from, tokens_.begin() + end);
  work_.logit_rows = traced ? end - from : (end == size ? 1 : 0);
  work_.adjustments.clear();
  if (end == size) work_.adjustments = Adjustments();
  work_.wants_routing = r.options.trace_experts;
  work_.on_logits = [this](std::vector<LogitRow>& rows, const Work::FetchRow& fetch) {
    return OnLogits(rows, fetch);
  };
}

std::vector<LogitAdjustment> Session::Adjustments() const {
  const Request& r = *request_;
  const absl::Span<const int32_t> all(tokens_);
  const size_t prompt = static_cast<size_t>(r.prompt_length);
  std::vector<int32_t> excluded;
  if (r.excluded) excluded.push_back(*r.excluded);
  std::vector<LogitAdjustment> out;
  for (const Adjustment& a :
       MakeAdjustments({.prompt = all.subspan(0, prompt), .output = all.subspan(prompt)},
                       r.options.chain, excluded)) {
    out.push_back({.id = a.id, .divisor = a.scale, .add = a.add});
  }
  return out;
}

// On the scheduler's thread, before the next pass overwrites the logits.
absl::Status Session::OnLogits(std::vector<LogitRow>& rows, const Work::FetchRow& fetch) {
  const uint32_t last = static_cast<uint32_t>(rows.size()) - 1;
  if (request_->options.trace_prompt) RSN_RETURN_IF_ERROR(TracePrompt(rows, fetch));
  // Only the row of the timeline's last token says what comes next.
  if (pages_.length() < tokens_.size()) return absl::OkStatus();
  const auto fetch_last = [&](std::vector<float>* out) { return fetch(last, out); };
  if (keep_logits_) RSN_RETURN_IF_ERROR(fetch_last(&full_logits_));
  const bool prompt_ends = static_cast<int64_t>(tokens_.size()) == request_->prompt_length;
  if (!prompt_ends) {
    RSN_ASSIGN_OR_RETURN(outcome_, Choose(rows[last], fetch_last));
    return absl::OkStatus();
  }
  fresh_prompt_end_ = std::make_shared<PromptEnd>();
  RSN_RETURN_IF_ERROR(fetch_last(&fresh_prompt_end_->logits));
  fresh_prompt_end_->row = rows[last];
  fresh_prompt_end_->adjustments = work_.adjustments;
  return absl::OkStatus();
}

// Records of the prompt's tokens: row i tells of token i + 1.
absl::Status Session::TracePrompt(const std::vector<LogitRow>& rows, const Work::FetchRow& fetch) {
  const size_t first = pages_.length() - work_.tokens.size();
  const uint32_t vocabulary = model().config().vocab_size;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const size_t position = first + i + 1;
    if (position >= static_cast<size_t>(request_->prompt_length)) break;
    Candidates candidates = ToCandidates(rows[i], vocabulary);
    if (!FindCandidate(candidates, tokens_[position])) {
      std::vector<float> logits;
      RSN_RETURN_IF_ERROR(fetch(i, &logits));
      candidates = ReduceRow(logits, {}, vocabulary);
    }
    RSN_ASSIGN_OR_RETURN(const Draw draw, Describe(candidates, tokens_[position]));
    TokenRecord record = records_[position];
    record.rank = draw.rank;
    record.logprob = static_cast<float>(draw.logprob);
    record.entropy = static_cast<float>(candidates.entropy);
    for (const TokenLogprob& a :
         TopAlternatives(candidates, static_cast<size_t>(request_->options.alternatives))) {
      record.alternatives.push_back(a.token);
      record.alternative_logprobs.push_back(static_cast<float>(a.logprob));
    }
    traced_.push_back(std::move(record));
  }
  return absl::OkStatus();
}

absl::StatusOr<Outcome> Session::Choose(const LogitRow& row, const FetchLogits& fetch) const {
  if (row.non_finite) {
    return absl::DataLossError(absl::StrCat("the model's logits after position ",
                                            tokens_.size() - 1, " hold a NaN or an infinity"));
  }
  RSN_ASSIGN_OR_RETURN(Outcome outcome, ChooseFrom(ToCandidates(row, model().config().vocab_size)));
  if (!outcome.draw.needs_full_row) return outcome;
  std::vector<float> logits;
  RSN_RETURN_IF_ERROR(fetch(&logits));
  return ChooseFrom(ReduceWholeRow(logits));
}

// The forced token, or a draw. Needs the full row where the candidates do not tell.
absl::StatusOr<Outcome> Session::ChooseFrom(Candidates candidates) const {
  const Request& r = *request_;
  Outcome outcome{.candidates = std::move(candidates)};
  if (r.forced.empty()) {
    RSN_ASSIGN_OR_RETURN(outcome.draw, Sample(outcome.candidates, r.options.chain,
                                              {.seed = r.options.chain.seed,
                                               .branch = static_cast<uint32_t>(r.branch),
                                               .position = tokens_.size()}));
  } else if (FindCandidate(outcome.candidates, r.forced.front().token)) {
    RSN_ASSIGN_OR_RETURN(outcome.draw, Describe(outcome.candidates, r.forced.front().token));
  } else {
    outcome.draw.needs_full_row = true;
  }
  return outcome;
}

Candidates Session::ReduceWholeRow(const std::vector<float>& logits) const {
  std::vector<Adjustment> adjustments;
  for (const LogitAdjustment& a : Adjustments()) {
    adjustments.push_back({.id = a.id, .scale = a.divisor, .add = a.add});
  }
  return ReduceRow(logits, adjustments, logits.size());
}

absl::StatusOr<Outcome> Session::ChooseAtPromptEnd() const {
  const PromptEnd& end = *request_->prompt_end;
  const std::vector<LogitAdjustment> now = Adjustments();
  const bool same = std::equal(now.begin(), now.end(), end.adjustments.begin(),
                               end.adjustments.end(), [](const auto& a, const auto& b) {
                                 return a.id == b.id && a.divisor == b.divisor && a.add == b.add;
                               });
  const auto fetch = [&](std::vector<float>* out) {
    *out = end.logits;
    return absl::OkStatus();
  };
  // With other penalties than when the row was reduced, the raw row is reduced again.
  RSN_ASSIGN_OR_RETURN(Outcome outcome, same || end.row.non_finite
                                            ? Choose(end.row, fetch)
                                            : ChooseFrom(ReduceWholeRow(end.logits)));
  outcome.routing = end.routing;
  return outcome;
}

void Session::TakeResult() {
  in_flight_ = false;
  Request& r = *request_;
  if (!work_.status.ok()) {
    const bool cancelled = absl::IsCancelled(work_.status);
    if (cancelled) Note(NoticeReason::kCancelled, "cancelled by the caller");
    Finish(cancelled ? DoneReason::kCancelled : DoneReason::kFailed,
           cancelled ? absl::OkStatus() : work_.status);
    return;
  }
  ++r.passes;
  for (TokenRecord& t : traced_) records_[static_cast<size_t>(t.position)] = std::move(t);
  traced_.clear();
  if (work_.wants_routing && !work_.routing.empty()) {
    if (outcome_) outcome_->routing = work_.routing.back();
  }
  KeepPromptEnd();
  if (outcome_) {
    AcceptOutcome(*std::exchange(outcome_, std::nullopt));
  } else if (r.prompt_done < r.prompt_length) {
    events_.push_back(ProgressEvent());
  }
}

// The logits at the end of the prompt, where the work that is done came to it.
void Session::KeepPromptEnd() {
  Request& r = *request_;
  r.prompt_done = std::min<int64_t>(r.prompt_length, pages_.length());
  if (!fresh_prompt_end_) return;
  if (work_.wants_routing && !work_.routing.empty()) {
    fresh_prompt_end_->routing = work_.routing.back();
  }
  r.prompt_end = std::exchange(fresh_prompt_end_, nullptr);
  r.last_token = Clock::now();
  r.prompt_seconds = std::chrono::duration<double>(r.last_token - r.begin).count();
}

// The logits are there: the next token is the forced one, or the one drawn.
void Session::AcceptOutcome(Outcome outcome) {
  Request& r = *request_;
  if (!r.forced.empty()) {
    const ForcedToken forced = r.forced.front();
    r.forced.pop_front();
    Push(forced.token, forced.source, outcome);
    return;
  }
  const int32_t token = outcome.draw.token;
  const bool ends = model().tokenizer().IsEndOfGeneration(token);
  if (r.narrative.InThinking() && (ends || r.narrative.Closes(token))) {
    if (!ApplyBudget(/*wants_close=*/true)) {
      ForgetComputed();  // the draw is dropped; the same logits are asked again for what is forced
      return;
    }
  }
  Push(token, Source::kSampled, outcome);
}

// Asks the policy; false when it changed what comes next.
bool Session::ApplyBudget(bool wants_close) {
  Request& r = *request_;
  if (!r.narrative.InThinking()) return true;
  const int64_t end = static_cast<int64_t>(tokens_.size());
  int64_t room = int64_t{context_length_} - end;
  DoneReason no_room = DoneReason::kContextFull;
  if (r.options.max_tokens != kUnset && r.prompt_length + r.options.max_tokens - end < room) {
    room = r.prompt_length + r.options.max_tokens - end;
    no_room = DoneReason::kLengthThinking;
  }
  // newline, tag and blank line
  const int64_t closing = 2 + static_cast<int64_t>(model().reasoning_tags()->close.size());
  const BudgetDecision decision = r.budget.Decide({.thinking_tokens = r.narrative.thinking_tokens(),
                                                   .room = room,
                                                   .closing_tokens = closing,
                                                   .at_step_boundary = r.narrative.AtStepBoundary(),
                                                   .wants_close = wants_close});
  switch (decision.notice) {
    case NoticeReason::kSoftBudget:
      Note(decision.notice, "the soft thinking budget is reached: the next step boundary ends it");
      break;
    case NoticeReason::kHardBudget:
      Note(decision.notice, "the hard thinking budget is reached");
      break;
    case NoticeReason::kAnswerReserve:
      Note(decision.notice, "the thinking ends here to keep room for the answer");
      break;
    case NoticeReason::kMinimum:
      Note(decision.notice, "a closing tag came before the minimum of thinking: it was replaced");
      break;
    default:
      break;
  }
  switch (decision.action) {
    case BudgetDecision::Action::kContinue:
      return true;
    case BudgetDecision::Action::kEndThinking:
      if (decision.reason == ThinkEndReason::kLength) {
        Finish(no_room);
      } else if (absl::Status status = ForceClose(decision.reason); !status.ok()) {
        Finish(DoneReason::kFailed, status);
      }
      return false;
    case BudgetDecision::Action::kSuppressClose: {
      auto tokens = model().tokenizer().Encode(r.options.continuation);
      if (!tokens.ok()) {
        Finish(DoneReason::kFailed, tokens.status());
      } else {
        Force(*tokens, Source::kForced);
      }
      return false;
    }
  }
  return true;
}

absl::Status Session::ForceClose(ThinkEndReason reason) {
  Request& r = *request_;
  RSN_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens,
                       ClosingTokens(model().tokenizer(), *model().reasoning_tags(),
                                     r.narrative.thinking_ends_line()));
  r.forced.clear();
  r.closing = reason;
  Force(tokens, Source::kForced);
  return absl::OkStatus();
}

void Session::Force(const std::vector<int32_t>& tokens, Source source) {
  for (int32_t token : tokens) request_->forced.push_back({.token = token, .source = source});
}

void Session::Push(int32_t token, Source source, const Outcome& outcome) {
  Request& r = *request_;
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - r.last_token).count();
  (r.narrative.InThinking() ? r.thinking_seconds : r.answer_seconds) += seconds;
  r.last_token = now;
  r.excluded.reset();  // it was for one place only

  TokenRecord record{.token = token,
                     .position = static_cast<int64_t>(tokens_.size()),
                     .microseconds = Microseconds(),
                     .source = source,
                     .branch = r.branch,
                     .rank = outcome.draw.rank,
                     .logprob = static_cast<float>(outcome.draw.logprob),
                     .entropy = static_cast<float>(outcome.candidates.entropy)};
  record.sampled_logprob =
      source == Source::kSampled ? static_cast<float>(outcome.draw.sampled_logprob) : 0.0f;
  for (const TokenLogprob& a :
       TopAlternatives(outcome.candidates, static_cast<size_t>(r.options.alternatives))) {
    record.alternatives.push_back(a.token);
    record.alternative_logprobs.push_back(static_cast<float>(a.logprob));
  }
  for (const RoutedRow& row : outcome.routing) {
    record.expert_layers.insert(record.expert_layers.end(), row.experts.size(),
                                static_cast<int32_t>(row.layer));
    record.experts.insert(record.experts.end(), row.experts.begin(), row.experts.end());
    record.expert_weights.insert(record.expert_weights.end(), row.weights.begin(),
                                 row.weights.end());
  }
  tokens_.push_back(token);
  records_.push_back(record);
  std::vector<NarrativeEvent> told;
  r.narrative.Push(std::move(record), &told);
  Tell(told);

  if (source == Source::kSampled && model().tokenizer().IsEndOfGeneration(token)) {
    Finish(r.narrative.InThinking() ? DoneReason::kUnclosed : DoneReason::kEnd);
  } else if (r.narrative.stopped()) {
    Finish(DoneReason::kStopString);
  }
}

void Session::Finish(DoneReason reason, absl::Status status) {
  Request& r = *request_;
  if (r.narrative.InThinking() && !r.closing) {
    const bool unclosed = reason == DoneReason::kUnclosed;
    const bool length = reason == DoneReason::kLengthThinking || reason == DoneReason::kContextFull;
    r.closing = unclosed ? ThinkEndReason::kEndOfText
                         : (length ? ThinkEndReason::kLength : ThinkEndReason::kCaller);
  }
  std::vector<NarrativeEvent> told;
  r.narrative.Finish(&told);
  Tell(told);
  // r.forced stays: a cancelled pass may still be reading it on the scheduler's thread.
  r.done = true;
  r.done_reason = reason;
  Event event = MakeEvent(EventKind::kDone);
  event.reason = static_cast<int32_t>(reason);
  event.text = status.ok() ? Answer(&event.step) : std::string(status.message());
  event.status = std::move(status);
  events_.push_back(std::move(event));
}

}  // namespace raison
