// One timeline: tokens, their pages, their records and the request that runs on it. Used by one
// thread at a time; only Cancel may be called from another. Several sessions of one scheduler share
// its passes, from many threads or from one (NextOfMany).
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/reasoning/step_stats.h"
#include "core/session/event.h"
#include "core/session/request.h"
#include "core/session/scheduler.h"

namespace raison {

class Session {
 public:
  // context_length 0: the model's. Errors: above the model's own limit.
  static absl::StatusOr<std::unique_ptr<Session>> Create(std::shared_ptr<Scheduler> scheduler,
                                                         uint32_t context_length);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Starts a request; see rsn_session_prompt. On an error the session is as it was.
  absl::Status Prompt(const std::vector<Message>& messages, const GenerateOptions& options);
  absl::Status PromptText(std::string_view text, const EncodeOptions& encode,
                          const GenerateOptions& options);

  // The next event of the running request. A failure of the work is a kDone event that carries it.
  absl::StatusOr<Event> Next();
  // One event of sessions[*which]; kNone with *which = size when no request is running.
  static absl::StatusOr<Event> NextOfMany(absl::Span<Session* const> sessions, size_t* which);

  absl::Status EndThinking();
  absl::Status Stop();
  absl::Status Inject(std::string_view text);
  absl::Status Rewind(int64_t position, const std::optional<GenerateOptions>& options);
  absl::StatusOr<std::unique_ptr<Session>> Fork(const std::optional<GenerateOptions>& options);
  void Cancel();  // from any thread

  // Getters: valid between two calls.
  const std::shared_ptr<Scheduler>& scheduler() const { return scheduler_; }
  const Model& model() const { return *scheduler_->model(); }
  uint32_t context_length() const { return context_length_; }
  // One past the last token whose event has been taken.
  int64_t position() const { return DeliveredEnd(); }
  bool has_request() const { return request_.has_value(); }
  // Until kDone has been taken.
  bool running() const { return active() || !events_.empty(); }
  const ResolvedOptions* options() const { return request_ ? &request_->options : nullptr; }
  const std::vector<TokenRecord>& records() const { return records_; }  // (position() or more)
  // Those whose beginning has been told; discarded ones included.
  absl::Span<const StepRecord> steps() const;
  std::string ChannelText(Channel channel) const;
  // The final answer as far as it is known, and the index of the first live step that states it.
  std::string Answer(int32_t* step) const;
  Usage GetUsage() const;
  absl::StatusOr<std::vector<float>> Logits();
  uint32_t kv_pages() const { return static_cast<uint32_t>(pages_.pages().size()); }

 private:
  using Clock = Scheduler::Clock;

  Session(std::shared_ptr<Scheduler> scheduler, uint32_t context_length);
  absl::Status Start(std::vector<int32_t> tokens, ThinkState start, ResolvedOptions options);

  // The pull loop (session_loop.cc).
  bool PrepareWork();  // false: the request moved without a pass
  void PrepareTokens(uint32_t from);
  absl::Status OnLogits(std::vector<LogitRow>& rows, const Work::FetchRow& fetch);
  absl::Status TracePrompt(const std::vector<LogitRow>& rows, const Work::FetchRow& fetch);
  using FetchLogits = std::function<absl::Status(std::vector<float>*)>;
  absl::StatusOr<Outcome> Choose(const LogitRow& row, const FetchLogits& fetch) const;
  absl::StatusOr<Outcome> ChooseFrom(Candidates candidates) const;
  absl::StatusOr<Outcome> ChooseAtPromptEnd() const;
  Candidates ReduceWholeRow(const std::vector<float>& logits) const;
  std::vector<LogitAdjustment> Adjustments() const;
  void TakeResult();
  void AcceptOutcome(Outcome outcome);
  void Push(int32_t token, Source source, const Outcome& outcome);
  bool ApplyBudget(bool wants_close);  // false: the request has ended or something is forced now
  absl::Status ForceClose(ThinkEndReason reason);
  void Force(const std::vector<int32_t>& tokens, Source source);
  void Finish(DoneReason reason, absl::Status status = absl::OkStatus());
  Event Pop();
  void KeepPromptEnd();

  // Telling (session_events.cc).
  void Apply(const NarrativeEvent& told);
  void Tell(const std::vector<NarrativeEvent>& told);
  void Enqueue(Event event);
  Event ToEvent(const NarrativeEvent& told) const;
  Event MakeEvent(EventKind kind) const;
  Event ProgressEvent() const;
  void Note(NoticeReason notice, std::string text);
  void BeginStep();
  void EndStep(StepRecord& step);

  // Steering (session_steering.cc).
  absl::Status BeginSteering();
  absl::Status ContinueWith(int64_t position, const std::optional<GenerateOptions>& options);
  void Settle();
  void ForgetComputed();
  struct Pending {
    std::deque<ForcedToken> forced;
    std::optional<ThinkEndReason> closing;
  };
  Pending PendingFrom(int64_t position) const;
  void DropUndelivered();
  void Replay(int64_t position);
  int64_t DeliveredEnd() const;
  bool active() const { return request_.has_value() && !request_->done; }
  bool CancelRequested() const { return cancelled_.load(std::memory_order_relaxed); }
  int64_t Microseconds() const;

  std::shared_ptr<Scheduler> scheduler_;
  uint32_t context_length_;
  std::shared_ptr<std::atomic<int32_t>> branches_;  // the family's last branch number
  std::shared_ptr<std::atomic<int64_t>> step_ids_;  // the family's next step id

  // The timeline.
  std::vector<int32_t> tokens_;
  std::vector<TokenRecord> records_;  // (tokens)
  PageTable pages_;                   // of the tokens processed: all but the newest

  std::optional<Request> request_;
  std::vector<StepRecord> steps_;         // of the request, discarded ones included
  std::vector<StepAccumulator> numbers_;  // (steps)
  std::vector<int32_t> live_steps_;       // indexes into steps_, in order
  std::deque<Event> events_;              // told and not yet taken

  // Written on the scheduler's thread while work is under way, read when it is done.
  Work work_;
  std::optional<Outcome> outcome_;
  std::shared_ptr<PromptEnd> fresh_prompt_end_;
  std::vector<TokenRecord> traced_;  // records of prompt tokens
  std::vector<float> full_logits_;   // (vocabulary), when keep_logits_
  bool keep_logits_ = false;
  bool in_flight_ = false;
  std::atomic<bool> cancelled_{false};
};

}  // namespace raison
