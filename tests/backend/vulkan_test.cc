// The Vulkan back end as a plug-in: opened by path, judged by the conformance kit on the software
// driver (ctest sets the environment), and its error paths.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "core/backend/conformance/conformance.h"
#include "core/backend/reference/reference_backend.h"

namespace raison {
namespace {

using OpenEntry = int32_t (*)(const rsn_backend_host*, rsn_backend*);

OpenEntry PluginOpen() {
  static const OpenEntry open = [] {
    void* library = dlopen(RAISON_VULKAN_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << dlerror();
    return library == nullptr ? nullptr
                              : reinterpret_cast<OpenEntry>(dlsym(library, "rsn_backend_open"));
  }();
  return open;
}

int32_t OpenPlugin(const rsn_backend_host* host, rsn_backend* table) {
  return PluginOpen()(host, table);
}

rsn_backend Table() {
  rsn_backend table{};
  table.struct_size = sizeof table;
  rsn_backend_host host{.struct_size = sizeof host};
  EXPECT_EQ(OpenPlugin(&host, &table), 0) << (table.last_error ? table.last_error() : "");
  return table;
}

bool HaveDevice() {
  rsn_backend table{};
  table.struct_size = sizeof table;
  rsn_backend_host host{.struct_size = sizeof host};
  return PluginOpen() != nullptr && OpenPlugin(&host, &table) == 0 && table.device_count() > 0;
}

#define SKIP_WITHOUT_A_DRIVER() \
  if (!HaveDevice()) GTEST_SKIP() << "no Vulkan driver is installed (Debian: mesa-vulkan-drivers)"

class Conformance : public testing::TestWithParam<const char*> {};

TEST_P(Conformance, Op) {
  SKIP_WITHOUT_A_DRIVER();
  const auto report = conformance::RunSuite({.subject = OpenPlugin,
                                             .reference = OpenReferenceBackend,
                                             .threads = {1},
                                             .only_op = GetParam()});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  EXPECT_TRUE(report->refused.empty()) << report->refused.front();
  for (const std::string& failure : report->failures) ADD_FAILURE() << failure;
  for (const auto& [key, worst] : report->worst) {
    printf("%s: %.3g (%s)\n", key.c_str(), worst.error, worst.where.c_str());
  }
}

INSTANTIATE_TEST_SUITE_P(Vulkan, Conformance,
                         testing::Values("embed", "gather_rows", "rms_norm", "rope_table", "rope",
                                         "silu_mul", "kv_write", "kv_copy_page", "matmul",
                                         "attention", "mla_attention", "moe_route", "moe_experts",
                                         "reduce_logits", "step"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace raison
