// The CUDA back end on an emulated card (tests/backend/simt): every operation by the conformance kit,
// and what happens when the card, its memory or its driver fails.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/backend/conformance/conformance.h"
#include "core/backend/cuda/cuda_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "tests/backend/emulated_card.h"
#include "tests/backend/simt/simt.h"

namespace raison {
namespace {

// AddressSanitizer makes every change of fibers slow. A prime: no pattern of the lists is left out.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kEvery = 11;
#else
constexpr size_t kEvery = 1;
#endif

class CudaKitTest : public testing::TestWithParam<const char*> {};

TEST_P(CudaKitTest, IsWithinTheTable) {
  ExpectGreenOnTheEmulatedCard({.only_op = GetParam(), .every = kEvery});
}

// matmul is in cuda_dense_test.cc.
INSTANTIATE_TEST_SUITE_P(Operations, CudaKitTest,
                         testing::Values("embed", "gather_rows", "rms_norm", "rope_table",
                                         "rope", "kv_write", "kv_copy_page", "attention",
                                         "mla_attention", "silu_mul", "moe_route", "moe_experts",
                                         "reduce_logits", "step"),
                         [](const auto& info) { return std::string(info.param); });

TEST(CudaTableTest, KeepsTheRules) { ExpectGreenOnTheEmulatedCard({.only_op = "table"}); }

// -------- when something fails ------------------------------------------------------------------------

rsn_tensor View(rsn_buffer* buffer, uint32_t dtype, std::initializer_list<int64_t> shape) {
  rsn_tensor t{.buffer = buffer, .dtype = dtype, .rank = static_cast<uint32_t>(shape.size())};
  std::copy(shape.begin(), shape.end(), t.shape);
  int64_t stride = 4;
  for (uint32_t d = t.rank; d-- > 0;) {
    t.stride[d] = stride;
    stride *= t.shape[d];
  }
  return t;
}

TEST(CudaFailureTest, NoDriverAndAnOldDriverAreSaid) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  simt::Install({.driver = 0});
  EXPECT_EQ(OpenCudaBackend(nullptr, &table), -32);
  EXPECT_NE(std::string(table.last_error()).find("no NVIDIA driver is installed"),
            std::string::npos);
  EXPECT_EQ(table.device_count(), 0u);
  simt::Install({.driver = 12040});
  EXPECT_EQ(OpenCudaBackend(nullptr, &table), -32);
  const std::string old = table.last_error();
  EXPECT_NE(old.find("12.4"), std::string::npos) << old;
  EXPECT_NE(old.find("13.0"), std::string::npos) << old;
  simt::Install({});
}

TEST(CudaFailureTest, AnOldCardIsListedAndRefused) {
  simt::Install({.devices = 2, .major = 7, .minor = 0});
  rsn_backend table{};
  table.struct_size = sizeof table;
  ASSERT_EQ(OpenCudaBackend(nullptr, &table), 0);
  ASSERT_EQ(table.device_count(), 2u);
  rsn_device_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(table.device_query(1, &info), 0);
  EXPECT_STREQ(info.name, "cuda:1");
  EXPECT_NE(std::string(info.problem).find("sm_70"), std::string::npos) << info.problem;
  rsn_device_state* device = nullptr;
  EXPECT_EQ(table.device_open(nullptr, 1, &device), -32);
  EXPECT_NE(std::string(table.last_error()).find("sm_75"), std::string::npos);
  EXPECT_EQ(table.device_open(nullptr, 2, &device), -10);
  EXPECT_EQ(device, nullptr);
  EXPECT_EQ(simt::InUse(), simt::Usage{});
  simt::Install({});
}

TEST(CudaFailureTest, OutOfMemorySaysHowMuchAndTheQueueGoesOn) {
  Opened o({.memory = 1 << 20});
  rsn_buffer* large = nullptr;
  EXPECT_EQ(o.table.buffer_new(o.device, 2 << 20, &large), -30);
  EXPECT_EQ(large, nullptr);
  EXPECT_NE(o.error().find("2097152 bytes were asked for"), std::string::npos) << o.error();
  EXPECT_NE(o.error().find("of 1048576 are free"), std::string::npos) << o.error();
  // An operation whose scratch memory does not fit: 256 rows of 2048 logits need 2 MiB and more.
  rsn_buffer *logits = nullptr, *rest = nullptr;
  ASSERT_EQ(o.table.buffer_new(o.device, 128 * 1024 * 4, &logits), 0) << o.error();
  ASSERT_EQ(o.table.buffer_new(o.device, 64 << 10, &rest), 0) << o.error();
  rsn_reduce_logits a{};
  a.struct_size = sizeof a;
  a.top = 1;
  a.logits = View(logits, RSN_DTYPE_F32, {128, 1024});
  a.adjust_begin = View(rest, RSN_DTYPE_I32, {129});
  a.adjust_id = View(rest, RSN_DTYPE_I32, {1});
  a.adjust_divisor = a.adjust_add = View(rest, RSN_DTYPE_F32, {1});
  a.records = View(rest, RSN_DTYPE_F32, {128, 8});
  a.ids = View(rest, RSN_DTYPE_I32, {128, 1});
  a.values = a.raw = View(rest, RSN_DTYPE_F32, {128, 1});
  a.records.offset = 4096, a.ids.offset = 16384, a.values.offset = 20480, a.raw.offset = 24576;
  EXPECT_EQ(o.table.reduce_logits(o.queue, &a), -30) << o.error();
  EXPECT_NE(o.error().find("bytes were asked for"), std::string::npos) << o.error();
  EXPECT_EQ(o.table.synchronize(o.queue), 0) << o.error();
  a.logits = View(logits, RSN_DTYPE_F32, {8, 1024});
  a.adjust_begin.shape[0] = 9;
  for (rsn_tensor* t : {&a.records, &a.ids, &a.values, &a.raw}) t->shape[0] = 8;
  EXPECT_EQ(o.table.reduce_logits(o.queue, &a), 0) << o.error();
  int32_t best = -1;
  EXPECT_EQ(o.table.download(o.queue, &best, rest, 16384, 4), 0);
  EXPECT_EQ(o.table.synchronize(o.queue), 0) << o.error();
  EXPECT_EQ(best, 0);
  o.table.buffer_free(logits);
  o.table.buffer_free(rest);
}

TEST(CudaFailureTest, ALostCardIsAStatusAndNothingLeaks) {
  Opened o;
  rsn_buffer* buffer = nullptr;
  ASSERT_EQ(o.table.buffer_new(o.device, 4096, &buffer), 0);
  const float ones[16] = {};
  ASSERT_EQ(o.table.upload(o.queue, buffer, 0, ones, sizeof ones), 0);
  simt::LoseDevice();
  EXPECT_EQ(o.table.synchronize(o.queue), -32);
  EXPECT_NE(o.error().find("is lost"), std::string::npos) << o.error();
  EXPECT_EQ(o.table.upload(o.queue, buffer, 0, ones, sizeof ones), -32);
  EXPECT_NE(o.error().find("other devices go on"), std::string::npos) << o.error();
  rsn_buffer* another = nullptr;
  EXPECT_EQ(o.table.buffer_new(o.device, 16, &another), -32);
  EXPECT_EQ(another, nullptr);
  rsn_device_info info{};
  info.struct_size = sizeof info;
  EXPECT_EQ(o.table.device_info(o.device, &info), 0);
  EXPECT_NE(std::string(info.problem).find("lost"), std::string::npos);
  o.table.buffer_free(buffer);
}

TEST(CudaFailureTest, AWrongIndexOnTheCardIsSaidOnceAndTheQueueGoesOn) {
  Opened o;
  rsn_buffer* buffer = nullptr;
  ASSERT_EQ(o.table.buffer_new(o.device, 1024, &buffer), 0);
  const int32_t wrong[2] = {1, 7}, right[2] = {1, 0};
  rsn_gather_rows a{};
  a.struct_size = sizeof a;
  a.index = View(buffer, RSN_DTYPE_I32, {2});
  a.in = View(buffer, RSN_DTYPE_F32, {3, 4});
  a.out = View(buffer, RSN_DTYPE_F32, {2, 4});
  a.in.offset = 64, a.out.offset = 256;
  for (bool recorded : {false, true}) {
    rsn_recording* recording = nullptr;
    if (recorded) {
      ASSERT_EQ(o.table.record_begin(o.queue), 0) << o.error();
      EXPECT_EQ(o.table.upload(o.queue, buffer, 0, wrong, sizeof wrong), -40);
      EXPECT_EQ(o.table.synchronize(o.queue), -40);
      EXPECT_EQ(o.table.gather_rows(o.queue, &a), 0);
      ASSERT_EQ(o.table.record_end(o.queue, &recording), 0) << o.error();
    }
    const auto run = [&] {
      return recorded ? o.table.replay(o.queue, recording) : o.table.gather_rows(o.queue, &a);
    };
    ASSERT_EQ(o.table.upload(o.queue, buffer, 0, wrong, sizeof wrong), 0);
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(o.table.synchronize(o.queue), -10);
    EXPECT_EQ(o.error(), "gather_rows: index[1] is 7, the limit is 3");
    EXPECT_EQ(o.table.synchronize(o.queue), 0) << o.error();
    ASSERT_EQ(o.table.upload(o.queue, buffer, 0, right, sizeof right), 0);
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(o.table.synchronize(o.queue), 0) << o.error();
    if (recorded) o.table.recording_free(recording);
  }
  o.table.buffer_free(buffer);
}

// A queue that is freed in the middle of a recording, and uploads of more than all slots hold.
TEST(CudaFailureTest, QueuesMayEndWhileRecordingAndUploadsMayBeLarge) {
  Opened o;
  rsn_queue* queue = nullptr;
  ASSERT_EQ(o.table.queue_new(o.device, &queue), 0);
  ASSERT_EQ(o.table.record_begin(queue), 0);
  EXPECT_EQ(o.table.record_begin(queue), -40);
  o.table.queue_free(queue);
  constexpr size_t kBytes = (9 << 20) + 12345;  // beyond what is downloaded through pinned memory
  std::vector<unsigned char> sent(kBytes), got(kBytes);
  for (size_t i = 0; i < kBytes; ++i) sent[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
  rsn_buffer* buffer = nullptr;
  ASSERT_EQ(o.table.buffer_new(o.device, kBytes + 4, &buffer), 0);
  std::vector<unsigned char> passing = sent;
  ASSERT_EQ(o.table.upload(o.queue, buffer, 4, passing.data(), kBytes), 0) << o.error();
  std::fill(passing.begin(), passing.end(), 0);
  uint32_t first = 1;
  ASSERT_EQ(o.table.download(o.queue, &first, buffer, 0, 4), 0);
  ASSERT_EQ(o.table.download(o.queue, got.data(), buffer, 4, kBytes), 0) << o.error();
  ASSERT_EQ(o.table.synchronize(o.queue), 0) << o.error();
  EXPECT_EQ(first, 0u);  // buffers begin as zeros
  EXPECT_EQ(got, sent);
  EXPECT_EQ(o.table.upload(o.queue, buffer, 5, sent.data(), kBytes), -10);
  rsn_tensor weight = View(nullptr, RSN_DTYPE_F32, {2, 1200000});  // more than two pieces
  uint32_t referenced = 7;
  ASSERT_EQ(o.table.weight(o.device, &weight, sent.data(), 9600001, 3, &referenced), -10);
  sent.resize(9600000), got.resize(9600000);
  ASSERT_EQ(o.table.weight(o.device, &weight, sent.data(), sent.size(), 3, &referenced), 0)
      << o.error();
  EXPECT_EQ(referenced, 0u);
  ASSERT_EQ(o.table.download(o.queue, got.data(), weight.buffer, 0, got.size()), 0);
  ASSERT_EQ(o.table.synchronize(o.queue), 0);
  EXPECT_EQ(got, sent);
  o.table.buffer_free(weight.buffer);
  o.table.buffer_free(buffer);
}

// -------- memory that does not grow -------------------------------------------------------------------

// One row of a step that might have 64 sequences of 128 k tokens, on a card of 64 MiB.
struct LongContext {
  static constexpr int64_t kPages = 64 * 131072 / 16;
  explicit LongContext(Opened& o) : opened(o) {
    EXPECT_EQ(o.table.buffer_new(o.device, 4096, &small), 0) << o.error();
    EXPECT_EQ(o.table.buffer_new(o.device, kPages * 4, &pages), 0) << o.error();
    const int32_t step[] = {0, 1, 1, 0};  // row_begin, kv_length, page_begin
    const float value = 3.5f;
    EXPECT_EQ(o.table.upload(o.queue, small, 0, step, sizeof step), 0);
    EXPECT_EQ(o.table.upload(o.queue, small, 2048, &value, 4), 0);
    a.struct_size = sizeof a;
    a.scale = 1;
    a.ragged = {.row_begin = At(0, RSN_DTYPE_I32, {2}),
                .kv_length = At(8, RSN_DTYPE_I32, {1}),
                .page_begin = At(12, RSN_DTYPE_I32, {1}),
                .pages = View(pages, RSN_DTYPE_I32, {kPages}),
                .page_tokens = 16};
    a.q = At(64, RSN_DTYPE_F32, {1, 1, 4});
    a.out = At(128, RSN_DTYPE_F32, {1, 1, 4});
    a.k_cache = At(1024, RSN_DTYPE_F32, {1, 1, 16, 4});
    a.v_cache = At(2048, RSN_DTYPE_F32, {1, 1, 16, 4});
  }
  ~LongContext() {
    opened.table.buffer_free(small);
    opened.table.buffer_free(pages);
  }
  rsn_tensor At(uint64_t offset, uint32_t dtype, std::initializer_list<int64_t> shape) {
    rsn_tensor t = View(small, dtype, shape);
    t.offset = offset;
    return t;
  }
  float Out(rsn_queue* queue) {
    float out = 0;
    EXPECT_EQ(opened.table.download(queue, &out, small, 128, 4), 0);
    EXPECT_EQ(opened.table.synchronize(queue), 0) << opened.error();
    const float none = 0;
    EXPECT_EQ(opened.table.upload(queue, small, 128, &none, 4), 0);
    EXPECT_EQ(opened.table.synchronize(queue), 0) << opened.error();
    return out;
  }
  Opened& opened;
  rsn_buffer *small = nullptr, *pages = nullptr;
  rsn_attention a{};
};

TEST(CudaMemoryTest, AttentionTakesWhatTheRowsNeedNotWhatTheContextMight) {
  Opened o({.memory = 64 << 20});
  LongContext step(o);
  const size_t before = simt::InUse().device_bytes;
  ASSERT_EQ(o.table.attention(o.queue, &step.a), 0) << o.error();
  EXPECT_LT(simt::InUse().device_bytes - before, size_t{1} << 20);
  EXPECT_EQ(step.Out(o.queue), 3.5f);
}

TEST(CudaMemoryTest, RecordingsOfAQueueShareTheirScratch) {
  Opened o({.memory = 64 << 20});
  LongContext step(o);
  rsn_queue* other = nullptr;
  ASSERT_EQ(o.table.queue_new(o.device, &other), 0);
  rsn_recording* recordings[3] = {};
  size_t bytes[4] = {simt::InUse().device_bytes};
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(o.table.record_begin(o.queue), 0);
    ASSERT_EQ(o.table.attention(o.queue, &step.a), 0);
    ASSERT_EQ(o.table.record_end(o.queue, &recordings[i]), 0) << o.error();
    bytes[i + 1] = simt::InUse().device_bytes;
  }
  EXPECT_GT(bytes[1] - bytes[0], 16384u);  // partial results
  EXPECT_LT(bytes[2] - bytes[1], 256u);    // a word for faults
  EXPECT_EQ(bytes[3] - bytes[2], bytes[2] - bytes[1]);
  for (rsn_queue* queue : {o.queue, other, o.queue}) {
    ASSERT_EQ(o.table.replay(o.queue, recordings[0]), 0) << o.error();
    ASSERT_EQ(o.table.replay(queue, recordings[1]), 0) << o.error();
    EXPECT_EQ(step.Out(queue), 3.5f);
    EXPECT_EQ(o.table.synchronize(o.queue), 0);
  }
  o.table.recording_free(recordings[0]);
  o.table.queue_free(other);
  ASSERT_EQ(o.table.replay(o.queue, recordings[2]), 0) << o.error();
  EXPECT_EQ(step.Out(o.queue), 3.5f);
  o.table.recording_free(recordings[2]);
  o.table.recording_free(recordings[1]);
}

// -------- loading ---------------------------------------------------------------------------------------

struct Reading {
  const char* at;               // where the next bytes should begin
  std::vector<uint64_t> told;
  size_t give_up_after = ~size_t{0};
  uint32_t tasks = 0;
};
rsn_backend_host HostOf(Reading& r) {
  rsn_backend_host host{};
  host.struct_size = sizeof host;
  host.threads = 1;
  host.context = &r;
  host.parallel_for = [](void* context, uint32_t count, void (*task)(void*, uint32_t, uint32_t),
                         void* arg) {
    static_cast<Reading*>(context)->tasks += count;
    for (uint32_t i = count; i-- > 0;) task(arg, i, 0);
  };
  host.weight_read = [](void* context, const void* from, uint64_t bytes) -> int32_t {
    auto& r = *static_cast<Reading*>(context);
    EXPECT_EQ(from, r.at);
    r.at += bytes;
    r.told.push_back(bytes);
    return r.told.size() > r.give_up_after ? -50 : 0;
  };
  return host;
}

// The bytes reach the card unchanged, the host hears of every 16 MiB and of the end, and can stop.
TEST(CudaLoadTest, TellsWhatWasReadAndCanBeStopped) {
  constexpr uint64_t kMiB = 1 << 20;
  constexpr uint64_t kBytes = 41 * kMiB + 4;
  std::vector<unsigned char> sent(kBytes), got(kBytes);
  for (size_t i = 0; i < kBytes; ++i) sent[i] = static_cast<unsigned char>(i * 2654435761u >> 11);
  simt::Install({});
  rsn_backend table{};
  table.struct_size = sizeof table;
  ASSERT_EQ(OpenCudaBackend(nullptr, &table), 0);
  for (const bool stops : {false, true}) {
    Reading reading{.at = reinterpret_cast<const char*>(sent.data()), .told = {}};
    if (stops) reading.give_up_after = 1;
    const rsn_backend_host host = HostOf(reading);
    rsn_device_state* device = nullptr;
    ASSERT_EQ(table.device_open(&host, 0, &device), 0) << table.last_error();
    rsn_tensor weight = View(nullptr, RSN_DTYPE_F32, {1, kBytes / 4});
    uint32_t referenced = 7;
    const int32_t code = table.weight(device, &weight, sent.data(), kBytes, 3, &referenced);
    EXPECT_EQ(referenced, 0u);
    if (stops) {
      EXPECT_EQ(code, -50);
      EXPECT_NE(std::string(table.last_error()).find("gave the weight up"), std::string::npos);
      EXPECT_EQ(reading.told, (std::vector<uint64_t>{16 * kMiB, 16 * kMiB}));
    } else {
      ASSERT_EQ(code, 0) << table.last_error();
      EXPECT_EQ(reading.told, (std::vector<uint64_t>{16 * kMiB, 16 * kMiB, 9 * kMiB + 4}));
      EXPECT_EQ(reading.tasks, 42u);
      rsn_queue* queue = nullptr;
      ASSERT_EQ(table.queue_new(device, &queue), 0);
      ASSERT_EQ(table.download(queue, got.data(), weight.buffer, 0, kBytes), 0);
      ASSERT_EQ(table.synchronize(queue), 0);
      EXPECT_EQ(got, sent);
      table.queue_free(queue);
      table.buffer_free(weight.buffer);
    }
    table.device_close(device);
    EXPECT_EQ(simt::InUse(), simt::Usage{});
  }
}

// An application has CUDA code of its own: whatever its thread calls here, the thread keeps its card, and
// one that has none gets none.
TEST(CudaThreadTest, TheCallersThreadKeepsItsCard) {
  for (const int mine : {-1, 1}) {
    simt::MakeCurrent(mine);
    {
      Opened o({.devices = 2});
      EXPECT_EQ(simt::Current(), mine);
      const auto keeps = [&](int32_t code, const char* what) {
        EXPECT_EQ(code, 0) << what << ": " << o.error();
        EXPECT_EQ(simt::Current(), mine) << what;
      };
      const float ones[16] = {};
      float back[16];
      rsn_buffer* buffer = nullptr;
      rsn_device_info info{};
      info.struct_size = sizeof info;
      keeps(o.table.device_query(1, &info), "device_query");
      keeps(o.table.device_info(o.device, &info), "device_info");
      keeps(o.table.buffer_new(o.device, sizeof ones, &buffer), "buffer_new");
      rsn_tensor weight = View(nullptr, RSN_DTYPE_F32, {1, 16});
      uint32_t referenced = 0;
      keeps(o.table.weight(o.device, &weight, ones, sizeof ones, 0, &referenced), "weight");
      keeps(o.table.upload(o.queue, buffer, 0, ones, sizeof ones), "upload");
      keeps(o.table.download(o.queue, back, buffer, 0, sizeof back), "download");
      keeps(o.table.synchronize(o.queue), "synchronize");
      o.table.buffer_free(weight.buffer);
      keeps(0, "buffer_free");
      simt::LoseDevice();
      EXPECT_EQ(o.table.synchronize(o.queue), -32);
      EXPECT_EQ(simt::Current(), mine);
      o.table.buffer_free(buffer);
    }
    EXPECT_EQ(simt::Current(), mine);
  }
  simt::MakeCurrent(-1);
}

struct NvmlNumbers {
  char id[32];
  unsigned long long total, free;
  int alive;
};

// What is free is known of a card that nobody opened, and is left open where NVML does not know it.
TEST(CudaQueryTest, WhatIsFreeIsAskedWithoutOpeningTheCard) {
  void* const file = dlopen(SIMT_NVML, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(file, nullptr) << dlerror();
  auto* const nvml = static_cast<NvmlNumbers*>(dlsym(file, "nvml_double"));
  ASSERT_NE(nvml, nullptr);
  constexpr uint64_t kTotal = uint64_t{4} << 30;
  simt::Install({.devices = 2, .memory = kTotal, .pci = 0x2f});
  rsn_backend table{};
  table.struct_size = sizeof table;
  ASSERT_EQ(OpenCudaBackend(nullptr, &table), 0);
  const auto free_of = [&](uint32_t index) {
    rsn_device_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(table.device_query(index, &info), 0) << table.last_error();
    EXPECT_EQ(info.memory_total, kTotal);
    return info.memory_free;
  };
  setenv("RAISON_NVML", SIMT_NVML, 1);
  std::strcpy(nvml->id, "00000000:30:00.0");
  nvml->total = kTotal + (kTotal >> 6);
  nvml->free = 123456789;
  EXPECT_EQ(free_of(1), 123456789u);
  EXPECT_EQ(free_of(0), 0u);  // another card's place
  nvml->free = nvml->total;
  EXPECT_EQ(free_of(1), kTotal);
  nvml->total = 7 * kTotal;   // CUDA sees a seventh of the card
  EXPECT_EQ(free_of(1), 0u);
  EXPECT_EQ(nvml->alive, 0);
  setenv("RAISON_NVML", "/no/such/library", 1);
  EXPECT_EQ(free_of(1), 0u);
  unsetenv("RAISON_NVML");
  EXPECT_EQ(simt::InUse(), simt::Usage{});
  dlclose(file);
  simt::Install({});
}

// -------- the emulator itself can fail ----------------------------------------------------------------

TEST(SimtTest, FindsABarrierThatNotAllReach) {
  std::string fault;
  EXPECT_TRUE(simt::RunBlock([] { __syncthreads(); }, 64, false, fault));
  EXPECT_FALSE(simt::RunBlock(
      [] {
        if (simt::LaneId() != 5) __syncthreads();
      },
      32, false, fault));
  EXPECT_NE(fault.find("the block"), std::string::npos) << fault;
  EXPECT_FALSE(simt::RunBlock(
      [] {
        if (simt::LaneId() < 16) {
          __shfl_sync(~0u, 1, 0);
        } else {
          __syncwarp();
        }
      },
      32, false, fault));
  EXPECT_NE(fault.find("a shuffle"), std::string::npos) << fault;
}

TEST(SimtTest, ExchangesWithinTheWarp) {
  simt::g_place.block_size = dim3(64);
  std::vector<int> sums(64);
  std::string fault;
  EXPECT_TRUE(simt::RunBlock(
      [&] {
        int v = static_cast<int>(threadIdx.x);
        for (int with = 16; with > 0; with /= 2) v += __shfl_xor_sync(~0u, v, with);
        sums[threadIdx.x] = v + static_cast<int>(__ballot_sync(~0u, simt::LaneId() == 3));
      },
      64, true, fault))
      << fault;
  for (int i = 0; i < 64; ++i) EXPECT_EQ(sums[static_cast<size_t>(i)], (i < 32 ? 496 : 1520) + 8);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(SimtTest, FindsAWriteBehindAnAllocation) {
  simt::Install({});
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  void* p = nullptr;
  ASSERT_EQ(cudaMalloc(&p, 10), cudaSuccess);
  static_cast<char*>(p)[10] = 1;
  EXPECT_EQ(cudaFree(p), cudaErrorLaunchFailure);
  EXPECT_NE(simt::LastFault(), "");
  simt::MakeCurrent(-1);
  simt::Install({});
}
#endif

}  // namespace
}  // namespace raison
