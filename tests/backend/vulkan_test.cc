// The Vulkan back end as a plug-in, opened by path on the software driver: devices, memory, and its error
// paths. Its operations are judged by `raison selftest --backend vulkan:0` (stage selftest).
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "core/backend/conformance/conformance.h"
#include "tests/backend/vulkan_plugin.h"

namespace raison {
namespace {

TEST(VulkanDevices, AreListedSoftwareLastAndDescribed) {
  SKIP_WITHOUT_A_DRIVER();
  const rsn_backend table = OpenTable();
  uint32_t last_kind = 1;
  for (uint32_t i = 0; i < table.device_count(); ++i) {
    rsn_device_info info{.struct_size = sizeof info};
    ASSERT_EQ(table.device_query(i, &info), 0) << table.last_error();
    EXPECT_STREQ(info.name, "vulkan");
    EXPECT_STRNE(info.description, "");
    EXPECT_STRNE(info.driver, "");
    EXPECT_GT(info.memory_total, 0u);
    EXPECT_LE(info.memory_free, info.memory_total);
    EXPECT_FALSE(last_kind == 0 && info.kind != 0) << "a software device before a real one";
    last_kind = info.kind;
  }
  rsn_device_info info{.struct_size = sizeof info};
  EXPECT_EQ(table.device_query(1000, &info), -10);
  EXPECT_NE(std::string(table.last_error()).find("1000"), std::string::npos);
  const rsn_backend_host host{.struct_size = sizeof host};
  rsn_device_state* device = nullptr;
  EXPECT_EQ(table.device_open(&host, 1000, &device), -10);
}

TEST(VulkanDevices, OutOfMemoryIsAStatusAndTheDeviceGoesOn) {
  SKIP_WITHOUT_A_DRIVER();
  Opened opened;
  rsn_buffer* buffer = nullptr;
  for (uint64_t bytes : {uint64_t{1} << 45, UINT64_MAX, UINT64_MAX - 7}) {
    EXPECT_EQ(opened.table.buffer_new(opened.device, bytes, &buffer), -30);
    EXPECT_NE(std::string(opened.table.last_error()).find(std::to_string(bytes)), std::string::npos)
        << opened.table.last_error();
  }
  ASSERT_EQ(opened.table.buffer_new(opened.device, 4, &buffer), 0) << opened.table.last_error();
  uint32_t value = 7;
  ASSERT_EQ(opened.table.download(opened.queue, &value, buffer, 0, 4), 0);
  ASSERT_EQ(opened.table.synchronize(opened.queue), 0);
  EXPECT_EQ(value, 0u);
  EXPECT_EQ(opened.table.download(opened.queue, &value, buffer, 1, 4), -10);
  opened.table.buffer_free(buffer);
}

// One product of a Q8_0 weight of (outputs, 4096): all zero but the last row, which is all ones.
void MultiplyLarge(Opened& opened, int64_t outputs) {
  constexpr int64_t kWidth = 4096, kRowBytes = kWidth / 32 * 34;
  const rsn_backend& t = opened.table;
  std::vector<std::byte> bytes(static_cast<size_t>(outputs * kRowBytes));
  for (int64_t b = 0; b < kWidth / 32; ++b) {
    std::byte* block = &bytes[static_cast<size_t>((outputs - 1) * kRowBytes + b * 34)];
    const uint16_t one = 0x3c00;  // 1.0 as f16
    std::memcpy(block, &one, 2);
    std::memset(block + 2, 1, 32);
  }
  rsn_matmul a{.struct_size = sizeof a, .terms = 1};
  rsn_tensor& weight = a.term[0].weight;
  weight = {
      .dtype = RSN_DTYPE_Q8_0, .rank = 2, .shape = {outputs, kWidth}, .stride = {kRowBytes, 34}};
  uint32_t referenced = 0;
  ASSERT_EQ(t.weight(opened.device, &weight, bytes.data(), bytes.size(), 0, &referenced), 0)
      << t.last_error();
  EXPECT_EQ(referenced, 0u);
  const std::vector<float> x(kWidth, 0.5f);
  std::vector<float> out(static_cast<size_t>(outputs), -1.0f);
  a.in = {.dtype = RSN_DTYPE_F32, .rank = 2, .shape = {1, kWidth}, .stride = {kWidth * 4, 4}};
  a.term[0].out = {
      .dtype = RSN_DTYPE_F32, .rank = 2, .shape = {1, outputs}, .stride = {outputs * 4, 4}};
  ASSERT_EQ(t.buffer_new(opened.device, x.size() * 4, &a.in.buffer), 0);
  ASSERT_EQ(t.buffer_new(opened.device, out.size() * 4, &a.term[0].out.buffer), 0);
  ASSERT_EQ(t.upload(opened.queue, a.in.buffer, 0, x.data(), x.size() * 4), 0);
  ASSERT_EQ(t.matmul(opened.queue, &a), 0) << t.last_error();
  ASSERT_EQ(t.download(opened.queue, out.data(), a.term[0].out.buffer, 0, out.size() * 4), 0);
  ASSERT_EQ(t.synchronize(opened.queue), 0) << t.last_error();
  for (size_t i = 0; i + 1 < out.size(); ++i) ASSERT_EQ(out[i], 0.0f) << i;
  EXPECT_EQ(out.back(), kWidth * 0.5f);
  for (rsn_buffer* b : {weight.buffer, a.in.buffer, a.term[0].out.buffer}) t.buffer_free(b);
}

TEST(VulkanMemory, AWeightAboveTheBindingLimit) {
  SKIP_WITHOUT_A_DRIVER();
  Opened opened;  // llvmpipe binds at most 128 MiB
  MultiplyLarge(opened, (int64_t{160} << 20) / 4352);
}

// A lowered limit stands for that of a device: buffers up to what the device says are made, larger
// ones refused with the limit.
TEST(VulkanMemory, NothingIsLargerThanTheDeviceAllocatesAtOnce) {
  SKIP_WITHOUT_A_DRIVER();
  rsn_device_info info{.struct_size = sizeof info};
  {
    Opened opened;
    ASSERT_EQ(opened.table.device_info(opened.device, &info), 0);
    EXPECT_GE(info.largest_buffer, (uint64_t{1} << 30) - 4096) << "what Vulkan asks of a device";
  }
  setenv("RAISON_VULKAN_ALLOCATION", "16777216", 1);
  Opened opened;
  ASSERT_EQ(opened.table.device_info(opened.device, &info), 0);
  EXPECT_LE(info.largest_buffer, 16777216u);
  EXPECT_GT(info.largest_buffer, 16777216u - 4096);
  std::vector<rsn_buffer*> buffers(4);
  for (rsn_buffer*& b : buffers) {
    ASSERT_EQ(opened.table.buffer_new(opened.device, info.largest_buffer, &b), 0)
        << opened.table.last_error();
  }
  rsn_buffer* larger = nullptr;
  EXPECT_EQ(opened.table.buffer_new(opened.device, info.largest_buffer + 1, &larger), -30);
  EXPECT_NE(std::string(opened.table.last_error()).find("16777216"), std::string::npos)
      << opened.table.last_error();
  MultiplyLarge(opened, 100);
  for (rsn_buffer* b : buffers) opened.table.buffer_free(b);
  unsetenv("RAISON_VULKAN_ALLOCATION");
}

// What the host hears of a weight's bytes, and after how many slices it gives up.
struct Reader {
  std::vector<std::pair<const void*, uint64_t>> slices;
  size_t most = SIZE_MAX;
  static int32_t Read(void* self, const void* from, uint64_t bytes) {
    auto& reader = *static_cast<Reader*>(self);
    reader.slices.emplace_back(from, bytes);
    return reader.slices.size() > reader.most ? -50 : 0;
  }
};

// In place, and by staging as on a card whose memory the host cannot see.
TEST(VulkanMemory, AWeightTellsWhatWasReadAndCanBeGivenUp) {
  SKIP_WITHOUT_A_DRIVER();
  for (const char* staging : {"0", "1"}) {
    setenv("RAISON_VULKAN_STAGING", staging, 1);
    Reader reader;
    Opened opened({.struct_size = sizeof(rsn_backend_host),
                   .threads = 1,
                   .context = &reader,
                   .weight_read = Reader::Read});
    setenv("RAISON_VULKAN_STAGING", "0", 1);
    const rsn_backend& t = opened.table;
    constexpr uint64_t kBytes = (uint64_t{40} << 20) + 12;
    std::vector<uint32_t> bytes(kBytes / 4), got(kBytes / 4);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint32_t>(i * 2654435761u);
    rsn_tensor weight = {
        .dtype = RSN_DTYPE_F32, .rank = 1, .shape = {int64_t{kBytes / 4}}, .stride = {4}};
    uint32_t referenced = 0;
    ASSERT_EQ(t.weight(opened.device, &weight, bytes.data(), kBytes, 0, &referenced), 0)
        << t.last_error();
    ASSERT_EQ(reader.slices.size(), 3u);
    const auto* next = reinterpret_cast<const std::byte*>(bytes.data());
    for (const auto& [from, size] : reader.slices) {
      EXPECT_EQ(from, next);
      EXPECT_LE(size, uint64_t{16} << 20);
      next += size;
    }
    EXPECT_EQ(next, reinterpret_cast<const std::byte*>(bytes.data() + bytes.size()));
    ASSERT_EQ(t.download(opened.queue, got.data(), weight.buffer, 0, kBytes), 0);
    ASSERT_EQ(t.synchronize(opened.queue), 0) << t.last_error();
    EXPECT_TRUE(got == bytes) << "staging " << staging;
    t.buffer_free(weight.buffer);
    reader = {.slices = {}, .most = 1};
    weight.buffer = nullptr;
    EXPECT_EQ(t.weight(opened.device, &weight, bytes.data(), kBytes, 0, &referenced), -50);
    EXPECT_EQ(reader.slices.size(), 2u) << "it went on after being given up";
  }
}

TEST(VulkanDevices, TwoOpensOfOneDeviceWorkAtOnce) {
  SKIP_WITHOUT_A_DRIVER();
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([] {
      Opened opened;
      for (int64_t outputs : {1, 5, 100, 333, 64, 7}) MultiplyLarge(opened, outputs);
    });
  }
  for (std::thread& t : threads) t.join();
}

// Pipelines of a large weight's type are compiled beside its loading.
TEST(VulkanDevices, CloseWhilePipelinesAreStillCompiled) {
  SKIP_WITHOUT_A_DRIVER();
  for (const auto& [dtype, row_bytes] : {std::pair<uint32_t, int64_t>{RSN_DTYPE_Q4_K, 144 * 8},
                                         std::pair<uint32_t, int64_t>{RSN_DTYPE_Q6_K, 210 * 8}}) {
    Opened opened;
    const std::vector<std::byte> bytes(static_cast<size_t>(row_bytes * 1024));
    rsn_tensor weight = {
        .dtype = dtype, .rank = 2, .shape = {1024, 2048}, .stride = {row_bytes, row_bytes / 8}};
    uint32_t referenced = 0;
    ASSERT_EQ(
        opened.table.weight(opened.device, &weight, bytes.data(), bytes.size(), 0, &referenced), 0)
        << opened.table.last_error();
    opened.table.buffer_free(weight.buffer);
  }
}

TEST(VulkanMemory, ABufferFreedWhileInUseLivesUntilTheDeviceIsDone) {
  SKIP_WITHOUT_A_DRIVER();
  Opened opened;
  const rsn_backend& t = opened.table;
  constexpr int64_t kWidth = 1024, kRows = 64;
  const std::vector<float> x(kWidth * kRows, 3.0f);
  std::vector<float> got(x.size());
  rsn_buffer *from = nullptr, *to = nullptr, *index = nullptr;
  ASSERT_EQ(t.buffer_new(opened.device, x.size() * 4, &from), 0);
  ASSERT_EQ(t.buffer_new(opened.device, x.size() * 4, &to), 0);
  ASSERT_EQ(t.buffer_new(opened.device, kRows * 4, &index), 0);
  ASSERT_EQ(t.upload(opened.queue, from, 0, x.data(), x.size() * 4), 0);
  rsn_gather_rows a{.struct_size = sizeof a};
  a.in = {.buffer = from,
          .dtype = RSN_DTYPE_F32,
          .rank = 2,
          .shape = {kRows, kWidth},
          .stride = {kWidth * 4, 4}};
  a.index = {.buffer = index, .dtype = RSN_DTYPE_I32, .rank = 1, .shape = {kRows}, .stride = {4}};
  a.out = a.in;
  a.out.buffer = to;
  ASSERT_EQ(t.gather_rows(opened.queue, &a), 0);
  t.buffer_free(from);         // enqueued, not submitted
  rsn_buffer* next = nullptr;  // would take its place, and is zeroed
  ASSERT_EQ(t.buffer_new(opened.device, x.size() * 4, &next), 0);
  ASSERT_EQ(t.download(opened.queue, got.data(), to, 0, got.size() * 4), 0);
  ASSERT_EQ(t.synchronize(opened.queue), 0);
  EXPECT_EQ(got, x);
  for (rsn_buffer* b : {to, index, next}) t.buffer_free(b);
}

// Numbers of the step buffer that make no sense must neither fault nor hang.
TEST(VulkanMemory, HostileNumbersInMemoryAreHarmless) {
  SKIP_WITHOUT_A_DRIVER();
  const auto bench = conformance::Bench::Open({.open = OpenPlugin, .threads = 1});
  ASSERT_TRUE(bench.ok()) << bench.status();
  std::string last;
  for (const conformance::Case& c : conformance::AllCases()) {
    if (c.rule) continue;        // no operation's
    if (c.op == last) continue;  // the first case of each operation
    last = c.op;
    for (int32_t value : {-1, INT32_MAX, INT32_MIN, 1 << 24}) {
      conformance::Problem problem = c.make(1);
      for (conformance::Blob& blob : problem.blobs) {
        if (blob.weight) continue;
        for (size_t i = 0; i + 4 <= blob.bytes.size(); i += 4)
          std::memcpy(&blob.bytes[i], &value, 4);
      }
      const auto got = (*bench)->Run(problem, conformance::Mode::kDirect);
      EXPECT_TRUE(got.ok()) << c.name << ": " << got.status();
    }
  }
}

TEST(VulkanCache, IsWrittenReadAndIgnoredWhenDamaged) {
  SKIP_WITHOUT_A_DRIVER();
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::path(testing::TempDir()) / ("raison-vulkan-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const auto run = [&] {
    Opened opened(folder.c_str());
    MultiplyLarge(opened, 3);
  };
  const auto contents = [&](const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  run();
  std::vector<fs::path> files(fs::directory_iterator(folder), fs::directory_iterator{});
  ASSERT_EQ(files.size(), 1u);
  const std::string good = contents(files[0]);
  EXPECT_EQ(good.substr(0, 8), "RSNVKPC1");
  ASSERT_GT(good.size(), 24u);
  std::string flipped = good;
  flipped[24] = static_cast<char>(flipped[24] ^ 1);
  for (const std::string& damaged :
       {std::string(), good.substr(0, 20), good.substr(0, good.size() - 1), flipped, good + "x",
        std::string(1000, 'x')}) {
    std::ofstream(files[0], std::ios::binary | std::ios::trunc) << damaged;
    run();
    EXPECT_EQ(contents(files[0]).substr(0, 8), "RSNVKPC1") << "not made again";
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace raison
