// The functions of Vulkan that the back end calls, found at run time: libvulkan.so.1 is never a
// need of the plug-in, so it loads where no driver is installed. Owns the library's handle for the
// life of the process. RAISON_VULKAN_LOADER names another loader.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <string_view>

#include "core/base/status.h"

namespace raison::vulkan {

#define RSN_VULKAN_GLOBAL(F) \
  F(CreateInstance) F(EnumerateInstanceVersion) F(EnumerateInstanceLayerProperties)
#define RSN_VULKAN_INSTANCE(F)                                                                 \
  F(DestroyInstance)                                                                           \
  F(EnumeratePhysicalDevices)                                                                  \
  F(GetPhysicalDeviceProperties2) F(GetPhysicalDeviceProperties) F(GetPhysicalDeviceFeatures2) \
      F(GetPhysicalDeviceMemoryProperties2) F(GetPhysicalDeviceQueueFamilyProperties)          \
          F(EnumerateDeviceExtensionProperties) F(CreateDevice) F(GetDeviceProcAddr)
#define RSN_VULKAN_DEVICE(F)                                                                       \
  F(DestroyDevice)                                                                                 \
  F(GetDeviceQueue)                                                                                \
  F(AllocateMemory) F(FreeMemory) F(MapMemory) F(CreateBuffer) F(DestroyBuffer)                    \
      F(GetBufferMemoryRequirements) F(BindBufferMemory) F(GetBufferDeviceAddress)                 \
          F(CreateShaderModule) F(DestroyShaderModule) F(CreatePipelineLayout)                     \
              F(DestroyPipelineLayout) F(CreatePipelineCache) F(DestroyPipelineCache)              \
                  F(GetPipelineCacheData) F(CreateComputePipelines) F(DestroyPipeline)             \
                      F(CreateCommandPool) F(DestroyCommandPool) F(ResetCommandPool)               \
                          F(AllocateCommandBuffers) F(BeginCommandBuffer) F(EndCommandBuffer)      \
                              F(CmdBindPipeline) F(CmdPushConstants) F(CmdDispatch)                \
                                  F(CmdPipelineBarrier) F(CmdCopyBuffer) F(CmdFillBuffer)          \
                                      F(CmdExecuteCommands) F(QueueSubmit) F(QueueWaitIdle)        \
                                          F(DeviceWaitIdle) F(CreateSemaphore) F(DestroySemaphore) \
                                              F(GetSemaphoreCounterValue) F(WaitSemaphores)

#define RSN_VULKAN_MEMBER(name) PFN_vk##name name = nullptr;
struct GlobalApi {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  RSN_VULKAN_GLOBAL(RSN_VULKAN_MEMBER)
};
struct InstanceApi {
  RSN_VULKAN_INSTANCE(RSN_VULKAN_MEMBER)
};
struct DeviceApi {
  RSN_VULKAN_DEVICE(RSN_VULKAN_MEMBER)
};
#undef RSN_VULKAN_MEMBER

// Opens the loader at the first call; a failure is tried again by the next call.
absl::StatusOr<const GlobalApi*> LoadGlobalApi();
absl::StatusOr<InstanceApi> LoadInstanceApi(const GlobalApi& global, VkInstance instance);
absl::StatusOr<DeviceApi> LoadDeviceApi(const InstanceApi& api, VkDevice device);

// A sentence for what a call returned: memory that ran out is kResourceExhausted, everything else
// of the device (lost, missing) kUnavailable.
absl::Status ResultError(std::string_view what, VkResult result);
inline absl::Status CheckResult(std::string_view what, VkResult result) {
  return result == VK_SUCCESS ? absl::OkStatus() : ResultError(what, result);
}

}  // namespace raison::vulkan
