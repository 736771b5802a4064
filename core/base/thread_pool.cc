#include "core/base/thread_pool.h"

#include <chrono>
#include <system_error>

#include "core/base/cpu_features.h"
#include "core/base/os/process.h"

namespace raison {
namespace {

// The pool whose loop the current thread is inside of, and its worker number there.
struct Inside {
  const ThreadPool* pool = nullptr;
  uint32_t worker = 0;
};
thread_local Inside t_inside;

class ScopedInside {
 public:
  ScopedInside(const ThreadPool* pool, uint32_t worker) : saved_(t_inside) {
    t_inside = {pool, worker};
  }
  ~ScopedInside() { t_inside = saved_; }

 private:
  Inside saved_;
};

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 50-100 us of pauses on current CPUs (a pause takes 10-40 ns), then a few yields: longer than
// the gap between two loops of one pass, shorter than a scheduler tick.
constexpr int kSpins = 3000;
constexpr int kYields = 16;

}  // namespace

ThreadPool::ThreadPool(uint32_t threads) : workers_(std::make_unique<Workers>()) {
  fork_generation_ = ForkGeneration();
  size_ = threads != 0 ? threads : DefaultThreads();
  constexpr uint32_t kMost = 1024;  // more than any machine's threads; bounds a mistaken option
  if (size_ > kMost) size_ = kMost;
  workers_->threads.reserve(size_ - 1);
  for (uint32_t worker = 1; worker < size_; ++worker) {
    try {
      workers_->threads.emplace_back([this, worker] { WorkerMain(worker); });
    } catch (const std::system_error&) {
      size_ = worker;  // the system gives no more threads: go on with what there is
      break;
    }
  }
}

ThreadPool::~ThreadPool() {
  if (Forked()) {
    static_cast<void>(workers_.release());  // a few bytes are left behind
    return;
  }
  {
    std::lock_guard lock(workers_->mutex);
    stop_.store(true);
  }
  workers_->wake.notify_all();
  for (std::thread& t : workers_->threads) t.join();
}

bool ThreadPool::Forked() const { return fork_generation_ != ForkGeneration(); }

bool ThreadPool::RunInline(uint32_t count, Task task, void* arg, uint32_t worker) {
  bool ok = true;
  for (uint32_t i = 0; i < count; ++i) {
    try {
      task(arg, i, worker);
    } catch (...) {
      ok = false;
    }
  }
  return ok;
}

void ThreadPool::Work(uint32_t epoch, uint32_t worker) {
  uint32_t finished = 0;
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (static_cast<uint32_t>(ticket >> 32) == epoch) {
    const uint32_t left = static_cast<uint32_t>(ticket);
    if (left == 0) break;
    const uint32_t count = count_.load(std::memory_order_relaxed);
    const Task task = task_.load(std::memory_order_relaxed);
    void* const arg = arg_.load(std::memory_order_relaxed);
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    try {
      task(arg, count - left, worker);
    } catch (...) {
      failed_.store(true, std::memory_order_relaxed);
    }
    ++finished;
    ticket = ticket_.load(std::memory_order_acquire);
  }
  if (finished != 0) done_.fetch_add(finished, std::memory_order_acq_rel);
}

bool ThreadPool::ParallelFor(uint32_t count, Task task, void* arg) {
  if (count == 0) return true;
  if (t_inside.pool == this) return RunInline(count, task, arg, t_inside.worker);
  if (Forked()) return RunInline(count, task, arg, 0);
  std::lock_guard lock(caller_mutex_);
  ScopedInside inside(this, 0);
  if (size_ == 1 || count == 1) return RunInline(count, task, arg, 0);

  task_.store(task, std::memory_order_relaxed);
  arg_.store(arg, std::memory_order_relaxed);
  count_.store(count, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  const uint32_t epoch = static_cast<uint32_t>(ticket_.load() >> 32) + 1;
  // Sequentially consistent, as is the sleepers' side: either this thread sees a sleeper, or the
  // sleeper sees the new epoch before it sleeps.
  ticket_.store(static_cast<uint64_t>(epoch) << 32 | count);
  if (sleepers_.load() != 0) {
    { std::lock_guard sleep_lock(workers_->mutex); }
    workers_->wake.notify_all();
  }
  Work(epoch, 0);
  for (int spin = 0; done_.load(std::memory_order_acquire) != count; ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  return !failed_.load(std::memory_order_relaxed);
}

uint32_t ThreadPool::WaitForJob(uint32_t seen) {
  const auto epoch = [this] { return static_cast<uint32_t>(ticket_.load() >> 32); };
  for (int i = 0; i < kSpins; ++i) {
    if (const uint32_t now = epoch(); now != seen) return now;
    if (stop_.load(std::memory_order_relaxed)) return seen;
    Pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (const uint32_t now = epoch(); now != seen) return now;
    std::this_thread::yield();
  }
  std::unique_lock lock(workers_->mutex);
  sleepers_.fetch_add(1);
  workers_->wake.wait(lock, [&] { return epoch() != seen || stop_.load(); });
  sleepers_.fetch_sub(1);
  return epoch();
}

void ThreadPool::WorkerMain(uint32_t worker) {
  ScopedInside inside(this, worker);
  uint32_t seen = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    const uint32_t now = WaitForJob(seen);
    if (now == seen) continue;  // stop
    seen = now;
    Work(now, worker);
  }
}

}  // namespace raison
