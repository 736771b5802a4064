// Device memory: large blocks, each one VkBuffer with its address, from which buffers are cut; what
// is larger than a share of a block gets one of its own. Where the host can see the device's memory
// (software, integrated, cards with a resizable BAR) blocks are mapped and written in place, unless
// RAISON_VULKAN_STAGING=1. Thread-safe.
#pragma once

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

class Memory {
 public:
  Memory(const PhysicalDevice& physical, const DeviceApi& api, VkDevice device);
  ~Memory();  // everything must be free
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  absl::StatusOr<Allocation> Allocate(MemoryKind kind, uint64_t bytes);
  void Free(const Allocation& allocation);
  // The host may read device memory in place at full speed.
  bool readable_in_place() const { return device_cached_; }

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
  uint32_t FindType(VkMemoryPropertyFlags wanted, uint32_t allowed) const;  // UINT32_MAX: none

  const PhysicalDevice& physical_;
  const DeviceApi& api_;
  VkDevice device_;
  bool device_mapped_ = false, device_cached_ = false;
  std::mutex mutex_;
  std::vector<Block> blocks_;  // guarded; empty places are used again
};

}  // namespace raison::vulkan
