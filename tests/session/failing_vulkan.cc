// A Vulkan loader (RAISON_VULKAN_LOADER) in front of the machine's own, which fails when told to and
// counts what a device was asked for and has not given back.
#include "tests/session/failing_vulkan.h"

#include <dlfcn.h>
#include <vulkan/vulkan_core.h>

#include <atomic>
#include <string_view>

namespace {

std::atomic<VulkanFailure> failure{VulkanFailure::kNone};
std::atomic<int> live{0};

// The driver's own functions: one device's are all devices' here, as there is one driver.
PFN_vkGetDeviceProcAddr get_device_proc;
PFN_vkCreateDevice create_device;
PFN_vkDestroyDevice destroy_device;
PFN_vkAllocateMemory allocate_memory;
PFN_vkFreeMemory free_memory;
PFN_vkCreateBuffer create_buffer;
PFN_vkDestroyBuffer destroy_buffer;
PFN_vkCreateComputePipelines create_pipelines;
PFN_vkQueueSubmit queue_submit;

template <typename Make>
VkResult Counted(Make make) {
  const VkResult result = make();
  if (result == VK_SUCCESS) ++live;
  return result;
}

VkResult CreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo* info,
                      const VkAllocationCallbacks* callbacks, VkDevice* device) {
  return Counted([&] { return create_device(physical, info, callbacks, device); });
}
void DestroyDevice(VkDevice device, const VkAllocationCallbacks* callbacks) {
  if (device != VK_NULL_HANDLE) --live;
  destroy_device(device, callbacks);
}
VkResult AllocateMemory(VkDevice device, const VkMemoryAllocateInfo* info,
                        const VkAllocationCallbacks* callbacks, VkDeviceMemory* memory) {
  if (failure == VulkanFailure::kNoMemory) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  return Counted([&] { return allocate_memory(device, info, callbacks, memory); });
}
void FreeMemory(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks* callbacks) {
  if (memory != VK_NULL_HANDLE) --live;
  free_memory(device, memory, callbacks);
}
VkResult CreateBuffer(VkDevice device, const VkBufferCreateInfo* info,
                      const VkAllocationCallbacks* callbacks, VkBuffer* buffer) {
  return Counted([&] { return create_buffer(device, info, callbacks, buffer); });
}
void DestroyBuffer(VkDevice device, VkBuffer buffer, const VkAllocationCallbacks* callbacks) {
  if (buffer != VK_NULL_HANDLE) --live;
  destroy_buffer(device, buffer, callbacks);
}
VkResult CreateComputePipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                const VkComputePipelineCreateInfo* infos,
                                const VkAllocationCallbacks* callbacks, VkPipeline* pipelines) {
  if (failure == VulkanFailure::kNoPipelines) return VK_ERROR_OUT_OF_HOST_MEMORY;
  return create_pipelines(device, cache, count, infos, callbacks, pipelines);
}
VkResult QueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo* infos, VkFence fence) {
  if (failure == VulkanFailure::kLost) return VK_ERROR_DEVICE_LOST;
  return queue_submit(queue, count, infos, fence);
}

// Keeps the driver's function and gives the one in front of it.
template <typename Function>
PFN_vkVoidFunction Replace(PFN_vkVoidFunction found, Function& kept, Function front) {
  if (found == nullptr) return nullptr;
  kept = reinterpret_cast<Function>(found);
  return reinterpret_cast<PFN_vkVoidFunction>(front);
}

PFN_vkVoidFunction GetDeviceProcAddr(VkDevice device, const char* name) {
  const PFN_vkVoidFunction found = get_device_proc(device, name);
  const std::string_view asked = name;
  if (asked == "vkDestroyDevice") return Replace(found, destroy_device, DestroyDevice);
  if (asked == "vkAllocateMemory") return Replace(found, allocate_memory, AllocateMemory);
  if (asked == "vkFreeMemory") return Replace(found, free_memory, FreeMemory);
  if (asked == "vkCreateBuffer") return Replace(found, create_buffer, CreateBuffer);
  if (asked == "vkDestroyBuffer") return Replace(found, destroy_buffer, DestroyBuffer);
  if (asked == "vkQueueSubmit") return Replace(found, queue_submit, QueueSubmit);
  if (asked == "vkCreateComputePipelines") {
    return Replace(found, create_pipelines, CreateComputePipelines);
  }
  return found;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) PFN_vkVoidFunction vkGetInstanceProcAddr(VkInstance instance,
                                                                                const char* name) {
  static const auto real = [] {
    void* loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    return loader == nullptr ? nullptr
                             : reinterpret_cast<PFN_vkGetInstanceProcAddr>(
                                   dlsym(loader, "vkGetInstanceProcAddr"));
  }();
  if (real == nullptr) return nullptr;
  const PFN_vkVoidFunction found = real(instance, name);
  const std::string_view asked = name;
  if (asked == "vkGetDeviceProcAddr") return Replace(found, get_device_proc, GetDeviceProcAddr);
  if (asked == "vkCreateDevice") return Replace(found, create_device, CreateDevice);
  return found;
}

__attribute__((visibility("default"))) void FailVulkan(VulkanFailure what) { failure = what; }
__attribute__((visibility("default"))) int LiveVulkanObjects() { return live; }

}  // extern "C"
