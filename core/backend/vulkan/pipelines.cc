#include "core/backend/vulkan/pipelines.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <system_error>

#include "absl/strings/str_format.h"
#include "core/base/os/files.h"

namespace raison::vulkan {
namespace {

constexpr uint32_t kPushBytes = 128;
constexpr size_t kMostThreads = 4;  // that compile: beside those that load
constexpr char kMagic[9] = "RSNVKPC1";
constexpr size_t kHeader = 8 + 8 + 8;                    // magic, length, checksum
constexpr uint64_t kLargestCache = uint64_t{256} << 20;  // more is not ours

// Quads may be of subgroups of any size, as long as the shader is told the true one and all of
// them are whole; a matrix unit's subgroups are of the driver's usual size.
VkPipelineShaderStageCreateFlags SubgroupFlags(Shader shader) {
  constexpr VkPipelineShaderStageCreateFlags kWhole =
      VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
  if (UsesQuads(shader)) {
    return kWhole | VK_PIPELINE_SHADER_STAGE_CREATE_ALLOW_VARYING_SUBGROUP_SIZE_BIT_EXT;
  }
  return shader == Shader::kMatmulTilesMatrix ? kWhole : 0;
}

}  // namespace

std::string PackCache(const std::string& data) {
  const uint64_t size = data.size(), sum = Fnv1a(data.data(), data.size());
  std::string file(kMagic, 8);
  file.append(reinterpret_cast<const char*>(&size), 8);
  file.append(reinterpret_cast<const char*>(&sum), 8);
  return file + data;
}

std::string UnpackCache(const std::string& file) {
  uint64_t size = 0, sum = 0;
  if (file.size() < kHeader || std::memcmp(file.data(), kMagic, 8) != 0) return "";
  std::memcpy(&size, &file[8], 8);
  std::memcpy(&sum, &file[16], 8);
  if (size != file.size() - kHeader || sum != Fnv1a(&file[kHeader], size)) return "";
  return file.substr(kHeader);
}

absl::StatusOr<std::unique_ptr<Pipelines>> Pipelines::Create(const PhysicalDevice& physical,
                                                             const DeviceApi& api, VkDevice device,
                                                             const char* cache_directory) {
  auto pipelines = std::unique_ptr<Pipelines>(new Pipelines(api, device, physical.keeps_nan));
  RSN_RETURN_IF_ERROR(pipelines->Open(physical, cache_directory));
  return pipelines;
}

absl::Status Pipelines::Open(const PhysicalDevice& physical, const char* cache_directory) {
  const VkPushConstantRange range = {
      .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .offset = 0, .size = kPushBytes};
  const VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .pushConstantRangeCount = 1,
                                             .pPushConstantRanges = &range};
  RSN_RETURN_IF_ERROR(CheckResult("making the pipelines' layout",
                                  api_.CreatePipelineLayout(device_, &layout, nullptr, &layout_)));
  std::string old;
  if (cache_directory != nullptr && *cache_directory != 0) {
    std::string uuid;
    for (uint8_t byte : physical.uuid) absl::StrAppendFormat(&uuid, "%02x", byte);
    cache_path_ =
        JoinPath(cache_directory, absl::StrFormat("vulkan-%s-%08x-%016x.bin", uuid,
                                                  physical.driver_version, HashOfShaders()));
    const absl::StatusOr<std::string> file = ReadTextFile(cache_path_, kLargestCache);
    if (file.ok()) old = UnpackCache(*file);
  }
  const VkPipelineCacheCreateInfo cache = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                           .initialDataSize = old.size(),
                                           .pInitialData = old.empty() ? nullptr : old.data()};
  return CheckResult("making a pipeline cache",
                     api_.CreatePipelineCache(device_, &cache, nullptr, &cache_));
}

Pipelines::~Pipelines() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  Keep();
  for (const auto& [key, pipeline] : made_) api_.DestroyPipeline(device_, pipeline, nullptr);
  if (cache_ != VK_NULL_HANDLE) api_.DestroyPipelineCache(device_, cache_, nullptr);
  if (layout_ != VK_NULL_HANDLE) api_.DestroyPipelineLayout(device_, layout_, nullptr);
}

// What cannot be written is made again next time: no error.
void Pipelines::Keep() {
  if (cache_path_.empty() || cache_ == VK_NULL_HANDLE || made_.empty()) return;
  size_t size = 0;
  if (api_.GetPipelineCacheData(device_, cache_, &size, nullptr) != VK_SUCCESS) return;
  std::string data(size, 0);
  if (api_.GetPipelineCacheData(device_, cache_, &size, data.data()) != VK_SUCCESS) return;
  data.resize(size);
  const std::string file = PackCache(data);
  const absl::StatusOr<std::string> old = ReadTextFile(cache_path_, kLargestCache);
  if (old.ok() && *old == file) return;
  absl::StatusOr<AtomicFile> out = AtomicFile::Create(cache_path_);
  if (out.ok() && out->Write(file.data(), file.size()).ok()) out->Commit().IgnoreError();
}

absl::StatusOr<VkPipeline> Pipelines::Get(Shader shader, const Constants& constants) {
  const Key key(shader, constants);
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto [found, is_new] = made_.emplace(key, VK_NULL_HANDLE);
    if (is_new) break;
    if (found->second != VK_NULL_HANDLE) return found->second;
    changed_.wait(lock);  // somebody makes it; who fails takes it out again
  }
  lock.unlock();
  absl::StatusOr<VkPipeline> pipeline = Make(shader, constants);
  lock.lock();
  if (pipeline.ok()) {
    made_[key] = *pipeline;
  } else {
    made_.erase(key);
  }
  changed_.notify_all();
  return pipeline;
}

void Pipelines::Prepare(Shader shader, const Constants& constants) {
  std::lock_guard lock(mutex_);
  const Key key(shader, constants);
  if (made_.contains(key) || std::find(wanted_.begin(), wanted_.end(), key) != wanted_.end())
    return;
  wanted_.push_back(key);
  if (threads_.size() < kMostThreads && threads_.size() < std::thread::hardware_concurrency()) {
    try {
      threads_.emplace_back([this] { Work(); });
    } catch (const std::system_error&) {  // no thread to be had: Get makes it
      wanted_.pop_back();
    }
  }
  changed_.notify_all();
}

void Pipelines::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || !wanted_.empty(); });
    if (closing_) return;
    const Key key = wanted_.front();
    wanted_.pop_front();
    lock.unlock();
    try {
      Get(key.first, key.second).status().IgnoreError();  // who needs it asks again and hears
    } catch (const std::exception&) {                     // out of memory
    }
    lock.lock();
  }
}

absl::StatusOr<VkPipeline> Pipelines::Make(Shader shader, const Constants& constants) {
  const ShaderCode code = CodeOf(shader);
  std::vector<uint32_t> words;
  if (keeps_nan_) words = KeepNan(code);
  const VkShaderModuleCreateInfo module_info = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
      .codeSize = keeps_nan_ ? words.size() * 4 : code.bytes,
      .pCode = keeps_nan_ ? words.data() : code.words};
  VkShaderModule module = VK_NULL_HANDLE;
  RSN_RETURN_IF_ERROR(
      CheckResult(absl::StrCat("loading the shader ", code.name),
                  api_.CreateShaderModule(device_, &module_info, nullptr, &module)));
  std::array<VkSpecializationMapEntry, std::tuple_size_v<Constants>> entries;
  for (uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, i * 4, 4};
  const VkSpecializationInfo special = {.mapEntryCount = static_cast<uint32_t>(entries.size()),
                                        .pMapEntries = entries.data(),
                                        .dataSize = sizeof constants,
                                        .pData = constants.data()};
  const VkComputePipelineCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .flags = SubgroupFlags(shader),
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &special},
      .layout = layout_};
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result =
      api_.CreateComputePipelines(device_, cache_, 1, &info, nullptr, &pipeline);
  api_.DestroyShaderModule(device_, module, nullptr);
  RSN_RETURN_IF_ERROR(CheckResult(absl::StrCat("compiling the shader ", code.name), result));
  return pipeline;
}

}  // namespace raison::vulkan
