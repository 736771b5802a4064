// How a test steers the loader of failing_vulkan.cc, whose functions it finds by name in it.
#pragma once

enum class VulkanFailure { kNone, kLost, kNoMemory, kNoPipelines };

using FailVulkanFunction = void (*)(VulkanFailure);
using LiveVulkanObjectsFunction = int (*)();  // devices, buffers and allocations
