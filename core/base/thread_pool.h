// A fork-join pool for short parallel loops. Owns its workers; the caller of ParallelFor is one of
// them. Between loops workers spin for some tens of microseconds (a loop of the same pass usually
// follows at once), then yield, then sleep, so that an idle program burns no core. Refuses nothing:
// a nested call, a pool of one and a call in a child after fork() run the loop on the caller.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/os/condition_variable.h"

namespace raison {

class ThreadPool {
 public:
  using Task = void (*)(void* arg, uint32_t index, uint32_t worker);

  // threads counts the caller; 0 means DefaultThreads().
  explicit ThreadPool(uint32_t threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t size() const { return size_; }

  // Calls task(arg, index, worker) for every index in [0, count) and returns when all are done.
  // worker < size() is unique among the tasks running at one time. Calls from several threads wait
  // for each other. A task that throws is caught; the result is then false (the other indices run).
  bool ParallelFor(uint32_t count, Task task, void* arg);

  // The same for a callable f(index, worker).
  template <typename F>
  bool ParallelFor(uint32_t count, F&& f) {
    return ParallelFor(
        count,
        [](void* arg, uint32_t index, uint32_t worker) {
          (*static_cast<std::remove_reference_t<F>*>(arg))(index, worker);
        },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  bool RunInline(uint32_t count, Task task, void* arg, uint32_t worker);
  // Claims and runs indices of job `epoch` until none is left.
  void Work(uint32_t epoch, uint32_t worker);
  void WorkerMain(uint32_t worker);
  // Returns the next epoch after `seen`, or `seen` when the pool stops.
  uint32_t WaitForJob(uint32_t seen);
  bool Forked() const;

  uint32_t size_ = 1;
  uint32_t fork_generation_ = 0;
  std::mutex caller_mutex_;  // one loop at a time

  // The job. ticket_ = epoch << 32 | indices left: a claim by compare-and-swap takes one that is
  // left, which proves that the fields read before belong to that epoch, because a job with an
  // unclaimed index cannot end. (With the next index in its place the end would have to be read
  // from count_, which may already be the following job's.)
  alignas(64) std::atomic<uint64_t> ticket_{0};
  std::atomic<Task> task_{nullptr};
  std::atomic<void*> arg_{nullptr};
  std::atomic<uint32_t> count_{0};
  alignas(64) std::atomic<uint32_t> done_{0};
  std::atomic<bool> failed_{false};

  // What a child after fork() must not destroy: its threads did not come along, and a condition
  // variable's end waits for those that sleep in it.
  struct Workers {
    std::mutex mutex;
    std::condition_variable wake;
    std::vector<std::thread> threads;
  };

  alignas(64) std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::unique_ptr<Workers> workers_;
};

}  // namespace raison
