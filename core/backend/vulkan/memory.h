// Device memory: large blocks, each one VkBuffer with its address, from which buffers are cut; what
// is larger than a share of a block gets one of its own. Where the host can see the device's memory
// (software, integrated, cards with a resizable BAR) blocks are mapped and written in place, unless
// RAISON_VULKAN_STAGING=1. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/backend/vulkan/api.h"
#include "core/backend/vulkan/instance.h"

namespace raison::vulkan {

enum class MemoryKind {
  kDevice,   // weights, caches, activations
  kStaging,  // written or read by the host, always mapped
};

// A run of bytes of a block; given back by Memory::Free.
struct Allocation {
  uint32_t block = 0;
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t offset = 0;   // in `buffer`
  uint64_t size = 0;     // padded
  uint64_t address = 0;  // on the device
  std::byte* mapped = nullptr;
};

// The heap that device memory comes from: of a card, not the window that the host sees.
uint32_t HeapOfBuffers(const PhysicalDevice& physical);
// Bytes of the largest buffer: what the device allocates at once, or RAISON_VULKAN_ALLOCATION bytes
// where that is less, without what is added to it.
uint64_t LargestBuffer(const PhysicalDevice& physical);

class Memory {
 public:
  Memory(const PhysicalDevice& physical, const DeviceApi& api, VkDevice device);
  ~Memory();  // everything must be free
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  absl::StatusOr<Allocation> Allocate(MemoryKind kind, uint64_t bytes);
  void Free(const Allocation& allocation);
  uint64_t largest() const { return largest_; }  // bytes of a block
  // The host may read device memory in place at full speed.
  bool readable_in_place() const { return device_cached_.load(); }

 private:
  struct Block {
    MemoryKind kind;
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    uint64_t size = 0, address = 0;
    std::byte* mapped = nullptr;
    bool whole = false;                  // made for one allocation
    std::map<uint64_t, uint64_t> holes;  // offset -> size
  };
  absl::StatusOr<Block> NewBlock(MemoryKind kind, uint64_t size);
  void Release(Block& block);

  const PhysicalDevice& physical_;
  const DeviceApi& api_;
  VkDevice device_;
  const bool device_mapped_;
  const uint64_t largest_;  // bytes of a block
  std::atomic<bool> device_cached_{false};
  std::mutex mutex_;
  std::vector<Block> blocks_;  // guarded; empty places are used again
};

}  // namespace raison::vulkan
