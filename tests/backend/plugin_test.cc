// The plug-in loader: what is found where, and what is refused with which sentence.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/backend/device.h"
#include "core/backend/queue.h"
#include "core/backend/registry.h"

namespace raison {
namespace {

const std::string kFolder = RAISON_PLUGIN_FOLDER;

::testing::AssertionResult Says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" lacks \"" << part << "\"";
}

std::string Refusal(const std::string& name, const std::string& path = kFolder) {
  const auto device = Device::Open(name, {.threads = 1, .backend_path = path});
  EXPECT_FALSE(device.ok()) << name;
  EXPECT_EQ(device.status().code(), absl::StatusCode::kUnavailable) << device.status();
  return std::string(device.status().message());
}

// One operation there and back.
void ExpectWorks(const std::string& name, const std::string& path) {
  const auto device = Device::Open(name, {.threads = 1, .backend_path = path});
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->name(), name);
  auto queue = Queue::Create(*device);
  ASSERT_TRUE(queue.ok()) << queue.status();
  auto gate = (*device)->NewBuffer(16), up = (*device)->NewBuffer(16);
  ASSERT_TRUE(gate.ok() && up.ok());
  const float values[4] = {0, 1, 2, 3};
  float out[4] = {9, 9, 9, 9};
  (*queue)->Upload(*gate, 0, values, sizeof values);
  (*queue)->Upload(*up, 0, values, sizeof values);
  const Tensor g = gate->View(DType::kF32, {1, 4}), u = up->View(DType::kF32, {1, 4});
  (*queue)->SiluMul({.gate = g, .up = u, .out = g});
  (*queue)->Download(out, *gate, 0, sizeof out);
  ASSERT_TRUE((*queue)->Synchronize().ok());
  EXPECT_EQ(out[0], 0);
  EXPECT_NEAR(out[1], 0.731059f, 1e-5f);
}

TEST(PluginTest, OneThatIsRightWorksByFolderByFileAndByVariable) {
  ExpectWorks("mirror", kFolder);
  ExpectWorks("mirror:0", kFolder);
  ExpectWorks("mirror", kFolder + "/libraison-mirror.so");
  setenv("RAISON_BACKEND_PATH", ("/nowhere:" + kFolder).c_str(), 1);
  ExpectWorks("mirror", "");
  unsetenv("RAISON_BACKEND_PATH");
}

TEST(PluginTest, WrongOnesAreRefusedWithTheReason) {
  EXPECT_TRUE(Says(Refusal("foreign"), "libraison-foreign.so does not export rsn_backend_version"));
  EXPECT_TRUE(Says(Refusal("later"), "was built for version 2 of the back-end table"));
  EXPECT_TRUE(Says(Refusal("driverless"), "no driver of version 9 is installed"));
  EXPECT_TRUE(Says(Refusal("mirror:1"), "mirror has 1"));
  EXPECT_TRUE(Says(Refusal("mirror:-1"), "number"));
  EXPECT_TRUE(Says(Refusal("nothing"), "known: cpu, reference"));
  EXPECT_TRUE(Says(Refusal("mirror", "/nowhere"), "there is no device \"mirror\""));

  const std::string broken = ::testing::TempDir() + "raison_broken";
  std::filesystem::create_directories(broken);
  std::ofstream(broken + "/libraison-broken.so") << "this is no library";
  EXPECT_TRUE(Says(Refusal("broken", broken), "libraison-broken.so"));
}

TEST(PluginTest, TheListHasEveryDeviceAndEveryProblem) {
  const auto list = ListDevices(kFolder);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_GE(list->size(), 6u);
  EXPECT_EQ(list->front().name, "cpu");
  EXPECT_EQ(list->front().problem, "");
  std::map<std::string, const DeviceEntry*> by_name;
  for (const DeviceEntry& entry : *list) by_name[entry.name] = &entry;
  ASSERT_TRUE(by_name.count("mirror:0") && by_name.count("twins:0") && by_name.count("twins:1"));
  EXPECT_EQ(by_name["mirror:0"]->problem, "");
  EXPECT_EQ(by_name["twins:0"]->problem, "");
  EXPECT_STREQ(by_name["twins:0"]->info.driver, "1.2.3");
  EXPECT_EQ(by_name["twins:1"]->problem, "its memory is on fire");
  ASSERT_TRUE(by_name.count("driverless") && by_name.count("foreign") && by_name.count("later"));
  EXPECT_TRUE(Says(by_name["driverless"]->problem, "no driver of version 9"));
}

TEST(PluginTest, ThoseOfPluginsAreListedFastestFirst) {
  const std::vector<DeviceEntry> list = ListPluginDevices(kFolder);
  ASSERT_GE(list.size(), 5u);
  EXPECT_EQ(list[0].name, "twins:0");
  EXPECT_EQ(list[1].name, "twins:1");
  for (size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i].IsSoftware(), i > 1) << list[i].name;
    EXPECT_NE(list[i].name, FallbackBackend());
    EXPECT_NE(list[i].name, "reference");
  }
}

TEST(PluginTest, NamesOfOneDeviceHaveOneId) {
  const auto short_name = Device::Open("mirror", {.threads = 1, .backend_path = kFolder});
  const auto long_name = Device::Open("mirror:0", {.threads = 1, .backend_path = kFolder});
  const auto other = Device::Open("twins:0", {.threads = 1, .backend_path = kFolder});
  const auto fallback = Device::Open(FallbackBackend(), {.threads = 1});
  ASSERT_TRUE(short_name.ok() && long_name.ok() && other.ok() && fallback.ok());
  EXPECT_EQ((*short_name)->id(), (*long_name)->id());
  EXPECT_NE((*short_name)->id(), (*other)->id());
  EXPECT_EQ(*ParseDeviceName("mirror:0"), (*short_name)->id());
  EXPECT_NE(*ParseDeviceName("mirror:1"), (*short_name)->id());
  EXPECT_FALSE(ParseDeviceName("mirror:x").ok());
  EXPECT_TRUE((*short_name)->IsPlugin());
  EXPECT_FALSE((*fallback)->IsPlugin());
}

TEST(PluginTest, TheLibraryIsOpenOnceHoweverOftenItIsAskedFor) {
  const auto first = Device::Open("mirror", {.threads = 1, .backend_path = kFolder});
  const auto second = Device::Open("mirror", {.threads = 1, .backend_path = kFolder});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->table().embed, (*second)->table().embed);
  EXPECT_NE((*first)->state(), (*second)->state());
}

}  // namespace
}  // namespace raison
