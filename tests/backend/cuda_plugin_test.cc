// libraison-cuda.so as it leaves the build: what it shows and needs, what it says on a machine without
// a driver; and where a card is present, the conformance kit on it.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/backend/conformance/conformance.h"
#include "core/backend/reference/reference_backend.h"
#include "tests/backend/exports.h"
#include "tests/backend/kit_report.h"

namespace raison {
namespace {

using OpenFunction = int32_t (*)(const rsn_backend_host*, rsn_backend*);

void* Plugin() {
  static void* const plugin = dlopen(RAISON_CUDA_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  return plugin;
}
OpenFunction Open() { return reinterpret_cast<OpenFunction>(dlsym(Plugin(), "rsn_backend_open")); }

TEST(CudaPluginTest, LoadsAndSaysItsVersion) {
  ASSERT_NE(Plugin(), nullptr) << dlerror();
  const auto version = reinterpret_cast<uint32_t (*)()>(dlsym(Plugin(), "rsn_backend_version"));
  ASSERT_NE(version, nullptr);
  EXPECT_EQ(version(), RSN_BACKEND_VERSION);
  ASSERT_NE(Open(), nullptr);
}

TEST(CudaPluginTest, ShowsTwoNames) { ExpectTwoNames(RAISON_CUDA_PLUGIN); }

TEST(CudaPluginTest, NeedsTheRunTimeLibrariesOnly) {
  const std::set<std::string> allowed = {"libc.so.6",         "libm.so.6",      "libstdc++.so.6",
                                         "libgcc_s.so.1",     "libdl.so.2",     "libpthread.so.0",
                                         "librt.so.1",        "ld-linux-x86-64.so.2"};
  const auto needed = Lines("readelf -dW " RAISON_CUDA_PLUGIN
                            " | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'");
  EXPECT_FALSE(needed.empty());
  for (const std::string& name : needed) EXPECT_TRUE(allowed.count(name)) << name;
}

TEST(CudaPluginTest, SaysWhatIsMissingWithoutADriver) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  const int32_t code = Open()(nullptr, &table);
  EXPECT_STREQ(table.name, "cuda");
  EXPECT_EQ(table.version, RSN_BACKEND_VERSION);
  ASSERT_NE(table.last_error, nullptr);
  if (code == 0) GTEST_SKIP() << "this machine has a driver";
  EXPECT_EQ(code, -32);
  EXPECT_NE(std::string(table.last_error()).find("NVIDIA driver"), std::string::npos)
      << table.last_error();
  EXPECT_EQ(table.device_count(), 0u);
  rsn_device_info info{};
  info.struct_size = sizeof info;
  EXPECT_EQ(table.device_query(0, &info), -32);
  rsn_device_state* device = nullptr;
  EXPECT_EQ(table.device_open(nullptr, 0, &device), -32);
  EXPECT_EQ(device, nullptr);
}

// A host that knows only the table's beginning gets only that.
TEST(CudaPluginTest, WritesNoMoreThanTheHostKnows) {
  rsn_backend table;
  std::memset(&table, 0x77, sizeof table);
  table.struct_size = offsetof(rsn_backend, buffer_new);
  Open()(nullptr, &table);
  EXPECT_EQ(table.struct_size, offsetof(rsn_backend, buffer_new));
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(&table);
  for (size_t i = offsetof(rsn_backend, buffer_new); i < sizeof table; ++i) {
    ASSERT_EQ(bytes[i], 0x77) << i;
  }
  table.struct_size = 3;
  EXPECT_EQ(Open()(nullptr, &table), -10);
  EXPECT_EQ(Open()(nullptr, nullptr), -10);
}

TEST(CudaPluginTest, KitOnTheCard) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  if (Open()(nullptr, &table) != 0 || table.device_count() == 0) {
    GTEST_SKIP() << "no card: " << table.last_error();
  }
  const absl::StatusOr<conformance::Report> report = conformance::RunSuite(
      {.subject = Open(), .reference = OpenReferenceBackend, .threads = {1, 1}});
  ASSERT_TRUE(report.ok()) << report.status();
  conformance::ExpectGreen(*report);
}

}  // namespace
}  // namespace raison
