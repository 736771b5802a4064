// The two exported symbols of libraison-vulkan.so.
#include "core/backend/vulkan/vulkan_backend.h"

#define RSN_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))

RSN_PLUGIN_EXPORT uint32_t rsn_backend_version(void) { return RSN_BACKEND_VERSION; }

RSN_PLUGIN_EXPORT int32_t rsn_backend_open(const rsn_backend_host* host, rsn_backend* backend) {
  return raison::OpenVulkanBackend(host, backend);
}
