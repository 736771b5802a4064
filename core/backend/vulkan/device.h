// One opened VkDevice: its memory, pipelines and hardware queue, the buffers made on it, and what
// was freed while the device could still be using it. Opened any number of times; every use from
// any thread. A lost device answers every later call with its sentence.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/backend/reference/view.h"
#include "core/backend/vulkan/api.h"
#include "core/backend/vulkan/instance.h"
#include "core/backend/vulkan/memory.h"
#include "core/backend/vulkan/pipelines.h"
#include "raison/backend.h"

namespace raison::vulkan {

class Device;
class Queue;

// What an rsn_buffer is. `data` of the base is the device's address, for checks of bounds and
// alignment only: the host never follows it.
struct Buffer : reference::Memory {
  Device* device = nullptr;
  Allocation memory;

  uint64_t address() const { return memory.address; }
};
inline Buffer& BufferOf(rsn_buffer* buffer) {
  return static_cast<Buffer&>(*reference::MemoryOf(buffer));
}

// Where a queue stands: value n of the semaphore means that its n-th submission is done.
struct Timeline {
  Device* device = nullptr;
  VkSemaphore semaphore = VK_NULL_HANDLE;
  std::atomic<uint64_t> enqueued{0};  // the submission that ends everything enqueued so far
  std::atomic<bool> gone{false};      // its queue is freed: nothing of it runs
  bool Reached(uint64_t value) const;
  ~Timeline();
};

class Device {
 public:
  static absl::StatusOr<std::unique_ptr<Device>> Open(const rsn_backend_host& host, uint32_t index);
  ~Device();  // buffers and queues must be free
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceApi& api() const { return api_; }
  VkDevice handle() const { return handle_; }
  const PhysicalDevice& physical() const { return physical_; }
  const Features& features() const { return features_; }
  Instance& instance() const { return instance_; }
  Memory& memory() { return *memory_; }
  Pipelines& pipelines() { return *pipelines_; }
  void Log(uint32_t level, const std::string& text) const;

  // Zeroed unless `raw`.
  absl::StatusOr<Buffer*> NewBuffer(uint64_t bytes, bool raw = false);
  // The memory is given back when every queue has passed what it had been given until now.
  void FreeBuffer(Buffer* buffer);
  // In slices; the host hears which bytes were read and may give up (kCancelled).
  absl::Status Fill(Buffer& buffer, const void* bytes, uint64_t size);
  // Writes the first `size` bytes again and again until the buffer's end.
  absl::Status Repeat(Buffer& buffer, uint64_t size);
  // Gives back what is no longer in use.
  void Collect();

  absl::StatusOr<std::shared_ptr<Timeline>> NewTimeline();
  absl::Status Submit(const VkSubmitInfo& info);
  absl::Status Wait(const Timeline& timeline, uint64_t value);
  // Keeps the loss of the device, or passes the error on.
  absl::Status Failed(std::string_view what, VkResult result);
  absl::Status Check(std::string_view what, VkResult result) {
    return result == VK_SUCCESS ? absl::OkStatus() : Failed(what, result);
  }
  absl::Status LostStatus() const;
  bool lost() const { return lost_.load(); }

 private:
  Device(Instance& instance, const PhysicalDevice& physical)
      : instance_(instance), physical_(physical) {}
  absl::Status Create(const rsn_backend_host& host);
  absl::Status Zero(Buffer& buffer);

  struct Freed {
    Allocation memory;
    std::vector<std::pair<std::shared_ptr<Timeline>, uint64_t>> users;
  };

  Instance& instance_;
  const PhysicalDevice& physical_;
  rsn_backend_host host_ = {};
  Features features_;
  VkDevice handle_ = VK_NULL_HANDLE;
  DeviceApi api_;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::mutex submit_mutex_;  // guards queue_
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<Pipelines> pipelines_;
  std::atomic<bool> lost_{false};
  std::mutex use_mutex_;  // guards the two below
  std::vector<std::shared_ptr<Timeline>> timelines_;
  std::vector<Freed> freed_;
  std::mutex transfer_mutex_;        // guards transfer_
  std::unique_ptr<Queue> transfer_;  // zeroes buffers and uploads weights
};

}  // namespace raison::vulkan
