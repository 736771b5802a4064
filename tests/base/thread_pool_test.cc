#include "core/base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "core/base/cpu_features.h"

namespace raison {
namespace {

TEST(ThreadPoolTest, RunsEveryIndexOnce) {
  ThreadPool pool(3);
  for (uint32_t count : {0u, 1u, 2u, 3u, 17u, 1000u}) {
    std::vector<std::atomic<int>> hits(count);
    EXPECT_TRUE(pool.ParallelFor(count, [&](uint32_t i, uint32_t) { hits[i].fetch_add(1); }));
    for (uint32_t i = 0; i < count; ++i) EXPECT_EQ(hits[i].load(), 1) << i << " of " << count;
  }
}

TEST(ThreadPoolTest, ManyShortLoopsLoseNothing) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  constexpr int kLoops = 20000;
  for (int loop = 0; loop < kLoops; ++loop) {
    pool.ParallelFor(4, [&](uint32_t i, uint32_t) { sum.fetch_add(i); });
  }
  EXPECT_EQ(sum.load(), int64_t{kLoops} * 6);
}

// A worker that is late for one loop must not take an index of the next, longer one before it begins.
TEST(ThreadPoolTest, LoopsOfOtherLengthsLoseNothing) {
  ThreadPool pool(3);
  std::vector<std::atomic<uint32_t>> hits(9);
  for (uint32_t loop = 0; loop < 200000; ++loop) {
    const uint32_t count = 2 + loop * 5 % 8;
    pool.ParallelFor(count, [&](uint32_t i, uint32_t) { hits[i].fetch_add(1); });
    for (uint32_t i = 0; i < hits.size(); ++i) {
      ASSERT_EQ(hits[i].exchange(0), i < count ? 1u : 0u) << i << " in loop " << loop;
    }
  }
}

TEST(ThreadPoolTest, WorkerNumbersAreUniqueAtOneTime) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(pool.size());
  std::atomic<bool> clash{false};
  pool.ParallelFor(400, [&](uint32_t, uint32_t worker) {
    if (worker >= busy.size() || busy[worker].fetch_add(1) != 0) clash = true;
    std::this_thread::yield();
    if (worker < busy.size()) busy[worker].fetch_sub(1);
  });
  EXPECT_FALSE(clash.load());
}

TEST(ThreadPoolTest, NestedLoopRunsOnItsCaller) {
  ThreadPool pool(3);
  std::atomic<int> inner{0};
  pool.ParallelFor(8, [&](uint32_t, uint32_t worker) {
    pool.ParallelFor(5, [&](uint32_t, uint32_t inner_worker) {
      EXPECT_EQ(inner_worker, worker);
      inner.fetch_add(1);
    });
  });
  EXPECT_EQ(inner.load(), 40);
}

TEST(ThreadPoolTest, CallersFromSeveralThreadsWaitForEachOther) {
  ThreadPool pool(2);
  std::atomic<int> running{0};
  std::atomic<int> total{0};
  std::atomic<bool> mixed{false};
  const auto caller = [&] {
    for (int i = 0; i < 200; ++i) {
      std::atomic<int> mine{0};
      pool.ParallelFor(3, [&](uint32_t, uint32_t) {
        if (running.fetch_add(1) >= 2) mixed = true;  // more at once than the pool has threads
        mine.fetch_add(1);
        running.fetch_sub(1);
      });
      if (mine.load() != 3) mixed = true;
      total.fetch_add(mine.load());
    }
  };
  std::thread other(caller);
  caller();
  other.join();
  EXPECT_EQ(total.load(), 1200);
  EXPECT_FALSE(mixed.load());
}

TEST(ThreadPoolTest, ATaskThatThrowsIsReportedAndTheOthersRun) {
  for (uint32_t threads : {1u, 3u}) {
    ThreadPool pool(threads);
    std::atomic<int> ran{0};
    EXPECT_FALSE(pool.ParallelFor(10, [&](uint32_t i, uint32_t) {
      ran.fetch_add(1);
      if (i == 4) throw std::runtime_error("four");
    }));
    EXPECT_EQ(ran.load(), 10);
    EXPECT_TRUE(pool.ParallelFor(2, [](uint32_t, uint32_t) {}));
  }
}

double ProcessSeconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
         static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

TEST(ThreadPoolTest, AnIdlePoolUsesNoProcessorTime) {
  ThreadPool pool(4);
  pool.ParallelFor(16, [](uint32_t, uint32_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // time to fall asleep
  const double before = ProcessSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  // Three spinning workers would use up to 0.9 s; sleeping ones use microseconds.
  EXPECT_LT(ProcessSeconds() - before, 0.1);
  std::atomic<int> ran{0};
  pool.ParallelFor(16, [&](uint32_t, uint32_t) { ran.fetch_add(1); });
  EXPECT_EQ(ran.load(), 16);
}

// A fork() while a worker starts would take a lock of the sanitizer's runtime along, for good.
void WaitForEveryWorker(ThreadPool* pool) {
  std::atomic<uint32_t> here{0};
  pool->ParallelFor(pool->size(), [&](uint32_t, uint32_t) {
    here.fetch_add(1);
    while (here.load() != pool->size()) std::this_thread::yield();
  });
}

TEST(ThreadPoolTest, AChildAfterForkRunsOnItsOwnThread) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer allows no new threads in a child of a process with threads";
#endif
  ThreadPool pool(3);
  WaitForEveryWorker(&pool);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // a hang ends the child with a signal
    std::atomic<int> ran{0};
    pool.ParallelFor(8, [&](uint32_t, uint32_t) { ran.fetch_add(1); });
    {
      ThreadPool fresh(2);
      fresh.ParallelFor(8, [&](uint32_t, uint32_t) { ran.fetch_add(1); });
    }
    _exit(ran.load() == 16 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  std::atomic<int> ran{0};
  pool.ParallelFor(8, [&](uint32_t, uint32_t) { ran.fetch_add(1); });
  EXPECT_EQ(ran.load(), 8);
}

TEST(ThreadPoolTest, AnInheritedPoolIsDestroyedInTheChild) {
  auto pool = std::make_unique<ThreadPool>(3);
  WaitForEveryWorker(pool.get());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // now they sleep
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    pool.reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(CpuFeaturesTest, QuotaBecomesWholeCpus) {
  EXPECT_EQ(QuotaCpus("max 100000\n"), 0u);
  EXPECT_EQ(QuotaCpus("200000 100000\n"), 2u);
  EXPECT_EQ(QuotaCpus("350000 100000"), 3u);
  EXPECT_EQ(QuotaCpus("50000 100000"), 1u);
  EXPECT_EQ(QuotaCpus("-1\n 100000\n"), 0u);  // cgroup v1's "none"
  EXPECT_EQ(QuotaCpus(""), 0u);
  EXPECT_EQ(QuotaCpus("many 100000"), 0u);
  EXPECT_EQ(QuotaCpus("100000 0"), 0u);
}

TEST(CpuFeaturesTest, ThreadsFollowAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_GE(DefaultThreads(), 1u);
  EXPECT_LE(DefaultThreads(), static_cast<uint32_t>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(DefaultThreads(), 1u);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(CpuFeaturesTest, TheEnvironmentLowersTheLevelOnly) {
  const char* old = getenv("RAISON_CPU");
  const std::string saved = old != nullptr ? old : "";
  unsetenv("RAISON_CPU");
  const CpuLevel best = DetectCpuLevel();
  EXPECT_EQ(ChooseCpuLevel(), best);
  setenv("RAISON_CPU", "baseline", 1);
  EXPECT_EQ(ChooseCpuLevel(), CpuLevel::kBaseline);
  std::string warning;
  setenv("RAISON_CPU", "warp-drive", 1);
  EXPECT_EQ(ChooseCpuLevel(&warning), best);
  EXPECT_NE(warning.find("warp-drive"), std::string::npos);
  if (best == CpuLevel::kAvx512) {
    setenv("RAISON_CPU", "avx2", 1);
    EXPECT_EQ(ChooseCpuLevel(), CpuLevel::kAvx2);
  }
  if (best != CpuLevel::kNeon) {
    setenv("RAISON_CPU", "neon", 1);
    EXPECT_EQ(ChooseCpuLevel(), best);
  }
  if (old != nullptr) {
    setenv("RAISON_CPU", saved.c_str(), 1);
  } else {
    unsetenv("RAISON_CPU");
  }
}

}  // namespace
}  // namespace raison
