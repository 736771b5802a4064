#include "core/backend/vulkan/api.h"

#include <dlfcn.h>

#include <mutex>
#include <string>

#include "core/base/os/library_path.h"

namespace raison::vulkan {
namespace {

std::mutex global_mutex;
GlobalApi global_api;  // filled once, under the mutex

std::string_view ResultName(VkResult result) {
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "out of device memory";
    case VK_ERROR_DEVICE_LOST:
      return "the device was lost";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "initialisation failed";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "a layer is not installed";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "an extension is missing";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "a feature is missing";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "no compatible driver is installed";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "too many objects";
    case VK_TIMEOUT:
      return "it took too long";
    default:
      return "";
  }
}

}  // namespace

absl::Status ResultError(std::string_view what, VkResult result) {
  const std::string text = absl::StrCat("Vulkan: ", what, ": ", ResultName(result), " (VkResult ",
                                        static_cast<int>(result), ")");
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY) {
    return absl::ResourceExhaustedError(text);
  }
  return absl::UnavailableError(text);
}

absl::StatusOr<const GlobalApi*> LoadGlobalApi() {
  std::lock_guard lock(global_mutex);
  if (global_api.GetInstanceProcAddr != nullptr) return &global_api;
  std::string path = EnvironmentVariable("RAISON_VULKAN_LOADER");
  if (path.empty()) path = "libvulkan.so.1";
  // Never closed: drivers leave threads and exit handlers behind.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return absl::UnavailableError(absl::StrCat(
        "Vulkan: its loader ", path, " does not open: ", why != nullptr ? why : "no reason given"));
  }
  GlobalApi api;
  api.GetInstanceProcAddr =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (api.GetInstanceProcAddr == nullptr) {
    dlclose(library);
    return absl::UnavailableError(absl::StrCat("Vulkan: ", path, " has no vkGetInstanceProcAddr"));
  }
#define RSN_VULKAN_FIND(name)                                                              \
  api.name = reinterpret_cast<PFN_vk##name>(api.GetInstanceProcAddr(nullptr, "vk" #name)); \
  if (api.name == nullptr)                                                                 \
    return absl::UnavailableError("Vulkan: the loader has no vk" #name ": 1.2 is needed");
  RSN_VULKAN_GLOBAL(RSN_VULKAN_FIND)
#undef RSN_VULKAN_FIND
  global_api = api;
  return &global_api;
}

absl::StatusOr<InstanceApi> LoadInstanceApi(const GlobalApi& global, VkInstance instance) {
  InstanceApi api;
#define RSN_VULKAN_FIND(name)                                                                  \
  api.name = reinterpret_cast<PFN_vk##name>(global.GetInstanceProcAddr(instance, "vk" #name)); \
  if (api.name == nullptr) return absl::UnavailableError("Vulkan: the instance has no vk" #name);
  RSN_VULKAN_INSTANCE(RSN_VULKAN_FIND)
#undef RSN_VULKAN_FIND
  return api;
}

absl::StatusOr<DeviceApi> LoadDeviceApi(const InstanceApi& instance, VkDevice device) {
  DeviceApi api;
#define RSN_VULKAN_FIND(name)                                                                \
  api.name = reinterpret_cast<PFN_vk##name>(instance.GetDeviceProcAddr(device, "vk" #name)); \
  if (api.name == nullptr) return absl::UnavailableError("Vulkan: the device has no vk" #name);
  RSN_VULKAN_DEVICE(RSN_VULKAN_FIND)
#undef RSN_VULKAN_FIND
  return api;
}

}  // namespace raison::vulkan
