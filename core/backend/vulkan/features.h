// What of a device's optional abilities is used: what it offers and calls fast, less what the table
// of known faults names, less what gave other bits than the plain path when it was tried (once per
// device in a process: all paths give the same bits, so trying is comparing). RAISON_VULKAN_USE
// names a list instead ("none", "dot,quads"): used if offered, also where the driver calls it slow.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/backend/vulkan/instance.h"

namespace raison::vulkan {

class Device;

// Drivers' faults that this device has: where each was reported, and what it takes away.
struct Fault {
  bool (*has)(const PhysicalDevice& device);
  bool Features::*feature;
  std::string_view source;
};
std::vector<const Fault*> FaultsOf(const PhysicalDevice& device);

// Before the device is made: what to ask of it.
Features WantedFeatures(const PhysicalDevice& device);
// On the opened device: drops what does not work there, with a warning in the log.
absl::Status TryFeatures(Device& device, Features& features);
std::string FeaturesText(const Features& features);  // "dot, quads"

}  // namespace raison::vulkan
