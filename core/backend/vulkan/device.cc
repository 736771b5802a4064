#include "core/backend/vulkan/device.h"

#include <algorithm>
#include <cstring>

#include "core/backend/vulkan/features.h"
#include "core/backend/vulkan/matrix.h"
#include "core/backend/vulkan/queue.h"

namespace raison::vulkan {
namespace {

// Source bytes between two calls of weight_read: a fraction of a second wherever they come from.
constexpr uint64_t kSlice = uint64_t{16} << 20;

}  // namespace

bool Timeline::Reached(uint64_t value) const {
  if (value == 0 || gone.load() || device->lost()) return true;
  uint64_t now = 0;
  const VkResult result = device->api().GetSemaphoreCounterValue(device->handle(), semaphore, &now);
  // An answer that does not come (no host memory) frees nothing.
  return result == VK_SUCCESS ? now >= value : result == VK_ERROR_DEVICE_LOST;
}

Timeline::~Timeline() {
  if (semaphore != VK_NULL_HANDLE) {
    device->api().DestroySemaphore(device->handle(), semaphore, nullptr);
  }
}

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const rsn_backend_host& host, uint32_t index) {
  RSN_ASSIGN_OR_RETURN(Instance* const instance, Instance::Get());
  RSN_ASSIGN_OR_RETURN(const PhysicalDevice* const physical, instance->Find(index));
  if (!physical->problem.empty()) {
    return absl::UnavailableError(
        absl::StrCat("Vulkan: ", physical->name, " cannot be used: ", physical->problem));
  }
  auto device = std::unique_ptr<Device>(new Device(*instance, *physical));
  RSN_RETURN_IF_ERROR(device->Create(host));
  return device;
}

absl::Status Device::Create(const rsn_backend_host& host) {
  host_ = host;
  const float priority = 1;
  const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                         .queueFamilyIndex = physical_.queue_family,
                                         .queueCount = 1,
                                         .pQueuePriorities = &priority};
  VkPhysicalDeviceVulkan12Features twelve = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
      .timelineSemaphore = VK_TRUE,
      .bufferDeviceAddress = VK_TRUE};
  VkPhysicalDeviceVulkan11Features eleven = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
      .pNext = &twelve,
      .storageBuffer16BitAccess = VK_TRUE};
  VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                        .pNext = &eleven,
                                        .features = {.shaderInt64 = VK_TRUE}};
  features_ = WantedFeatures(physical_);
  std::vector<const char*> extensions;
  VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dot = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR,
      .shaderIntegerDotProduct = VK_TRUE};
  if (features_.integer_dot) {
    extensions.push_back(VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
    dot.pNext = std::exchange(twelve.pNext, &dot);
  }
  MatrixFeatures matrix{.cooperativeMatrix = VK_TRUE};
  if (features_.matrix) {
    extensions.push_back(kMatrixExtension);
    matrix.pNext = std::exchange(twelve.pNext, &matrix);
    twelve.vulkanMemoryModel = VK_TRUE, twelve.shaderInt8 = VK_TRUE;
  }
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT subgroups = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
      .subgroupSizeControl = VK_TRUE,
      .computeFullSubgroups = VK_TRUE};
  if (features_.quads || features_.matrix) {
    extensions.push_back(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    subgroups.pNext = std::exchange(twelve.pNext, &subgroups);
  }
  const VkDeviceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
      .pNext = &features,
      .queueCreateInfoCount = 1,
      .pQueueCreateInfos = &queue,
      .enabledExtensionCount = static_cast<uint32_t>(extensions.size()),
      .ppEnabledExtensionNames = extensions.data()};
  RSN_RETURN_IF_ERROR(
      CheckResult(absl::StrCat("opening ", physical_.name),
                  instance_.api().CreateDevice(physical_.handle, &info, nullptr, &handle_)));
  RSN_ASSIGN_OR_RETURN(api_, LoadDeviceApi(instance_.api(), handle_));
  api_.GetDeviceQueue(handle_, physical_.queue_family, 0, &queue_);
  memory_ = std::make_unique<Memory>(physical_, api_, handle_);
  RSN_ASSIGN_OR_RETURN(pipelines_,
                       Pipelines::Create(physical_, api_, handle_, host_.cache_directory));
  RSN_ASSIGN_OR_RETURN(transfer_, Queue::Create(*this));
  RSN_RETURN_IF_ERROR(TryFeatures(*this, features_));
  Log(2, absl::StrCat("Vulkan: ", physical_.name, ", ", physical_.driver,
                      ", uses: ", FeaturesText(features_)));
  return absl::OkStatus();
}

Device::~Device() {
  transfer_.reset();
  if (api_.DeviceWaitIdle != nullptr)
    api_.DeviceWaitIdle(handle_);  // a lost device returns at once
  for (const Freed& f : freed_) memory_->Free(f.memory);
  freed_.clear();
  timelines_.clear();
  pipelines_.reset();
  memory_.reset();
  if (api_.DestroyDevice != nullptr) api_.DestroyDevice(handle_, nullptr);
}

void Device::Log(uint32_t level, const std::string& text) const {
  if (host_.log != nullptr) host_.log(host_.context, level, text.c_str());
}

absl::Status Device::Failed(std::string_view what, VkResult result) {
  if (result == VK_ERROR_DEVICE_LOST) lost_ = true;
  return ResultError(absl::StrCat(physical_.name, ": ", what), result);
}

absl::Status Device::LostStatus() const {
  if (!lost_.load()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("Vulkan: ", physical_.name, " was lost; it must be opened again"));
}

absl::StatusOr<Buffer*> Device::NewBuffer(uint64_t bytes, bool raw) {
  RSN_RETURN_IF_ERROR(LostStatus());
  Collect();
  auto buffer = std::make_unique<Buffer>();
  RSN_ASSIGN_OR_RETURN(buffer->memory, memory_->Allocate(MemoryKind::kDevice, bytes));
  buffer->device = this;
  buffer->bytes = bytes;
  buffer->data = reinterpret_cast<std::byte*>(buffer->memory.address);
  if (!raw) {
    const absl::Status status = Zero(*buffer);
    if (!status.ok()) {
      FreeBuffer(buffer.release());
      return status;
    }
  }
  return buffer.release();
}

absl::Status Device::Zero(Buffer& buffer) {
  // Beyond a card's bus the device is the faster one.
  if (memory_->readable_in_place() && buffer.memory.mapped != nullptr) {
    std::memset(buffer.memory.mapped, 0, buffer.memory.size);
    return absl::OkStatus();
  }
  std::lock_guard lock(transfer_mutex_);
  RSN_RETURN_IF_ERROR(transfer_->Zero(buffer));
  return transfer_->Synchronize();
}

absl::Status Device::Fill(Buffer& buffer, const void* bytes, uint64_t size) {
  const auto* source = static_cast<const std::byte*>(bytes);
  for (uint64_t done = 0; done < size;) {
    const uint64_t part = std::min(size - done, kSlice);
    RSN_RETURN_IF_ERROR(LostStatus());
    if (buffer.memory.mapped != nullptr) {
      std::memcpy(buffer.memory.mapped + done, source + done, part);
    } else {
      std::lock_guard lock(transfer_mutex_);
      RSN_RETURN_IF_ERROR(transfer_->Upload(buffer, done, source + done, part));
    }
    if (host_.weight_read != nullptr &&
        host_.weight_read(host_.context, source + done, part) != 0) {
      return absl::CancelledError("the host gave the weight up");
    }
    done += part;
  }
  if (buffer.memory.mapped != nullptr || size == 0) return absl::OkStatus();
  std::lock_guard lock(transfer_mutex_);
  return transfer_->Synchronize();
}

absl::Status Device::Repeat(Buffer& buffer, uint64_t size) {
  std::lock_guard lock(transfer_mutex_);
  RSN_RETURN_IF_ERROR(transfer_->Repeat(buffer, size));
  return transfer_->Synchronize();
}

void Device::FreeBuffer(Buffer* buffer) {
  Freed freed{.memory = buffer->memory, .users = {}};
  delete buffer;
  {
    std::lock_guard lock(use_mutex_);
    for (const auto& timeline : timelines_) {
      const uint64_t value = timeline->enqueued.load();
      if (!timeline->Reached(value)) freed.users.emplace_back(timeline, value);
    }
    if (!freed.users.empty()) {
      freed_.push_back(std::move(freed));
      return;
    }
  }
  memory_->Free(freed.memory);
  Collect();
}

void Device::Collect() {
  std::vector<Freed> done;
  {
    std::lock_guard lock(use_mutex_);
    std::erase_if(timelines_, [](const auto& t) { return t->gone.load(); });
    const auto in_use = [](const Freed& f) {
      return std::any_of(f.users.begin(), f.users.end(),
                         [](const auto& user) { return !user.first->Reached(user.second); });
    };
    const auto first = std::partition(freed_.begin(), freed_.end(), in_use);
    done.assign(std::make_move_iterator(first), std::make_move_iterator(freed_.end()));
    freed_.erase(first, freed_.end());
  }
  for (const Freed& f : done) memory_->Free(f.memory);
}

absl::StatusOr<std::shared_ptr<Timeline>> Device::NewTimeline() {
  RSN_RETURN_IF_ERROR(LostStatus());
  auto timeline = std::make_shared<Timeline>();
  timeline->device = this;
  const VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                          .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
                                          .initialValue = 0};
  const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                      .pNext = &type};
  RSN_RETURN_IF_ERROR(Check("making a semaphore",
                            api_.CreateSemaphore(handle_, &info, nullptr, &timeline->semaphore)));
  std::lock_guard lock(use_mutex_);
  timelines_.push_back(timeline);
  return timeline;
}

absl::Status Device::Submit(const VkSubmitInfo& info) {
  RSN_RETURN_IF_ERROR(LostStatus());
  std::lock_guard lock(submit_mutex_);
  return Check("submitting", api_.QueueSubmit(queue_, 1, &info, VK_NULL_HANDLE));
}

absl::Status Device::Wait(const Timeline& timeline, uint64_t value) {
  RSN_RETURN_IF_ERROR(LostStatus());
  const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                    .semaphoreCount = 1,
                                    .pSemaphores = &timeline.semaphore,
                                    .pValues = &value};
  return Check("waiting for the device", api_.WaitSemaphores(handle_, &info, UINT64_MAX));
}

}  // namespace raison::vulkan
