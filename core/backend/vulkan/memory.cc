#include "core/backend/vulkan/memory.h"

#include <algorithm>
#include <utility>

#include "core/base/os/library_path.h"

namespace raison::vulkan {
namespace {

constexpr uint64_t kAlign = 256;   // the largest alignment that devices ask for
constexpr uint64_t kPadding = 16;  // shaders read whole words beyond the last byte
constexpr uint64_t kBlock = uint64_t{64} << 20;
constexpr uint64_t kShare = uint64_t{16} << 20;  // larger allocations get a block of their own
constexpr uint32_t kNone = UINT32_MAX;

constexpr VkMemoryPropertyFlags kVisible =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

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

}  // namespace

Memory::Memory(const PhysicalDevice& physical, const DeviceApi& api, VkDevice device)
    : physical_(physical), api_(api), device_(device) {
  // An integrated device's memory is the host's. A card's is written in place where the host can
  // see all of it (resizable BAR), not where it sees a window of 256 MiB that others need too.
  const bool shared = physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                      physical.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  if (EnvironmentVariable("RAISON_VULKAN_STAGING") != "1") {
    device_mapped_ = shared || AllVisible(physical.memory);
  }
}

Memory::~Memory() {
  for (Block& block : blocks_) Release(block);
}

uint32_t Memory::FindType(VkMemoryPropertyFlags wanted, uint32_t allowed) const {
  for (uint32_t i = 0; i < physical_.memory.memoryTypeCount; ++i) {
    if ((allowed >> i & 1) == 0) continue;
    if ((physical_.memory.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
  }
  return kNone;
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
    uint32_t type = kNone;
    bool mapped = kind == MemoryKind::kStaging, cached = false;
    if (mapped) {
      type = FindType(kVisible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, needs.memoryTypeBits);
      if (type == kNone) type = FindType(kVisible, needs.memoryTypeBits);
    } else if (device_mapped_) {
      const VkMemoryPropertyFlags both = kVisible | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
      type = FindType(both | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, needs.memoryTypeBits);
      cached = type != kNone;
      if (type == kNone) type = FindType(both, needs.memoryTypeBits);
      mapped = type != kNone;
    }
    if (type == kNone) type = FindType(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, needs.memoryTypeBits);
    if (type == kNone) type = FindType(0, needs.memoryTypeBits);
    if (type == kNone) return absl::UnavailableError("Vulkan: no memory type fits a buffer");
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
  if (physical_.maximum_allocation != 0 && size > physical_.maximum_allocation) {
    return absl::ResourceExhaustedError(
        absl::StrCat("Vulkan: ", bytes, " bytes at once are more than the ",
                     physical_.maximum_allocation, " that ", physical_.name, " allows"));
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
  RSN_ASSIGN_OR_RETURN(Block made, NewBlock(kind, size <= kShare ? kBlock : size));
  made.whole = size > kShare;
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
