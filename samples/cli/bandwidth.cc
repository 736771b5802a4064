#include "samples/cli/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace raison::cli {
namespace {

constexpr int kPasses = 4;

// Eight sums side by side: the additions must not be what is measured.
uint64_t Sum(const uint64_t* from, size_t count) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 8 <= count; i += 8) {
    for (size_t k = 0; k < 8; ++k) sums[k] += from[i + k];
  }
  uint64_t sum = 0;
  for (uint64_t part : sums) sum += part;
  return sum;
}

}  // namespace

double ReadBandwidth(uint32_t threads, uint64_t bytes) {
  const size_t part = static_cast<size_t>(bytes / sizeof(uint64_t) / threads);
  const std::unique_ptr<uint64_t[]> memory(new uint64_t[part * threads]);
  std::fill_n(memory.get(), part * threads, uint64_t{1});  // real pages
  std::atomic<uint64_t> total{0};
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> readers;
    for (uint32_t t = 0; t < threads; ++t) {
      readers.emplace_back([&, t] { total += Sum(memory.get() + t * part, part); });
    }
    for (std::thread& reader : readers) reader.join();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(part * threads * sizeof(uint64_t)) / seconds.count());
  }
  // The sum is used, so that the reads happen.
  return total == 0 ? 0 : best;
}

uint64_t AvailableMemory() {
  std::ifstream in("/proc/meminfo");
  for (std::string name, rest; in >> name && std::getline(in, rest);) {
    if (name == "MemAvailable:") return std::strtoull(rest.c_str(), nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace raison::cli
