#include "core/base/os/process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

namespace raison {
namespace {

std::atomic<uint32_t> g_fork_generation{0};

}  // namespace

int64_t ProcessNumber() { return getpid(); }

uint32_t ForkGeneration() {
  static const bool once = [] {
    pthread_atfork(nullptr, nullptr, [] { g_fork_generation.fetch_add(1); });
    return true;
  }();
  (void)once;
  return g_fork_generation.load();
}

std::tm LocalTime(std::time_t time) {
  std::tm local = {};
  localtime_r(&time, &local);
  return local;
}

}  // namespace raison
