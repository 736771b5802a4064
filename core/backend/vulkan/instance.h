// The process's Vulkan instance and its physical devices: which there are, in which order they are
// listed (discrete, integrated, virtual, software), and what each lacks. With
// RAISON_VULKAN_VALIDATE=1 the validation layer is switched on and its errors are counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/backend/vulkan/api.h"
#include "raison/backend.h"

namespace raison::vulkan {

// What a device offers, as far as the back end asks.
struct Capabilities {
  uint32_t api_version = 0;
  bool buffer_device_address = false;
  bool timeline_semaphore = false;
  bool shader_int64 = false;
  bool storage_16bit = false;
  uint32_t push_constants = 0;  // bytes
  uint32_t shared_memory = 0;   // bytes
  uint32_t invocations = 0;     // per workgroup, also of x alone
  bool compute_queue = false;
};

// Why a device cannot be opened, one sentence; empty if it can.
std::string ProblemOf(const Capabilities& capabilities);

// Optional abilities; there is a path for devices that have them not.
struct Features {
  bool integer_dot = false;  // packed dot products of int8
  bool quads = false;        // adding over a subgroup's quads: four invocations share a block
  bool matrix = false;       // VK_KHR_cooperative_matrix on int8
};

struct PhysicalDevice {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  std::string name, driver, problem;
  uint32_t vendor = 0, driver_version = 0, queue_family = 0;
  uint32_t shared_memory = 0;       // bytes of a workgroup
  uint64_t maximum_allocation = 0;  // bytes of a buffer and its memory; 0: not told
  uint8_t uuid[VK_UUID_SIZE] = {};
  VkPhysicalDeviceMemoryProperties memory = {};
  bool has_budget = false;  // VK_EXT_memory_budget
  Features offers;
  bool integer_dot_accelerated = false;  // of four signed int8 in a word
  bool mixed_dot_accelerated = false;    // of signed by unsigned
  uint32_t matrix_columns = 0;           // of one step of the matrix unit: 16 or 32
  bool keeps_nan = false;                // shaders may ask for IEEE's NaN, infinity and -0 of f32
  bool whole_subgroups = false;          // may be asked for (VK_EXT_subgroup_size_control)
  VkDriverId driver_id = VkDriverId{};
};

class Instance {
 public:
  // Made by the first call that succeeds, kept for the life of the process.
  static absl::StatusOr<Instance*> Get();

  const InstanceApi& api() const { return api_; }
  const std::vector<PhysicalDevice>& devices() const { return devices_; }
  absl::StatusOr<const PhysicalDevice*> Find(uint32_t index) const;
  void Describe(const PhysicalDevice& device, rsn_device_info& info) const;

  // Errors that the validation layer has reported so far, and the last one's text.
  uint64_t validation_errors() const { return validation_errors_.load(); }
  std::string last_validation_error();

 private:
  absl::Status Create();
  absl::Status ListDevices();
  absl::StatusOr<PhysicalDevice> Examine(VkPhysicalDevice handle) const;
  void FindSubgroups(PhysicalDevice& device) const;
  void FindMatrix(PhysicalDevice& device) const;
  static VKAPI_ATTR VkBool32 VKAPI_CALL OnMessage(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                  VkDebugUtilsMessageTypeFlagsEXT types,
                                                  const VkDebugUtilsMessengerCallbackDataEXT* data,
                                                  void* self);

  const GlobalApi* global_ = nullptr;
  VkInstance handle_ = VK_NULL_HANDLE;
  InstanceApi api_;
  std::vector<PhysicalDevice> devices_;
  std::atomic<uint64_t> validation_errors_{0};
  std::mutex message_mutex_;
  std::string message_;  // guarded by message_mutex_
};

}  // namespace raison::vulkan
