// The example plug-in of samples/backend, opened as the library opens one: it exports two symbols
// and no more, the kit is green, what it refuses is named, and whole models run on it.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "core/backend/conformance/conformance.h"
#include "core/backend/reference/reference_backend.h"
#include "core/backend/registry.h"
#include "core/model/end_to_end/end_to_end.h"
#include "tests/backend/exports.h"

namespace raison {
namespace {

conformance::OpenFunction OpenExample() {
  static void* const library = dlopen(RAISON_EXAMPLE_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    ADD_FAILURE() << dlerror();
    return nullptr;
  }
  const auto version = reinterpret_cast<uint32_t (*)()>(dlsym(library, "rsn_backend_version"));
  if (version == nullptr || version() != RSN_BACKEND_VERSION) return nullptr;
  return reinterpret_cast<conformance::OpenFunction>(dlsym(library, "rsn_backend_open"));
}

TEST(ExamplePlugin, ShowsTwoNames) { ExpectTwoNames(RAISON_EXAMPLE_PLUGIN); }

TEST(ExamplePlugin, PassesTheKit) {
  const conformance::OpenFunction open = OpenExample();
  ASSERT_NE(open, nullptr);
  const auto report = conformance::RunSuite({.subject = open,
                                             .reference = OpenReferenceBackend,
                                             .threads = {3, 1},
                                             .weight_flags = RSN_WEIGHT_MAY_REFERENCE});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 300);
  EXPECT_TRUE(report->failures.empty()) << FormatReport(*report, false);
  // Each refusal is an optional operation or another element type, and says so.
  EXPECT_FALSE(report->refused.empty());
  for (const conformance::Refusal& r : report->refused) {
    if (absl::StartsWith(r.name, "mla_attention/")) continue;
    EXPECT_TRUE(absl::StrContains(r.why, "takes f32") ||
                absl::StrContains(r.why, "supports refuses"))
        << r.name << ": " << r.why;
    for (const char* required : {"/F32", "/F16", "/Q8_0"}) {
      EXPECT_FALSE(absl::StrContains(r.name, required)) << r.name << ": " << r.why;
    }
  }
  std::cout << FormatReport(*report, /*verbose=*/true);
}

TEST(ExamplePlugin, RunsAWholeModel) {
  const conformance::OpenFunction open = OpenExample();
  ASSERT_NE(open, nullptr);
  ASSERT_TRUE(RegisterBackend("example-under-test", open).ok());
  const auto subject = Device::Open("example-under-test", {});
  const auto reference = Device::Open("reference", {});
  ASSERT_TRUE(subject.ok() && reference.ok()) << subject.status();
  // The second one needs latent attention, which the host composes here.
  for (const char* model : {"random llama, F32", "random deepseek_v3, F32"}) {
    const auto report = conformance::RunEndToEnd(
        {.subject = *subject, .reference = *reference, .only = model, .tokens = 64});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->results.size(), 1u);
    EXPECT_TRUE(report->failures.empty()) << FormatEndToEnd(*report);
  }
}

}  // namespace
}  // namespace raison
