// Which devices are taken, how much of a model comes to each, and what is said about those that are
// passed over. The devices compute with plain loops and have the memory that a test gives them.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/backend/far/far_backend.h"
#include "core/model/placement_fit.h"
#include "tests/session/split_fixture.h"

namespace raison::testing {
namespace {

constexpr char kPetit[] = RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf";

// A variable of the environment for as long as the scope.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Setting() { unsetenv(name_); }

 private:
  const char* name_;
};

// Two chips with this much memory each, whose weights are copies.
uint64_t chip_free = 0;

int32_t OpenChip(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenCard(host, table);
  table->device_count = [] { return 2u; };
  table->device_open = [](const rsn_backend_host* h, uint32_t, rsn_device_state** out) -> int32_t {
    return card_reference.device_open(h, 0, out);
  };
  table->device_info = [](rsn_device_state*, rsn_device_info* info) -> int32_t {
    info->kind = 2;
    info->memory_free = chip_free;
    return 0;
  };
  return code;
}

class PlacementTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Register("chip", &OpenChip);
    Register("far", &OpenFarBackend);
  }

  static absl::StatusOr<std::shared_ptr<Model>> Load(const ModelOptions& options) {
    ModelOptions small = options;
    small.threads = 1;
    if (small.context_length == 0) small.context_length = 512;
    return Model::Load(kPetit, small);
  }
  // By default, with the plug-ins of the tests.
  static Placement Default(const std::string& file = "") {
    const auto model = Load({.backend_path = RAISON_PLUGIN_FOLDER + file});
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? (*model)->placement() : Placement();
  }
};

TEST_F(PlacementTest, ADeviceThatLacksAnOperationIsPassedOver) {
  {
    const Setting refuses("RAISON_TWINS_REFUSES", "8");  // Q8_0
    const Placement placement = Default();
    EXPECT_EQ(placement.Name(), "cpu");
    EXPECT_TRUE(Says(placement.why,
                     "no better device: twins:0 has no embed for tensor "
                     "token_embd.weight (Q8_0, "));
    EXPECT_TRUE(placement.notable);
  }
  const Setting refuses("RAISON_TWINS_REFUSES", "30");  // BF16
  EXPECT_EQ(Default().Name(), "twins:0");
  const auto model = Load({.backend_path = RAISON_PLUGIN_FOLDER, .kv_type = DType::kBF16});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().Name(), "cpu");
  EXPECT_TRUE(Says((*model)->placement().why,
                   "twins:0 has no kv_write for the cache of layer 0 "
                   "(kv_type BF16"));
  const auto asked =
      Load({.device = "twins:0", .backend_path = RAISON_PLUGIN_FOLDER, .kv_type = DType::kBF16});
  EXPECT_EQ(asked.status().code(), absl::StatusCode::kUnimplemented) << asked.status();
}

TEST_F(PlacementTest, WhoWasPassedOverIsSaid) {
  const Setting free("RAISON_TWINS_FREE", std::to_string(uint64_t{100} << 20));
  const Placement placement = Default();
  EXPECT_EQ(placement.Name(), "cpu");
  EXPECT_TRUE(Says(placement.why, "no better device: twins:0 has 100 MiB free, the model needs "));
  EXPECT_TRUE(Says(placement.why, "; twins:1 cannot be used: its memory is on fire; "));
  EXPECT_TRUE(Says(placement.why, "; mirror:0 is the processor itself"));
  EXPECT_TRUE(Says(placement.why, "; driverless cannot be used"));
  // A request says it too.
  auto session = NewSession(MakeScheduler({.backend_path = RAISON_PLUGIN_FOLDER, .threads = 1}));
  GenerateOptions two = Greedy();
  two.max_tokens = 2;
  ASSERT_TRUE(session->Prompt(Ask(kQuestion), two).ok());
  const Told told = Listen(*session);
  ASSERT_FALSE(told.events.empty());
  EXPECT_EQ(told.events[0].reason, static_cast<int32_t>(NoticeReason::kPlaced));
  EXPECT_TRUE(Says(told.events[0].text, "cpu: layers 0-7"));
  EXPECT_TRUE(Says(told.events[0].text, "twins:0 has 100 MiB free"));
}

TEST_F(PlacementTest, ARunWithoutAnyGpuIsQuiet) {
  for (const auto& [file, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"/libraison-driverless.so", "no better device: driverless cannot be used"},
           {"/libraison-mirror.so", "no better device: mirror:0 is the processor itself"}}) {
    uint32_t logged = 0;
    const auto model = Load({.backend_path = std::string(RAISON_PLUGIN_FOLDER) + file,
                             .log = [&](int32_t, const std::string&) { ++logged; }});
    ASSERT_TRUE(model.ok()) << model.status();
    const Placement& placement = (*model)->placement();
    EXPECT_EQ(placement.Name(), FallbackBackend());
    EXPECT_EQ(placement.why, why);
    EXPECT_FALSE(placement.notable) << file;
    EXPECT_EQ(logged, 0u) << file;
  }
  EXPECT_TRUE(Default("/libraison-twins.so").notable);
}

TEST_F(PlacementTest, LayersLeaveRoomForExpertsThatComeToTheirDevice) {
  chip_free = uint64_t{1} << 40;
  const auto whole = Load({.device = "chip"});
  ASSERT_TRUE(whole.ok()) << whole.status();
  const uint64_t all = (*whole)->placement().weight_bytes[0];
  const uint64_t context = (*whole)->KvLayout().BytesPerToken() * 512;
  // Without the experts all of it would fit.
  chip_free = kReserve + all + context / 2;
  for (const char* experts : {"chip", "chip:0"}) {
    const auto model = Load({.device = "chip,cpu", .experts = experts});
    ASSERT_TRUE(model.ok()) << model.status();
    const Placement& placement = (*model)->placement();
    ASSERT_EQ(placement.devices.size(), 2u) << placement.Sentence();
    EXPECT_GT(placement.layers.back(), 0u);
    const auto here = std::count(placement.layers.begin(), placement.layers.end(), 0u);
    EXPECT_GT(here, 0);
    EXPECT_LE(kReserve + placement.weight_bytes[0] + context * static_cast<uint64_t>(here) / 8,
              chip_free);
    EXPECT_TRUE(Says(placement.why,
                     absl::StrCat("chip has ", chip_free >> 20, " MiB free, with layer ", here)));
  }
}

TEST_F(PlacementTest, OneChipIsFilledOnceHoweverItIsCalled) {
  chip_free = uint64_t{1} << 40;
  const auto whole = Load({.device = "chip"});
  ASSERT_TRUE(whole.ok()) << whole.status();
  const uint64_t all = (*whole)->placement().weight_bytes[0];
  const uint64_t context = (*whole)->KvLayout().BytesPerToken() * 512;
  chip_free = kReserve + (all + context) / 2;
  for (const char* device : {"chip,chip,cpu", "chip,chip:0,cpu"}) {
    const auto model = Load({.device = device});
    ASSERT_TRUE(model.ok()) << model.status();
    const Placement& placement = (*model)->placement();
    EXPECT_EQ(placement.Name(), "chip,cpu") << placement.Sentence();
    EXPECT_LE(kReserve + placement.weight_bytes[0] + context / 8, chip_free);
  }
  // So is its cache, where layers of one chip are given to two devices.
  chip_free = 2 * kReserve + all + context;
  const auto halves = Load({.device = "chip=4,chip:0"});
  ASSERT_TRUE(halves.ok()) << halves.status();
  EXPECT_EQ((*halves)->kv_bytes(), context);
  chip_free = kReserve + (all + context) / 2;
  // Another chip of the back end has memory of its own.
  const auto two = Load({.device = "chip:0,chip:1,cpu"});
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_GT((*two)->placement().weight_bytes[1], all / 4) << (*two)->placement().Sentence();
  // Experts for a device that the layers use are its own, not another's of the same chip.
  const auto lent = Load({.device = "cpu=4,chip:1", .experts = "cpu:0"});
  ASSERT_TRUE(lent.ok()) << lent.status();
  EXPECT_EQ((*lent)->placement().devices.size(), 2u);
}

TEST_F(PlacementTest, MemoryThatIsNotToldIsAssumedAndSaidSo) {
  const auto model = Load({.device = "reference,cpu"});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().layers, std::vector<uint32_t>(8, 0));
  EXPECT_TRUE(Says((*model)->placement().why,
                   "reference does not say what is free and is taken to have 1024 MiB"));
  // Nothing is assumed where the number of layers is given.
  const auto given = Load({.device = "reference=3,cpu"});
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ((*given)->placement().why, "as asked for");
}

TEST_F(PlacementTest, OnlyWeightsThatStayWithTheHostTakeNoMemory) {
  for (const auto& [name, keeps] : std::initializer_list<std::pair<const char*, bool>>{
           {"cpu", true}, {"reference", true}, {"far", false}, {"chip", false}}) {
    const auto device = Device::Open(name, {.threads = 1});
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ((*device)->KeepsHostWeights(), keeps) << name;
  }
}

}  // namespace
}  // namespace raison::testing
