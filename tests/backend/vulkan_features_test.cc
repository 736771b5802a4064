// What of a device's optional abilities the Vulkan back end uses: every choice gives the same bits,
// known faults of drivers are kept away from, and so is what fails when it is tried.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/backend/conformance/conformance.h"
#include "core/backend/vulkan/features.h"
#include "tests/backend/vulkan_plugin.h"

namespace raison {
namespace {

using vulkan::Fault;
using vulkan::FaultsOf;
using vulkan::Features;
using vulkan::PhysicalDevice;
using vulkan::WantedFeatures;

constexpr const char* kUse = "RAISON_VULKAN_USE";

void KeepLine(void* to, uint32_t, const char* text) {
  static_cast<std::vector<std::string>*>(to)->emplace_back(text);
}

TEST(VulkanFeatures, EveryChoiceGivesTheSameBits) {
  SKIP_WITHOUT_A_DRIVER();
  std::vector<conformance::Problem> problems;
  std::string last;
  int seen = 0;
  for (const conformance::Case& c : conformance::AllCases()) {
    if (c.op != "matmul" && c.op != "moe_experts" && c.op != "mla_attention") continue;
    if (seen++ % 9 == 0) problems.push_back(c.make(1));
  }
  ASSERT_GT(problems.size(), 15u);
  std::vector<conformance::Contents> plain;
  for (const std::string use : {"none", "dot", "quads", "dot,quads"}) {
    setenv(kUse, use.c_str(), 1);
    std::vector<std::string> lines;
    {
      Opened opened({.struct_size = sizeof(rsn_backend_host),
                     .threads = 1,
                     .context = &lines,
                     .log = KeepLine});
    }
    ASSERT_EQ(lines.size(), 1u) << "a warning: llvmpipe has both";
    std::string used = use == "dot,quads" ? "dot, quads" : use;
    EXPECT_NE(lines[0].find("uses: " + used), std::string::npos) << lines[0];
    const auto bench = conformance::Bench::Open({.open = OpenPlugin, .threads = 1});
    ASSERT_TRUE(bench.ok()) << bench.status();
    for (size_t i = 0; i < problems.size(); ++i) {
      const auto got = (*bench)->Run(problems[i], conformance::Mode::kDirect);
      ASSERT_TRUE(got.ok()) << got.status();
      if (use == "none") {
        plain.push_back(*got);
      } else {
        EXPECT_TRUE(*got == plain[i]) << use << ", problem " << i;
      }
    }
  }
  unsetenv(kUse);
}

PhysicalDevice Card(uint32_t vendor, VkDriverId driver) {
  PhysicalDevice card;
  card.vendor = vendor;
  card.driver_id = driver;
  card.type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
  card.offers = {.integer_dot = true, .quads = true, .matrix = true};
  card.integer_dot_accelerated = card.mixed_dot_accelerated = true;
  return card;
}

TEST(VulkanFeatures, FaultsOfDriversAreKeptAwayFrom) {
  unsetenv(kUse);
  const PhysicalDevice nvidia = Card(0x10de, VK_DRIVER_ID_NVIDIA_PROPRIETARY);
  EXPECT_TRUE(FaultsOf(nvidia).empty());
  EXPECT_TRUE(WantedFeatures(nvidia).integer_dot && WantedFeatures(nvidia).quads);
  PhysicalDevice slow = nvidia;
  slow.integer_dot_accelerated = false;
  EXPECT_FALSE(WantedFeatures(slow).integer_dot) << "the driver says that it is slow";
  PhysicalDevice amd = Card(0x1002, VK_DRIVER_ID_AMD_PROPRIETARY);
  EXPECT_TRUE(WantedFeatures(amd).integer_dot);
  amd.mixed_dot_accelerated = false;  // before RDNA3
  EXPECT_FALSE(WantedFeatures(amd).integer_dot);
  EXPECT_TRUE(WantedFeatures(amd).quads);
  amd.driver_id = VK_DRIVER_ID_MESA_RADV;
  EXPECT_TRUE(WantedFeatures(amd).integer_dot);
  EXPECT_TRUE(WantedFeatures(nvidia).matrix);
  EXPECT_TRUE(WantedFeatures(amd).matrix) << "Mesa asks the hardware";
  amd.driver_id = VK_DRIVER_ID_AMD_OPEN_SOURCE;
  EXPECT_FALSE(WantedFeatures(amd).matrix) << "claimed without hardware";
  amd.mixed_dot_accelerated = true;
  EXPECT_TRUE(WantedFeatures(amd).matrix);
  amd.type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  EXPECT_FALSE(WantedFeatures(amd).matrix);
  for (const Fault* fault : FaultsOf(amd))
    EXPECT_NE(fault->source.find("github.com/"), std::string::npos);
  EXPECT_FALSE(WantedFeatures(Card(0x8086, VK_DRIVER_ID_INTEL_PROPRIETARY_WINDOWS)).matrix);
  EXPECT_TRUE(WantedFeatures(Card(0x8086, VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA)).matrix);
}

TEST(VulkanFeatures, AListMayAskForNoMoreThanThereIs) {
  PhysicalDevice card = Card(0x10de, VK_DRIVER_ID_NVIDIA_PROPRIETARY);
  card.offers.quads = false;
  setenv(kUse, "quads,unknown,dot", 1);
  EXPECT_TRUE(WantedFeatures(card).integer_dot);
  EXPECT_FALSE(WantedFeatures(card).quads);
  setenv(kUse, "none", 1);
  EXPECT_FALSE(WantedFeatures(card).integer_dot);
  unsetenv(kUse);
}

}  // namespace
}  // namespace raison
