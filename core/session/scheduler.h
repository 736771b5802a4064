// Who steps in which pass. One thread of its own runs the passes of one model: a pass takes every
// piece of work that is waiting when it starts and never waits for more. Sessions are seen only as
// Work: tokens to put through the model and what to do with the logits of the last one.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/os/condition_variable.h"
#include "core/model/model.h"

namespace raison {

// One session's wish for one pass. Owned by the session, which leaves it alone until it is done.
struct Work {
  // Gives a whole raw row (vocabulary), counted among the rows that this work wanted.
  using FetchRow = std::function<absl::Status(uint32_t row, std::vector<float>*)>;

  std::vector<int32_t> tokens;  // consecutive, the first at position pages->length()
  PageTable* pages = nullptr;   // extended when the pass begins; unchanged after a failure
  uint32_t logit_rows = 0;      // how many of the last tokens want logits
  std::vector<LogitAdjustment> adjustments;     // of the last row
  bool wants_routing = false;
  const std::atomic<bool>* cancelled = nullptr;
  uint32_t length_before = 0;  // of the pages, kept by the scheduler
  // Called on the scheduler's thread before the next pass, with one row per wanted token.
  std::function<absl::Status(std::vector<LogitRow>&, const FetchRow&)> on_logits;

  // Results, valid when done.
  bool done = true;
  absl::Status status;
  std::vector<std::vector<RoutedRow>> routing;  // per token
};

class Scheduler {
 public:
  static absl::StatusOr<std::shared_ptr<Scheduler>> Create(std::shared_ptr<Model> model);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  const std::shared_ptr<Model>& model() const { return model_; }
  KvCache& cache() { return *cache_; }

  // Hands over all of it at once: a pass that takes one takes all that fit.
  void Submit(absl::Span<Work* const> work);
  using Clock = std::chrono::steady_clock;
  // Waits until one of them is done (or `wake` says so) or the deadline has passed.
  void WaitAny(absl::Span<Work* const> work, const std::function<bool()>& wake,
               Clock::time_point deadline);
  void WaitDone(const Work& work);
  bool IsDone(const Work& work);
  // Makes waiters look again (after a cancellation).
  void Wake();

  uint64_t passes() const { return passes_.load(std::memory_order_relaxed); }
  uint64_t replayed_passes() const { return replayed_.load(std::memory_order_relaxed); }

 private:
  Scheduler() = default;
  void RunPasses(std::vector<Work*> batch);  // empty, with room for the largest
  void TakeBatch(std::vector<Work*>* batch);  // with the lock held; allocates nothing
  void RunPass(absl::Span<Work* const> batch);
  static bool IsCancelled(const Work& work);
  static void ForgetPages(Work& work);

  std::shared_ptr<Model> model_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Transformer> transformer_;

  std::mutex mutex_;
  std::condition_variable work_waits_, work_done_;
  std::deque<Work*> waiting_;
  bool closing_ = false;
  std::atomic<uint64_t> passes_{0}, replayed_{0};
  std::thread thread_;
};

}  // namespace raison
