#include "core/backend/vulkan/memory.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "core/base/os/library_path.h"

namespace raison::vulkan {
namespace {

constexpr uint64_t kAlign = 256;   // the largest alignment that devices ask for
constexpr uint64_t kPadding = 32;  // shaders read whole words, and floats by eight
constexpr uint64_t kBlock = uint64_t{64} << 20;
constexpr uint64_t kLeastBlock = uint64_t{16} << 20;  // staging fits
constexpr uint64_t kShare = uint64_t{16} << 20;  // larger allocations get a block of their own
constexpr uint32_t kNone = UINT32_MAX;

constexpr VkMemoryPropertyFlags kVisible =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

// Memory for special uses, which plain buffers must not or should not lie in.
constexpr VkMemoryPropertyFlags kSpecial =
    VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
    VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD |
    VK_MEMORY_PROPERTY_RDMA_CAPABLE_BIT_NV;

// A type of the largest heap of device memory can be written by the host.
bool AllVisible(const VkPhysicalDeviceMemoryProperties& memory) {
  uint64_t largest = 0, visible = 0;
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    const VkMemoryType& type = memory.memoryTypes[i];
    if ((type.propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) == 0) continue;
    const uint64_t size = memory.memoryHeaps[type.heapIndex].size;
    largest = std::max(largest, size);
    if ((type.propertyFlags & kVisible) == kVisible) visible = std::max(visible, size);
  }
  return largest != 0 && visible == largest;
}

// An integrated device's memory is the host's. A card's is written in place where the host can see
// all of it (resizable BAR), not where it sees a window of 256 MiB that others need too.
bool MapsBuffers(const PhysicalDevice& physical) {
  if (EnvironmentVariable("RAISON_VULKAN_STAGING") == "1") return false;
  return physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
         physical.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU || AllVisible(physical.memory);
}

uint32_t FindType(const VkPhysicalDeviceMemoryProperties& memory, VkMemoryPropertyFlags wanted,
                  uint32_t allowed) {
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
    if ((allowed >> i & 1) != 0 && (flags & (wanted | kSpecial)) == wanted) return i;
  }
  return kNone;
}
// The best type of those allowed: {type, whether the host maps it}.
std::pair<uint32_t, bool> TypeOfBuffers(const VkPhysicalDeviceMemoryProperties& memory, bool map,
                                        uint32_t allowed) {
  const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  uint32_t type = kNone;
  if (map) {
    type = FindType(memory, local | kVisible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, allowed);
    if (type == kNone) type = FindType(memory, local | kVisible, allowed);
    if (type != kNone) return {type, true};
  }
  type = FindType(memory, local, allowed);
  return {type != kNone ? type : FindType(memory, 0, allowed), false};
}

uint64_t LargestBlock(const PhysicalDevice& physical) {
  uint64_t largest = physical.maximum_allocation != 0 ? physical.maximum_allocation : UINT64_MAX;
  uint64_t asked = 0;
  if (absl::SimpleAtoi(EnvironmentVariable("RAISON_VULKAN_ALLOCATION"), &asked) && asked != 0) {
    largest = std::min(largest, std::max(asked, kLeastBlock));
  }
  return largest;
}

}  // namespace

uint32_t HeapOfBuffers(const PhysicalDevice& physical) {
  const uint32_t type = TypeOfBuffers(physical.memory, MapsBuffers(physical), UINT32_MAX).first;
  return type == kNone ? kNone : physical.memory.memoryTypes[type].heapIndex;
}

uint64_t LargestBuffer(const PhysicalDevice& physical) {
  return LargestBlock(physical) / kAlign * kAlign - kPadding;
}

Memory::Memory(const PhysicalDevice& physical, const DeviceApi& api, VkDevice device)
    : physical_(physical),
      api_(api),
      device_(device),
      device_mapped_(MapsBuffers(physical)),
      largest_(LargestBlock(physical)) {}

Memory::~Memory() {
  for (Block& block : blocks_) Release(block);
}

absl::StatusOr<Memory::Block> Memory::NewBlock(MemoryKind kind, uint64_t size) {
  Block block{.kind = kind, .size = size, .holes = {}};
  const VkBufferCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
      .size = size,
      .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
      .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
  RSN_RETURN_IF_ERROR(CheckResult(absl::StrCat("making a buffer of ", size, " bytes"),
                                  api_.CreateBuffer(device_, &info, nullptr, &block.buffer)));
  const auto rest = [&]() -> absl::Status {
    VkMemoryRequirements needs;
    api_.GetBufferMemoryRequirements(device_, block.buffer, &needs);
    const VkPhysicalDeviceMemoryProperties& memory = physical_.memory;
    uint32_t type = kNone;
    bool mapped = kind == MemoryKind::kStaging;
    if (mapped) {
      type = FindType(memory, kVisible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, needs.memoryTypeBits);
      if (type == kNone) type = FindType(memory, kVisible, needs.memoryTypeBits);
    } else {
      std::tie(type, mapped) = TypeOfBuffers(memory, device_mapped_, needs.memoryTypeBits);
    }
    if (type == kNone) return absl::UnavailableError("Vulkan: no memory type fits a buffer");
    const bool cached = mapped && (memory.memoryTypes[type].propertyFlags &
                                   VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                           .pNext = &flags,
                                           .allocationSize = needs.size,
                                           .memoryTypeIndex = type};
    RSN_RETURN_IF_ERROR(
        CheckResult(absl::StrCat("taking ", size, " bytes of ", physical_.name),
                    api_.AllocateMemory(device_, &allocate, nullptr, &block.memory)));
    RSN_RETURN_IF_ERROR(CheckResult("binding memory",
                                    api_.BindBufferMemory(device_, block.buffer, block.memory, 0)));
    if (mapped) {
      void* data = nullptr;
      RSN_RETURN_IF_ERROR(CheckResult(
          "mapping memory", api_.MapMemory(device_, block.memory, 0, VK_WHOLE_SIZE, 0, &data)));
      block.mapped = static_cast<std::byte*>(data);
    }
    if (kind == MemoryKind::kDevice) device_cached_ = cached;
    const VkBufferDeviceAddressInfo address = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = block.buffer};
    block.address = api_.GetBufferDeviceAddress(device_, &address);
    return absl::OkStatus();
  };
  const absl::Status status = rest();
  if (!status.ok()) {
    Release(block);
    return status;
  }
  return block;
}

void Memory::Release(Block& block) {
  if (block.buffer != VK_NULL_HANDLE) api_.DestroyBuffer(device_, block.buffer, nullptr);
  if (block.memory != VK_NULL_HANDLE)
    api_.FreeMemory(device_, block.memory, nullptr);  // unmaps too
  block = Block{.kind = block.kind, .holes = {}};
}

absl::StatusOr<Allocation> Memory::Allocate(MemoryKind kind, uint64_t bytes) {
  // More than a process can address; the sums below must not wrap.
  if (bytes > uint64_t{1} << 47) {
    return absl::ResourceExhaustedError(absl::StrCat("Vulkan: no memory for ", bytes, " bytes"));
  }
  const uint64_t size = (bytes + kPadding + kAlign - 1) / kAlign * kAlign;
  if (size > largest_) {
    return absl::ResourceExhaustedError(absl::StrCat("Vulkan: ", bytes,
                                                     " bytes at once are more than the ", largest_,
                                                     " that ", physical_.name, " allows"));
  }
  std::lock_guard lock(mutex_);
  const auto cut = [&](size_t index, uint64_t offset) {
    const Block& block = blocks_[index];
    return Allocation{.block = static_cast<uint32_t>(index),
                      .buffer = block.buffer,
                      .offset = offset,
                      .size = size,
                      .address = block.address + offset,
                      .mapped = block.mapped != nullptr ? block.mapped + offset : nullptr};
  };
  if (size <= kShare) {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      Block& block = blocks_[i];
      if (block.buffer == VK_NULL_HANDLE || block.whole || block.kind != kind) continue;
      for (auto hole = block.holes.begin(); hole != block.holes.end(); ++hole) {
        if (hole->second < size) continue;
        const auto [offset, length] = *hole;
        block.holes.erase(hole);
        if (length > size) block.holes[offset + size] = length - size;
        return cut(i, offset);
      }
    }
  }
  const uint64_t block_size = size <= kShare ? std::max(std::min(kBlock, largest_), size) : size;
  absl::StatusOr<Block> block = NewBlock(kind, block_size);
  // Where no whole block is left there may be room for this.
  if (absl::IsResourceExhausted(block.status()) && block_size > size) block = NewBlock(kind, size);
  RSN_ASSIGN_OR_RETURN(Block made, std::move(block));
  made.whole = made.size == size;
  if (!made.whole) made.holes[size] = made.size - size;
  size_t index = 0;
  while (index < blocks_.size() && blocks_[index].buffer != VK_NULL_HANDLE) ++index;
  if (index == blocks_.size()) blocks_.emplace_back(Block{.kind = kind, .holes = {}});
  blocks_[index] = std::move(made);
  return cut(index, 0);
}

void Memory::Free(const Allocation& allocation) {
  std::lock_guard lock(mutex_);
  Block& block = blocks_[allocation.block];
  if (block.whole) return Release(block);
  auto [hole, added] = block.holes.emplace(allocation.offset, allocation.size);
  const auto next = std::next(hole);
  if (next != block.holes.end() && hole->first + hole->second == next->first) {
    hole->second += next->second;
    block.holes.erase(next);
  }
  if (hole != block.holes.begin()) {
    const auto before = std::prev(hole);
    if (before->first + before->second == hole->first) {
      before->second += hole->second;
      block.holes.erase(hole);
    }
  }
  if (block.holes.size() != 1 || block.holes.begin()->second != block.size) return;
  // One empty block of a kind is kept for the next buffers.
  for (Block& other : blocks_) {
    const bool empty = &other != &block && other.buffer != VK_NULL_HANDLE && !other.whole &&
                       other.kind == block.kind && other.holes.size() == 1 &&
                       other.holes.begin()->second == other.size;
    if (empty) return Release(block);
  }
}

}  // namespace raison::vulkan
