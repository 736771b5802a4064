// The plug-in loader: what is found where, and what is refused with which sentence.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>

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
  for (const char* number : {"-1", "+0", " 0", "0 ", "", "0x0", "99999999999"}) {
    EXPECT_TRUE(Says(Refusal(std::string("mirror:") + number), "number")) << number;
  }
  EXPECT_TRUE(Says(Refusal("nothing"), "known: cpu, reference"));
  EXPECT_TRUE(Says(Refusal("mirror", "/nowhere"), "there is no device \"mirror\""));

  const std::string broken = ::testing::TempDir() + "raison_broken";
  std::filesystem::create_directories(broken);
  std::ofstream(broken + "/libraison-broken.so") << "this is no library";
  EXPECT_TRUE(Says(Refusal("broken", broken), "libraison-broken.so"));
}

// The odd plug-in, for the time of one test.
class OddPlugin : public ::testing::Test {
 protected:
  ~OddPlugin() override { unsetenv("RAISON_ODD"); }
  static void Be(const std::string& odd) { setenv("RAISON_ODD", odd.c_str(), 1); }
  static const DeviceEntry* Find(const std::vector<DeviceEntry>& list, const std::string& name) {
    for (const DeviceEntry& entry : list) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }
};

struct TableEntry {
  std::string name;
  bool required;
};

// The functions of the table, as backend.h has them.
std::vector<TableEntry> EntriesOfTheHeader() {
  std::ifstream file(RAISON_BACKEND_HEADER);
  std::string text(std::istreambuf_iterator<char>(file), {});
  text = text.substr(text.find("typedef struct rsn_backend {"));
  text = text.substr(0, text.find("} rsn_backend;"));
  const std::regex entry(R"(\(\*(\w+)\)\([^;]*\);( *\/\* \[required\])?)");
  std::vector<TableEntry> entries;
  for (std::sregex_iterator i(text.begin(), text.end(), entry), end; i != end; ++i) {
    entries.push_back({(*i)[1], (*i)[2].matched});
  }
  return entries;
}

TEST_F(OddPlugin, ATableWithoutARequiredEntryIsRefusedByItsName) {
  ExpectWorks("odd", kFolder);
  const std::vector<TableEntry> entries = EntriesOfTheHeader();
  constexpr size_t kFirst = offsetof(rsn_backend, device_count);
  ASSERT_EQ(kFirst + entries.size() * sizeof(void*), sizeof(rsn_backend));
  int required = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const TableEntry& entry = entries[i];
    Be("lacks " + std::to_string(kFirst + i * sizeof(void*)));
    if (entry.required) {
      ++required;
      const std::string lacks = "back end odd: its table lacks the required entry " + entry.name;
      EXPECT_EQ(Refusal("odd"), lacks);
      const auto list = ListDevices(kFolder);
      ASSERT_TRUE(list.ok()) << list.status();
      const DeviceEntry* odd = Find(*list, "odd");
      ASSERT_NE(odd, nullptr);
      EXPECT_EQ(odd->problem, lacks);
    } else if (entry.name.find("record") != std::string::npos || entry.name == "replay") {
      EXPECT_TRUE(Says(Refusal("odd"), "not all four"));
    } else {
      EXPECT_TRUE(entry.name == "mla_attention" || entry.name == "device_query" ||
                  entry.name == "weight_repeated")
          << entry.name;
      ExpectWorks("odd", kFolder);
    }
  }
  EXPECT_EQ(required, 27);
}

TEST_F(OddPlugin, AFailureWithoutASentenceIsOneStill) {
  for (const char* odd : {"wordless", "silent"}) {
    Be(odd);
    EXPECT_EQ(Refusal("odd"), "back end odd: code -32");
  }
  Be("later");
  EXPECT_TRUE(Says(Refusal("odd"), "version 2"));
  Be("crowd");
  EXPECT_TRUE(Says(Refusal("odd"), "4294967295 devices"));
}

TEST_F(OddPlugin, AnUnknownKindOfDeviceIsNoGpu) {
  Be("kind");
  const auto list = ListDevices(kFolder);
  ASSERT_TRUE(list.ok()) << list.status();
  const DeviceEntry* odd = Find(*list, "odd:0");
  ASSERT_NE(odd, nullptr);
  EXPECT_EQ(odd->problem, "");
  EXPECT_EQ(odd->info.kind, 0u);
  const auto device = Device::Open("odd", {.threads = 1, .backend_path = kFolder});
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->Info().kind, 0u);
}

TEST(PluginTest, ItsNameIsWhatStandsBetweenPrefixAndSuffix) {
  const std::string folder = ::testing::TempDir() + "raison_names";
  std::filesystem::create_directories(folder);
  for (const auto& [file, name] :
       std::map<std::string, std::string>{{"libraison-vulkan.so", "vulkan"},
                                          {"libm.so.6", "libm.so.6"},
                                          {"passwd", "passwd"},
                                          {"so", "so"},
                                          {"mine.so", "mine"}}) {
    std::ofstream(folder + "/" + file) << "this is no library";
    const std::vector<Plugin> found = FindPlugins(folder + "/" + file);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front().name, name);
  }
}

TEST(PluginTest, NamesThatADeviceCouldNotHaveAreRefused) {
  const std::string folder = ::testing::TempDir() + "raison_reserved";
  std::filesystem::create_directories(folder);
  for (const char* name : {"a:b", "a,b", "a=1", ""}) {
    const std::string file = folder + "/libraison-" + name + ".so";
    std::filesystem::copy_file(kFolder + "/libraison-mirror.so", file,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(Says(std::string(CheckBackendPath(file).message()), "must have another name"));
  }
  const auto list = ListDevices(folder);
  ASSERT_TRUE(list.ok()) << list.status();
  int refused = 0;
  for (const DeviceEntry& e : *list) refused += Says(e.problem, "must have another name") ? 1 : 0;
  EXPECT_EQ(refused, 4);
}

TEST(PluginTest, APathWithoutPluginsIsRefused) {
  const std::string empty = ::testing::TempDir() + "raison_empty";
  std::filesystem::create_directories(empty);
  const std::string cpu = ::testing::TempDir() + "libraison-cpu.so";
  std::filesystem::copy_file(kFolder + "/libraison-mirror.so", cpu,
                             std::filesystem::copy_options::overwrite_existing);
  const std::map<std::string, std::string> wrong = {
      {"/nowhere", "there is no plug-in /nowhere"},
      {empty, "has no plug-in: no file libraison-NAME.so"},
      {kFolder + "/libraison-foreign.so", "it is no plug-in"},
      {kFolder + "/libraison-later.so", "version 2 of the back-end table"},
      {cpu, "the library has a back end cpu of its own"}};
  for (const auto& [path, why] : wrong) {
    const auto list = ListDevices(path);
    EXPECT_EQ(list.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(Says(std::string(list.status().message()), why));
  }
  for (const std::string& right : {std::string(), kFolder, kFolder + "/libraison-mirror.so",
                                   kFolder + "/libraison-driverless.so"}) {
    EXPECT_TRUE(CheckBackendPath(right).ok()) << CheckBackendPath(right);
  }
}

TEST(PluginTest, AWrongPlaceOfTheEnvironmentIsListed) {
  setenv("RAISON_BACKEND_PATH", ("/nowhere:" + kFolder).c_str(), 1);
  const auto list = ListDevices("");
  unsetenv("RAISON_BACKEND_PATH");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->back().name, "/nowhere");
  EXPECT_TRUE(Says(list->back().problem, "RAISON_BACKEND_PATH: there is no plug-in /nowhere"));
  int mirrors = 0;
  for (const DeviceEntry& e : *list) mirrors += e.name == "mirror:0" ? 1 : 0;
  EXPECT_EQ(mirrors, 1);
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
