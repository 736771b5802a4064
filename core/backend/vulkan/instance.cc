#include "core/backend/vulkan/instance.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "core/backend/vulkan/features.h"
#include "core/backend/vulkan/matrix.h"
#include "core/backend/vulkan/memory.h"
#include "core/base/os/library_path.h"

namespace raison::vulkan {
namespace {

constexpr char kValidationLayer[] = "VK_LAYER_KHRONOS_validation";
// What the shaders are written for: 128 is also the least that Vulkan allows.
constexpr uint32_t kPushConstants = 128;
constexpr uint32_t kSharedMemory = 16384;
constexpr uint32_t kInvocations = 256;
constexpr uint32_t kMatrixSharedMemory = 32768;
constexpr uint32_t kGroup = 128;  // invocations of the shaders that use quads

int Order(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return 4;
    default:
      return 3;
  }
}

std::string VersionText(uint32_t version) {
  return absl::StrCat(VK_API_VERSION_MAJOR(version), ".", VK_API_VERSION_MINOR(version));
}

void CopyText(char* to, size_t size, const std::string& text) {
  const size_t n = std::min(size - 1, text.size());
  std::memcpy(to, text.data(), n);
  to[n] = 0;
}

}  // namespace

std::string ProblemOf(const Capabilities& c) {
  if (c.api_version < VK_API_VERSION_1_2) {
    return absl::StrCat("it offers Vulkan ", VersionText(c.api_version), ", 1.2 is needed");
  }
  if (!c.compute_queue) return "it has no queue for compute";
  if (!c.buffer_device_address) return "it lacks bufferDeviceAddress";
  if (!c.timeline_semaphore) return "it lacks timelineSemaphore";
  if (!c.shader_int64) return "it lacks shaderInt64";
  if (!c.storage_16bit) return "it lacks storageBuffer16BitAccess";
  if (c.push_constants < kPushConstants) {
    return absl::StrCat("it allows ", c.push_constants, " bytes of push constants, ",
                        kPushConstants, " are needed");
  }
  if (c.shared_memory < kSharedMemory || c.invocations < kInvocations) {
    return absl::StrCat("its workgroups have ", c.shared_memory, " bytes and ", c.invocations,
                        " invocations, ", kSharedMemory, " and ", kInvocations, " are needed");
  }
  return "";
}

absl::StatusOr<Instance*> Instance::Get() {
  static std::mutex mutex;
  static Instance* instance = nullptr;
  std::lock_guard lock(mutex);
  if (instance == nullptr) {
    auto made = std::make_unique<Instance>();
    RSN_RETURN_IF_ERROR(made->Create());
    instance = made.release();
  }
  return instance;
}

absl::Status Instance::Create() {
  RSN_ASSIGN_OR_RETURN(global_, LoadGlobalApi());
  uint32_t version = 0;
  RSN_RETURN_IF_ERROR(
      CheckResult("asking for the version", global_->EnumerateInstanceVersion(&version)));
  if (version < VK_API_VERSION_1_2) {
    return absl::UnavailableError(
        absl::StrCat("Vulkan: the loader offers ", VersionText(version), ", 1.2 is needed"));
  }
  const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                         .pApplicationName = "raison",
                                         .pEngineName = "raison",
                                         .apiVersion = VK_API_VERSION_1_2};
  const char* layers[] = {kValidationLayer};
  const char* extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
  VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                               .pApplicationInfo = &application};
  const bool validate = EnvironmentVariable("RAISON_VULKAN_VALIDATE") == "1";
  if (validate) {
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = layers;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = extensions;
  }
  RSN_RETURN_IF_ERROR(
      CheckResult("making an instance", global_->CreateInstance(&info, nullptr, &handle_)));
  absl::StatusOr<InstanceApi> api = LoadInstanceApi(*global_, handle_);
  absl::Status status = api.status();
  if (status.ok()) {
    api_ = *api;
    if (validate) {
      const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
          global_->GetInstanceProcAddr(handle_, "vkCreateDebugUtilsMessengerEXT"));
      const VkDebugUtilsMessengerCreateInfoEXT messages = {
          .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
          .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                             VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
          .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
          .pfnUserCallback = &Instance::OnMessage,
          .pUserData = this};
      VkDebugUtilsMessengerEXT messenger;  // lives as long as the instance
      if (create == nullptr) {
        status = absl::UnavailableError("Vulkan: validation was asked for and cannot report");
      } else {
        status = CheckResult("listening to the validation layer",
                             create(handle_, &messages, nullptr, &messenger));
      }
    }
  }
  if (status.ok()) status = ListDevices();
  if (!status.ok() && api_.DestroyInstance != nullptr) api_.DestroyInstance(handle_, nullptr);
  return status;
}

VkBool32 Instance::OnMessage(VkDebugUtilsMessageSeverityFlagBitsEXT,
                             VkDebugUtilsMessageTypeFlagsEXT,
                             const VkDebugUtilsMessengerCallbackDataEXT* data, void* self) {
  auto* instance = static_cast<Instance*>(self);
  std::lock_guard lock(instance->message_mutex_);
  instance->message_ = data != nullptr && data->pMessage != nullptr ? data->pMessage : "";
  instance->validation_errors_.fetch_add(1);
  return VK_FALSE;
}

std::string Instance::last_validation_error() {
  std::lock_guard lock(message_mutex_);
  return message_;
}

absl::Status Instance::ListDevices() {
  uint32_t count = 0;
  RSN_RETURN_IF_ERROR(
      CheckResult("counting the devices", api_.EnumeratePhysicalDevices(handle_, &count, nullptr)));
  std::vector<VkPhysicalDevice> handles(count);
  const VkResult result = api_.EnumeratePhysicalDevices(handle_, &count, handles.data());
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
    return ResultError("listing the devices", result);
  }
  handles.resize(count);
  if (handles.empty()) return absl::UnavailableError("Vulkan: no driver offers a device");
  for (VkPhysicalDevice handle : handles) {
    RSN_ASSIGN_OR_RETURN(PhysicalDevice device, Examine(handle));
    devices_.push_back(std::move(device));
  }
  std::stable_sort(devices_.begin(), devices_.end(),
                   [](const auto& a, const auto& b) { return Order(a.type) < Order(b.type); });
  return absl::OkStatus();
}

absl::StatusOr<PhysicalDevice> Instance::Examine(VkPhysicalDevice handle) const {
  VkPhysicalDeviceProperties plain;
  api_.GetPhysicalDeviceProperties(handle, &plain);
  PhysicalDevice device;
  device.handle = handle;
  device.type = plain.deviceType;
  device.name = plain.deviceName;
  device.vendor = plain.vendorID;
  device.driver_version = plain.driverVersion;
  Capabilities c;
  c.api_version = plain.apiVersion;
  c.push_constants = plain.limits.maxPushConstantsSize;
  device.shared_memory = plain.limits.maxComputeSharedMemorySize;
  c.shared_memory = plain.limits.maxComputeSharedMemorySize;
  c.invocations = std::min(plain.limits.maxComputeWorkGroupInvocations,
                           plain.limits.maxComputeWorkGroupSize[0]);
  uint32_t families = 0;
  api_.GetPhysicalDeviceQueueFamilyProperties(handle, &families, nullptr);
  std::vector<VkQueueFamilyProperties> family(families);
  api_.GetPhysicalDeviceQueueFamilyProperties(handle, &families, family.data());
  // A family of compute alone runs beside the desktop's drawing; any that computes will do.
  for (uint32_t i = 0; i < families; ++i) {
    if ((family[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) continue;
    const bool alone = (family[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) == 0;
    if (!c.compute_queue || alone) device.queue_family = i;
    c.compute_queue = true;
    if (alone) break;
  }
  VkPhysicalDeviceMemoryProperties2 memory = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  if (plain.apiVersion >= VK_API_VERSION_1_2) {
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, .pNext = &maintenance};
    VkPhysicalDeviceFloatControlsProperties floats = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES, .pNext = &driver};
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &floats};
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                       .pNext = &subgroup};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id};
    api_.GetPhysicalDeviceProperties2(handle, &properties);
    device.driver_id = driver.driverID;
    device.driver = absl::StrCat(driver.driverName, ", ", driver.driverInfo);
    device.keeps_nan = floats.shaderSignedZeroInfNanPreserveFloat32;
    device.maximum_allocation = maintenance.maxMemoryAllocationSize;
    std::memcpy(device.uuid, id.deviceUUID, sizeof device.uuid);
    device.offers.quads = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
                          (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_QUAD_BIT) != 0;
    VkPhysicalDeviceVulkan12Features twelve = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceVulkan11Features eleven = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &twelve};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &eleven};
    api_.GetPhysicalDeviceFeatures2(handle, &features);
    c.buffer_device_address = twelve.bufferDeviceAddress;
    c.timeline_semaphore = twelve.timelineSemaphore;
    c.storage_16bit = eleven.storageBuffer16BitAccess;
    c.shader_int64 = features.features.shaderInt64;
    uint32_t count = 0;
    api_.EnumerateDeviceExtensionProperties(handle, nullptr, &count, nullptr);
    std::vector<VkExtensionProperties> extensions(count);
    api_.EnumerateDeviceExtensionProperties(handle, nullptr, &count, extensions.data());
    bool maintenance4 = false;
    for (const VkExtensionProperties& e : extensions) {
      const auto is = [&](const char* name) { return std::strcmp(e.extensionName, name) == 0; };
      device.has_budget |= is(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
      maintenance4 |= is(VK_KHR_MAINTENANCE_4_EXTENSION_NAME);
      device.offers.matrix |= is(kMatrixExtension);
      device.offers.integer_dot |= is(VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
      device.whole_subgroups |= is(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    }
    if (device.offers.integer_dot) {
      VkPhysicalDeviceShaderIntegerDotProductPropertiesKHR dot = {
          .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES_KHR};
      VkPhysicalDeviceProperties2 more = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                          .pNext = &dot};
      api_.GetPhysicalDeviceProperties2(handle, &more);
      device.integer_dot_accelerated = dot.integerDotProduct4x8BitPackedSignedAccelerated;
      device.mixed_dot_accelerated = dot.integerDotProduct4x8BitPackedMixedSignednessAccelerated;
      VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR has = {
          .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR};
      VkPhysicalDeviceFeatures2 asked = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                         .pNext = &has};
      api_.GetPhysicalDeviceFeatures2(handle, &asked);
      device.offers.integer_dot = has.shaderIntegerDotProduct;
    }
    if (maintenance4) {
      VkPhysicalDeviceMaintenance4PropertiesKHR buffers = {
          .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES_KHR};
      VkPhysicalDeviceProperties2 more = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                          .pNext = &buffers};
      api_.GetPhysicalDeviceProperties2(handle, &more);
      device.maximum_allocation = std::min(device.maximum_allocation, buffers.maxBufferSize);
    }
    FindSubgroups(device);
    device.offers.matrix &= twelve.vulkanMemoryModel == VK_TRUE && twelve.shaderInt8 == VK_TRUE;
    FindMatrix(device);
    api_.GetPhysicalDeviceMemoryProperties2(handle, &memory);
    device.memory = memory.memoryProperties;
  }
  device.problem = ProblemOf(c);
  return device;
}

// Invocations of a subgroup are told apart by their number in it, so subgroups must be whole, and
// their size the one that the shader is told: without the extension a driver may run smaller ones
// than it says (Intel's do).
void Instance::FindSubgroups(PhysicalDevice& device) const {
  if (device.whole_subgroups) {
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT has = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &has};
    api_.GetPhysicalDeviceFeatures2(device.handle, &features);
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &sizes};
    api_.GetPhysicalDeviceProperties2(device.handle, &properties);
    device.whole_subgroups = has.subgroupSizeControl && has.computeFullSubgroups &&
                             sizes.minSubgroupSize >= 4 && sizes.maxSubgroupSize <= kGroup;
  }
  device.offers.quads &= device.whole_subgroups;
  device.offers.matrix &= device.whole_subgroups;
}

// Keeps `matrix` where the device has a product of int8 in squares of 16 and no fault is known: one
// is that asking crashes.
void Instance::FindMatrix(PhysicalDevice& device) const {
  const bool asked = std::exchange(device.offers.matrix, false);
  if (!asked || device.shared_memory < kMatrixSharedMemory) return;
  for (const Fault* fault : FaultsOf(device)) {
    if (fault->feature == &Features::matrix) return;
  }
  MatrixFeatures has;
  VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                        .pNext = &has};
  api_.GetPhysicalDeviceFeatures2(device.handle, &features);
  const auto get = reinterpret_cast<GetMatrixProperties>(
      global_->GetInstanceProcAddr(handle_, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  if (has.cooperativeMatrix != VK_TRUE || get == nullptr) return;
  uint32_t count = 0;
  if (get(device.handle, &count, nullptr) != VK_SUCCESS) return;
  std::vector<MatrixProperties> all(count);
  const VkResult result = get(device.handle, &count, all.data());
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) return;
  all.resize(count);
  for (const MatrixProperties& p : all) {
    if (p.m != 16 || p.n != 16 || (p.k != 16 && p.k != 32) || p.scope != kSubgroupScope) continue;
    if (p.a != kSint8 || p.b != kSint8 || p.c != kSint32 || p.result != kSint32) continue;
    if (p.saturating == VK_TRUE) continue;
    device.offers.matrix = true;
    device.matrix_columns = std::max(device.matrix_columns, p.k);
  }
}

absl::StatusOr<const PhysicalDevice*> Instance::Find(uint32_t index) const {
  if (index < devices_.size()) return &devices_[index];
  return absl::InvalidArgumentError(
      absl::StrCat("there is no Vulkan device ", index, ", there are ", devices_.size()));
}

void Instance::Describe(const PhysicalDevice& device, rsn_device_info& info) const {
  info.kind = device.type == VK_PHYSICAL_DEVICE_TYPE_CPU              ? 0
              : device.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? 1
                                                                      : 2;
  CopyText(info.name, sizeof info.name, "vulkan");
  CopyText(info.description, sizeof info.description, device.name);
  CopyText(info.driver, sizeof info.driver, device.driver);
  CopyText(info.problem, sizeof info.problem, device.problem);
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
      .pNext = device.has_budget ? &budget : nullptr};
  if (device.has_budget) api_.GetPhysicalDeviceMemoryProperties2(device.handle, &memory);
  const uint32_t h = HeapOfBuffers(device);
  if (h >= device.memory.memoryHeapCount) return;
  info.memory_total = device.memory.memoryHeaps[h].size;
  if (device.has_budget) {
    const uint64_t used = std::min(budget.heapUsage[h], budget.heapBudget[h]);
    info.memory_free = std::min(budget.heapBudget[h] - used, info.memory_total);
  } else {
    info.memory_free = info.memory_total / 5 * 4;  // what the driver and others take is not told
  }
  info.largest_buffer = LargestBuffer(device);
}

}  // namespace raison::vulkan
