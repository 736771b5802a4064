// Compute pipelines, made when first used, and their cache file: named by device, driver version
// and shaders, with a checksum of its own because drivers have crashed on damaged ones.
// Thread-safe.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "core/backend/vulkan/api.h"
#include "core/backend/vulkan/instance.h"
#include "core/backend/vulkan/shaders.h"

namespace raison::vulkan {

// Specialisation constants 0 to 6 of a shader; those that it does not have are ignored.
using Constants = std::array<uint32_t, 7>;

class Pipelines {
 public:
  static absl::StatusOr<std::unique_ptr<Pipelines>> Create(const PhysicalDevice& physical,
                                                           const DeviceApi& api, VkDevice device,
                                                           const char* cache_directory);
  ~Pipelines();  // keeps the cache file where something new was compiled
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  absl::StatusOr<VkPipeline> Get(Shader shader, const Constants& constants);
  VkPipelineLayout layout() const { return layout_; }

 private:
  Pipelines(const DeviceApi& api, VkDevice device) : api_(api), device_(device) {}
  absl::Status Open(const PhysicalDevice& physical, const char* cache_directory);
  absl::StatusOr<VkPipeline> Make(Shader shader, const Constants& constants);
  void Keep();

  const DeviceApi& api_;
  VkDevice device_;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::string cache_path_;  // empty: keep nothing
  std::mutex mutex_;
  std::map<std::pair<Shader, Constants>, VkPipeline> made_;  // guarded
};

// The cache file's bytes: what the driver gave behind a header with its length and checksum.
std::string PackCache(const std::string& data);
// What the driver gave; empty where the file is damaged in any way.
std::string UnpackCache(const std::string& file);

}  // namespace raison::vulkan
