// A device that is lost, full or cannot compile while a program uses it: the request ends with a status
// and a sentence, other devices go on, nothing stays behind, and the device can be opened again.
#include <dlfcn.h>

#include <cstdlib>

#include "core/backend/registry.h"
#include "tests/session/failing_vulkan.h"
#include "tests/session/fixture.h"

namespace raison::testing {
namespace {

class VulkanFailures : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("RAISON_VULKAN_LOADER", RAISON_FAILING_VULKAN, 1);
    void* loader = dlopen(RAISON_FAILING_VULKAN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(loader, nullptr) << dlerror();
    fail_ = reinterpret_cast<FailVulkanFunction>(dlsym(loader, "FailVulkan"));
    live_ = reinterpret_cast<LiveVulkanObjectsFunction>(dlsym(loader, "LiveVulkanObjects"));
    ASSERT_NE(fail_, nullptr);
    ASSERT_NE(live_, nullptr);
    fail_(VulkanFailure::kNone);
    const auto device = Device::Open("vulkan:0", {.backend_path = RAISON_VULKAN_FOLDER});
    if (!device.ok()) GTEST_SKIP() << device.status().message();
  }
  void TearDown() override {
    if (fail_ == nullptr) return;
    fail_(VulkanFailure::kNone);
    EXPECT_EQ(live_(), 0);
  }

  static ModelOptions OnVulkan() {
    return {.device = "vulkan:0", .backend_path = RAISON_VULKAN_FOLDER, .threads = 1};
  }
  static absl::StatusOr<std::shared_ptr<Model>> Load() {
    return Model::Load(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf", OnVulkan());
  }
  static GenerateOptions Tokens(uint32_t count) {
    GenerateOptions options = Greedy();
    options.max_tokens = count;
    return options;
  }
  // What ends a request, which is expected to fail.
  static absl::Status Failure(Session& session) {
    while (true) {
      const auto event = session.Next();
      if (!event.ok()) return event.status();
      if (event->kind == EventKind::kDone) return event->status;
    }
  }

  FailVulkanFunction fail_ = nullptr;
  LiveVulkanObjectsFunction live_ = nullptr;
};

TEST_F(VulkanFailures, ALostDeviceEndsItsRequestsAndNoOthers) {
  {
    const std::shared_ptr<Scheduler> vulkan = MakeScheduler(OnVulkan());
    const auto session = NewSession(vulkan), other = NewSession(vulkan);
    const auto on_cpu = NewSession(Petit("cpu"));
    ASSERT_TRUE(session->Prompt(Ask(kQuestion), Tokens(20)).ok());
    ASSERT_TRUE(on_cpu->Prompt(Ask(kQuestion), Tokens(20)).ok());
    Told told;
    Until(*session, EventKind::kToken, &told);
    Until(*on_cpu, EventKind::kToken, &told);
    fail_(VulkanFailure::kLost);
    const absl::Status status = Failure(*session);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_NE(status.message().find("lost"), std::string::npos) << status;
    EXPECT_TRUE(Failure(*on_cpu).ok());
    // Lost for good, whatever the driver says later.
    fail_(VulkanFailure::kNone);
    absl::Status later = other->Prompt(Ask(kQuestion), Tokens(2));
    if (later.ok()) later = Failure(*other);
    EXPECT_NE(later.message().find("was lost; it must be opened again"), std::string::npos)
        << later;
  }
  EXPECT_EQ(live_(), 0);
  const auto again = NewSession(MakeScheduler(OnVulkan()));
  ASSERT_TRUE(again->Prompt(Ask(kQuestion), Tokens(2)).ok());
  EXPECT_EQ(Listen(*again).tokens.size(), 2u);
}

TEST_F(VulkanFailures, AFullDeviceLoadsNothingAndKeepsNothing) {
  fail_(VulkanFailure::kNoMemory);
  const auto model = Load();
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), absl::StatusCode::kResourceExhausted) << model.status();
  EXPECT_NE(model.status().message().find("memory"), std::string::npos) << model.status();
  EXPECT_EQ(live_(), 0);
  fail_(VulkanFailure::kNone);
  EXPECT_TRUE(Load().ok());
}

TEST_F(VulkanFailures, PipelinesThatCannotBeMadeAreTold) {
  fail_(VulkanFailure::kNoPipelines);
  const auto model = Load();
  absl::Status status = model.status();
  if (status.ok()) {
    const auto scheduler = Scheduler::Create(*model);
    status = scheduler.status();
    if (status.ok()) {
      const auto session = NewSession(*scheduler);
      status = session->Prompt(Ask(kQuestion), Tokens(2));
      if (status.ok()) status = Failure(*session);
    }
  }
  EXPECT_NE(status.message().find("compiling the shader"), std::string::npos) << status;
}

}  // namespace
}  // namespace raison::testing
