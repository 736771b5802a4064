// Compute pipelines, made when first used or ahead of that on threads of their own, and their cache
// file: named by device, driver version and shaders, with a checksum of its own because drivers
// have crashed on damaged ones. Thread-safe: several are made at a time, each once.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/backend/vulkan/api.h"
#include "core/backend/vulkan/instance.h"
#include "core/backend/vulkan/shaders.h"
#include "core/base/os/condition_variable.h"

namespace raison::vulkan {

// Specialisation constants 0 to 8 of a shader; those that it does not have are ignored.
using Constants = std::array<uint32_t, 9>;

class Pipelines {
 public:
  static absl::StatusOr<std::unique_ptr<Pipelines>> Create(const PhysicalDevice& physical,
                                                           const DeviceApi& api, VkDevice device,
                                                           const char* cache_directory);
  ~Pipelines();  // keeps the cache file where something new was compiled
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  absl::StatusOr<VkPipeline> Get(Shader shader, const Constants& constants);
  // Begins to make it and returns at once; what goes wrong is told by Get.
  void Prepare(Shader shader, const Constants& constants);
  VkPipelineLayout layout() const { return layout_; }

 private:
  Pipelines(const DeviceApi& api, VkDevice device, bool keeps_nan)
      : api_(api), device_(device), keeps_nan_(keeps_nan) {}
  absl::Status Open(const PhysicalDevice& physical, const char* cache_directory);
  absl::StatusOr<VkPipeline> Make(Shader shader, const Constants& constants);
  void Keep();

  const DeviceApi& api_;
  VkDevice device_;
  const bool keeps_nan_;  // of shaders, where the device can
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::string cache_path_;  // empty: keep nothing
  using Key = std::pair<Shader, Constants>;
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded, all of these. VK_NULL_HANDLE: being made.
  std::map<Key, VkPipeline> made_;
  std::deque<Key> wanted_;
  std::vector<std::thread> threads_;
  bool closing_ = false;
};

// The cache file's bytes: what the driver gave behind a header with its length and checksum.
std::string PackCache(const std::string& data);
// What the driver gave; empty where the file is damaged in any way.
std::string UnpackCache(const std::string& file);

}  // namespace raison::vulkan
