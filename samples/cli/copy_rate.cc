#include "samples/cli/copy_rate.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "core/backend/device.h"
#include "core/backend/queue.h"
#include "samples/cli/commands.h"

namespace raison::cli {
namespace {

constexpr uint64_t kBytes = uint64_t{4} << 30;         // read and written, half each
constexpr uint64_t kLeastBytes = uint64_t{512} << 20;  // of the buffer: no cache holds it
constexpr int64_t kPageTokens = 64, kPageWidth = 1024;
constexpr int64_t kPageBytes = kPageTokens * kPageWidth * 4;
constexpr int kRuns = 4;
constexpr double kSeconds = 2;  // after which no further run begins

// One half of a buffer is copied to the other, as often as it takes to read and write kBytes.
absl::StatusOr<double> Measure(const std::string& name, const DeviceOptions& options) {
  RSN_ASSIGN_OR_RETURN(const std::shared_ptr<Device> device, Device::Open(name, options));
  const rsn_device_info info = device->Info();
  uint64_t bytes = kBytes;
  if (info.memory_free != 0) bytes = std::min(bytes, info.memory_free / 2);
  if (info.largest_buffer != 0) bytes = std::min(bytes, info.largest_buffer);
  const int64_t half = static_cast<int64_t>(bytes) / kPageBytes / 2, size = 2 * half * kPageBytes;
  if (static_cast<uint64_t>(size) < kLeastBytes) {
    return absl::ResourceExhaustedError("too little memory is free");
  }
  const int64_t times = (static_cast<int64_t>(kBytes) + size - 1) / size;
  std::vector<int32_t> pages(static_cast<size_t>(2 * half));
  std::iota(pages.begin(), pages.end(), 0);

  RSN_ASSIGN_OR_RETURN(Buffer memory, device->NewBuffer(static_cast<uint64_t>(size)));
  RSN_ASSIGN_OR_RETURN(Buffer numbers, device->NewBuffer(pages.size() * sizeof(int32_t)));
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<Queue> queue, Queue::Create(device));
  queue->Upload(numbers, 0, pages.data(), pages.size() * sizeof(int32_t));
  rsn_kv_copy_page copy{};
  copy.struct_size = sizeof copy;
  copy.cache = memory.View(DType::kF32, {2 * half, 1, kPageTokens, kPageWidth});
  copy.from = numbers.View(DType::kI32, {half});
  copy.to = numbers.View(DType::kI32, {half}, static_cast<uint64_t>(half) * sizeof(int32_t));
  queue->KvCopyPage(copy);  // touches the pages
  RSN_RETURN_IF_ERROR(queue->Synchronize());
  double best = 0, spent = 0;
  for (int run = 0; run < kRuns && spent < kSeconds; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < times; ++i) queue->KvCopyPage(copy);
    RSN_RETURN_IF_ERROR(queue->Synchronize());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(times * size) / seconds.count());
    spent += seconds.count();
  }
  return best;
}

}  // namespace

double CopyRate(const std::string& device, const std::string& backend_path, uint32_t threads) {
  // The static core in here would seek plug-ins beside this program, not beside the library.
  const std::string path = backend_path.empty() ? FolderOfLibrary() : backend_path;
  const auto rate = Measure(device, {.threads = threads, .backend_path = path, .log = {}});
  return rate.ok() ? *rate : 0;
}

}  // namespace raison::cli
