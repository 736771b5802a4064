// The table of the Vulkan back end; the plug-in's two exported functions call it.
#pragma once

#include "raison/backend.h"

namespace raison {

int32_t OpenVulkanBackend(const rsn_backend_host* host, rsn_backend* backend);

}  // namespace raison
