#include "samples/cli/copy_rate.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "core/backend/device.h"
#include "core/backend/queue.h"

namespace raison::cli {
namespace {

constexpr uint64_t kBytes = uint64_t{4} << 30;  // one half is copied to the other
constexpr int64_t kPageTokens = 64, kPageWidth = 1024;
constexpr int64_t kPageBytes = kPageTokens * kPageWidth * 4;
constexpr int kRuns = 4;

absl::StatusOr<double> Measure(const std::string& name, const DeviceOptions& options) {
  RSN_ASSIGN_OR_RETURN(const std::shared_ptr<Device> device, Device::Open(name, options));
  const uint64_t free = device->Info().memory_free;
  const uint64_t bytes = free == 0 ? kBytes : std::min(kBytes, free / 2);
  const int64_t half = std::max<int64_t>(1, static_cast<int64_t>(bytes) / kPageBytes / 2);
  std::vector<int32_t> pages(static_cast<size_t>(2 * half));
  std::iota(pages.begin(), pages.end(), 0);

  RSN_ASSIGN_OR_RETURN(Buffer memory,
                       device->NewBuffer(static_cast<uint64_t>(2 * half * kPageBytes)));
  RSN_ASSIGN_OR_RETURN(Buffer numbers, device->NewBuffer(pages.size() * sizeof(int32_t)));
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<Queue> queue, Queue::Create(device));
  queue->Upload(numbers, 0, pages.data(), pages.size() * sizeof(int32_t));
  rsn_kv_copy_page copy{};
  copy.struct_size = sizeof copy;
  copy.cache = memory.View(DType::kF32, {2 * half, 1, kPageTokens, kPageWidth});
  copy.from = numbers.View(DType::kI32, {half});
  copy.to = numbers.View(DType::kI32, {half}, static_cast<uint64_t>(half) * sizeof(int32_t));
  double best = 0;
  for (int run = 0; run <= kRuns; ++run) {  // the first one touches the pages
    RSN_RETURN_IF_ERROR(queue->Synchronize());
    const auto begin = std::chrono::steady_clock::now();
    queue->KvCopyPage(copy);
    RSN_RETURN_IF_ERROR(queue->Synchronize());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    if (run > 0) best = std::max(best, 2.0 * static_cast<double>(half * kPageBytes) / seconds.count());
  }
  return best;
}

}  // namespace

double CopyRate(const std::string& device, const std::string& backend_path, uint32_t threads) {
  const auto rate = Measure(device, {.threads = threads, .backend_path = backend_path, .log = {}});
  return rate.ok() ? *rate : 0;
}

}  // namespace raison::cli
