#include "core/session/scheduler.h"

#include <algorithm>
#include <exception>

namespace raison {

absl::StatusOr<std::shared_ptr<Scheduler>> Scheduler::Create(std::shared_ptr<Model> model) {
  auto scheduler = std::shared_ptr<Scheduler>(new Scheduler);
  scheduler->model_ = std::move(model);
  RSN_ASSIGN_OR_RETURN(scheduler->cache_, scheduler->model_->NewKvCache());
  RSN_ASSIGN_OR_RETURN(scheduler->transformer_,
                       scheduler->model_->NewTransformer(scheduler->cache_.get()));
  try {
    std::vector<Work*> batch;
    batch.reserve(scheduler->transformer_->limits().sequences);
    scheduler->thread_ = std::thread([s = scheduler.get(), batch = std::move(batch)]() mutable {
      s->RunPasses(std::move(batch));
    });
  } catch (const std::exception& e) {
    return absl::ResourceExhaustedError(absl::StrCat("no thread for the model: ", e.what()));
  }
  return scheduler;
}

Scheduler::~Scheduler() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_waits_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Scheduler::Submit(absl::Span<Work* const> work) {
  {
    std::lock_guard lock(mutex_);
    for (Work* w : work) {
      w->done = false;
      w->status = absl::OkStatus();
      waiting_.push_back(w);
    }
  }
  work_waits_.notify_one();
}

void Scheduler::WaitAny(absl::Span<Work* const> work, const std::function<bool()>& wake,
                        Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  work_done_.wait_until(lock, deadline, [&] {
    return wake() || std::any_of(work.begin(), work.end(), [](const Work* w) { return w->done; });
  });
}

void Scheduler::WaitDone(const Work& work) {
  std::unique_lock lock(mutex_);
  work_done_.wait(lock, [&] { return work.done; });
}

bool Scheduler::IsDone(const Work& work) {
  std::lock_guard lock(mutex_);
  return work.done;
}

void Scheduler::Wake() {
  { std::lock_guard lock(mutex_); }  // a waiter is either before its look or in its wait
  work_done_.notify_all();
}

bool Scheduler::IsCancelled(const Work& work) {
  return work.cancelled != nullptr && work.cancelled->load(std::memory_order_relaxed);
}

void Scheduler::TakeBatch(std::vector<Work*>* taken) {
  const StepLimits& limits = transformer_->limits();
  std::vector<Work*>& batch = *taken;
  batch.clear();
  uint64_t rows = 0, logit_rows = 0, pages = 0, adjustments = 0;
  // In order of arrival; what does not fit stays at the front for the next pass.
  for (auto it = waiting_.begin(); it != waiting_.end() && batch.size() < limits.sequences;) {
    Work* w = *it;
    const uint64_t length = w->pages->length() + w->tokens.size();
    const uint64_t more_pages = (length + kPageTokens - 1) / kPageTokens;
    const bool fits = rows + w->tokens.size() <= limits.rows &&
                      logit_rows + w->logit_rows <= limits.logit_rows &&
                      pages + more_pages <= limits.pages &&
                      adjustments + w->adjustments.size() <= limits.adjustments;
    if (!fits && !batch.empty()) {
      ++it;
      continue;
    }
    rows += w->tokens.size();
    logit_rows += w->logit_rows;
    pages += more_pages;
    adjustments += w->adjustments.size();
    batch.push_back(w);
    it = waiting_.erase(it);
  }
}

void Scheduler::RunPasses(std::vector<Work*> batch) {
  std::unique_lock lock(mutex_);
  while (true) {
    work_waits_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;  // closing
    TakeBatch(&batch);
    lock.unlock();
    try {
      RunPass(batch);
    } catch (const std::exception& e) {  // bad_alloc: nothing of ours throws
      for (Work* w : batch) {
        w->status = absl::ResourceExhaustedError(e.what());
        ForgetPages(*w);
      }
    }
    lock.lock();
    for (Work* w : batch) w->done = true;
    work_done_.notify_all();
  }
}

// A page that was to be copied may not have been: forgets all of the page that the work began in.
void Scheduler::ForgetPages(Work& work) {
  if (work.pages->length() > work.length_before) {
    work.pages->Truncate(work.length_before / kPageTokens * kPageTokens);
  }
}

void Scheduler::RunPass(absl::Span<Work* const> batch) {
  Step step;
  std::vector<Work*> running;
  for (Work* w : batch) {
    w->length_before = w->pages->length();
    if (IsCancelled(*w)) {
      w->status = absl::CancelledError("cancelled");
      continue;
    }
    // A session that gets no page fails here, before the pass, and keeps its state.
    w->status = w->pages->Extend(static_cast<uint32_t>(w->tokens.size()), &step.copies);
    if (!w->status.ok()) continue;
    step.sequences.push_back({.tokens = w->tokens,
                              .pages = w->pages,
                              .logit_rows = w->logit_rows,
                              .adjustments = w->adjustments});
    step.reads_routing |= w->wants_routing;
    running.push_back(w);
  }
  if (running.empty()) return;

  passes_.fetch_add(1, std::memory_order_relaxed);
  std::vector<LogitRow> rows;
  const auto stop = [&running] {
    return std::all_of(running.begin(), running.end(),
                       [](const Work* w) { return IsCancelled(*w); });
  };
  const absl::Status status = transformer_->Run(step, stop, &rows);
  replayed_.store(transformer_->replayed(), std::memory_order_relaxed);

  uint32_t row = 0, logit = 0;
  for (Work* w : running) {
    const uint32_t n = static_cast<uint32_t>(w->tokens.size());
    w->status = status;
    if (w->status.ok() && w->wants_routing) {
      w->routing = transformer_->Routing(row, n);
    }
    if (w->status.ok() && w->logit_rows > 0) {
      std::vector<LogitRow> own(std::make_move_iterator(rows.begin() + logit),
                                std::make_move_iterator(rows.begin() + logit + w->logit_rows));
      const auto fetch = [this, logit](uint32_t own_row, std::vector<float>* out) {
        return transformer_->FetchLogits(logit + own_row, out);
      };
      w->status = w->on_logits(own, fetch);
    }
    if (!w->status.ok()) ForgetPages(*w);
    row += n;
    logit += w->logit_rows;
  }
}

}  // namespace raison
