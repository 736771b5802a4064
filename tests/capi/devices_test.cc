// Devices and placement through the public headers: plug-ins of a folder, their problems, a model
// on one of them and on a split, and where its experts lie.
#include <gtest/gtest.h>

#include <map>

#include "raison/raison.hpp"

namespace {

constexpr const char* kPlugins = RAISON_PLUGIN_FOLDER;

raison::Model Load(const std::string& device, const std::string& experts = "") {
  raison::ModelOptions options;
  options.device = device;
  options.experts = experts;
  options.backend_path = kPlugins;
  options.threads = 1;
  return raison::Model("", options);
}

TEST(Devices, AreListedWithDriverAndProblem) {
  std::map<std::string, raison::Device> devices;
  for (const raison::Device& d : raison::Devices(kPlugins)) devices[d.name] = d;
  ASSERT_TRUE(devices.count("cpu") && devices.count("twins:0") && devices.count("twins:1") &&
              devices.count("driverless"));
  EXPECT_EQ(devices["cpu"].kind, RSN_DEVICE_CPU);
  EXPECT_EQ(devices["cpu"].problem, "");
  EXPECT_EQ(devices["twins:0"].kind, RSN_DEVICE_INTEGRATED_GPU);
  EXPECT_EQ(devices["twins:0"].driver, "1.2.3");
  EXPECT_EQ(devices["twins:0"].problem, "");
  EXPECT_EQ(devices["twins:1"].problem, "its memory is on fire");
  EXPECT_NE(devices["driverless"].problem.find("no driver of version 9"), std::string::npos);
}

TEST(Devices, AModelSaysWhereItLies) {
  EXPECT_EQ(Load("cpu").Info().device, "cpu");
  EXPECT_EQ(Load("").Info().device, "twins:0");
  const raison::Model split = Load("cpu=3,mirror", "cpu");
  EXPECT_EQ(split.Info().device, "cpu,mirror");
  const std::string plan = split.Plan(RSN_FORMAT_TEXT);
  EXPECT_NE(plan.find("cpu: layers 0-2 and their cache, routed experts of layers 3-7, embedding"),
            std::string::npos)
      << plan;
  EXPECT_NE(plan.find("mirror: layers 3-7 and their cache, without the routed experts of 3-7, "
                      "output"),
            std::string::npos)
      << plan;
}

TEST(Devices, ThatCannotBeUsedAreADeviceErrorWithTheReason) {
  for (const char* device : {"driverless", "later", "warp", "cpu=3", "cpu,cpu:1"}) {
    try {
      Load(device);
      ADD_FAILURE() << device << " was accepted";
    } catch (const raison::Error& error) {
      EXPECT_EQ(error.status(), RSN_ERR_DEVICE) << error.what();
      EXPECT_GT(std::string(error.what()).size(), 20u);
    }
  }
}

}  // namespace
