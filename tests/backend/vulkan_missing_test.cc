// What the Vulkan back end says where something is missing: the loader, a driver, a feature; and
// pipeline cache files that are not what was written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/backend/vulkan/instance.h"
#include "core/backend/vulkan/pipelines.h"
#include "core/backend/vulkan/shaders.h"
#include "tests/backend/exports.h"
#include "tests/backend/vulkan_plugin.h"

namespace raison {
namespace {

// Opening fails with a sentence that has `words`; name and version are there all the same.
void ExpectNoDevice(const char* words) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  const rsn_backend_host host{.struct_size = sizeof host};
  EXPECT_EQ(OpenPlugin(&host, &table), -32);
  EXPECT_EQ(table.version, RSN_BACKEND_VERSION);
  ASSERT_NE(table.name, nullptr);
  EXPECT_STREQ(table.name, "vulkan");
  ASSERT_NE(table.last_error, nullptr);
  EXPECT_NE(std::string(table.last_error()).find(words), std::string::npos) << table.last_error();
  EXPECT_EQ(table.device_open, nullptr);
}

TEST(VulkanMissing, ExportsAVersion) {
  ASSERT_NE(Plugin(), nullptr);
  const auto version = reinterpret_cast<uint32_t (*)()>(dlsym(Plugin(), "rsn_backend_version"));
  ASSERT_NE(version, nullptr);
  EXPECT_EQ(version(), RSN_BACKEND_VERSION);
}

TEST(VulkanPlugin, ShowsTwoNames) { ExpectTwoNames(RAISON_VULKAN_PLUGIN); }

TEST(VulkanMissing, TheLoaderADriver) {
  setenv("RAISON_VULKAN_LOADER", "/nonexistent/libvulkan.so.1", 1);
  ExpectNoDevice("/nonexistent/libvulkan.so.1");
  setenv("RAISON_VULKAN_LOADER", "libm.so.6", 1);
  ExpectNoDevice("vkGetInstanceProcAddr");
  unsetenv("RAISON_VULKAN_LOADER");
  void* loader = dlopen("libvulkan.so.1", RTLD_NOW);
  if (loader == nullptr) GTEST_SKIP() << "libvulkan.so.1 is not installed (Debian: libvulkan1)";
  setenv("VK_DRIVER_FILES", "/nonexistent/driver.json", 1);
  setenv("VK_ICD_FILENAMES", "/nonexistent/driver.json", 1);
  ExpectNoDevice("driver");
}

TEST(VulkanMissing, AFeatureIsNamed) {
  using vulkan::Capabilities;
  using vulkan::ProblemOf;
  const Capabilities all = {.api_version = VK_API_VERSION_1_2,
                            .buffer_device_address = true,
                            .timeline_semaphore = true,
                            .shader_int64 = true,
                            .storage_16bit = true,
                            .push_constants = 128,
                            .shared_memory = 16384,
                            .invocations = 256,
                            .compute_queue = true};
  EXPECT_EQ(ProblemOf(all), "");
  const auto without = [&](auto change) {
    Capabilities c = all;
    change(c);
    return ProblemOf(c);
  };
  EXPECT_EQ(without([](auto& c) { c.api_version = VK_API_VERSION_1_1; }),
            "it offers Vulkan 1.1, 1.2 is needed");
  EXPECT_NE(without([](auto& c) { c.compute_queue = false; }), "");
  EXPECT_EQ(without([](auto& c) { c.buffer_device_address = false; }),
            "it lacks bufferDeviceAddress");
  EXPECT_EQ(without([](auto& c) { c.timeline_semaphore = false; }), "it lacks timelineSemaphore");
  EXPECT_EQ(without([](auto& c) { c.shader_int64 = false; }), "it lacks shaderInt64");
  EXPECT_EQ(without([](auto& c) { c.storage_16bit = false; }), "it lacks storageBuffer16BitAccess");
  EXPECT_NE(without([](auto& c) { c.push_constants = 64; }).find("64"), std::string::npos);
  EXPECT_NE(without([](auto& c) { c.shared_memory = 8192; }).find("8192"), std::string::npos);
}

// Every module gets the capability first and the mode of its one function behind it, and keeps all
// else.
TEST(VulkanMissing, ShadersKeepNanWhereTheDeviceCan) {
  for (uint32_t s = 0; s < static_cast<uint32_t>(vulkan::Shader::kCount); ++s) {
    const vulkan::ShaderCode code = vulkan::CodeOf(static_cast<vulkan::Shader>(s));
    std::vector<uint32_t> words = vulkan::KeepNan(code);
    ASSERT_EQ(words.size(), code.bytes / 4 + 6) << code.name;
    EXPECT_EQ(words[5], 0x20011u) << code.name;
    EXPECT_EQ(words[6], 4466u) << code.name;
    words.erase(words.begin() + 5, words.begin() + 7);
    const auto mode = std::find(words.begin(), words.end(), 4461u);
    ASSERT_NE(mode, words.end()) << code.name;
    EXPECT_EQ(mode[-2], 0x40010u) << code.name;
    EXPECT_EQ(mode[1], 32u) << code.name;
    words.erase(mode - 2, mode + 2);
    EXPECT_TRUE(std::equal(words.begin(), words.end(), code.words)) << code.name;
  }
}

TEST(VulkanMissing, ACacheFileThatIsNotWhatWasWritten) {
  const std::string data = "what a driver gave";
  const std::string file = vulkan::PackCache(data);
  EXPECT_EQ(vulkan::UnpackCache(file), data);
  for (size_t n = 0; n < file.size(); ++n) EXPECT_EQ(vulkan::UnpackCache(file.substr(0, n)), "");
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_EQ(vulkan::UnpackCache(damaged), "") << i;
  }
}

}  // namespace
}  // namespace raison
