// The test back end's own promises: its memory faults outside its queue, nothing runs before
// synchronize, and it takes no pointer that is not its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>

#include "core/backend/conformance/bench.h"
#include "core/backend/far/far_backend.h"
#include "core/backend/reference/reference_backend.h"

namespace raison {
namespace {

using conformance::Bench;

// Whether the host could read a byte: the kernel answers EFAULT where a load would fault.
bool Readable(const void* address) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const ssize_t written = write(ends[1], address, 1);
  const int error = errno;
  close(ends[0]);
  close(ends[1]);
  if (written < 0) {
    EXPECT_EQ(error, EFAULT);
  }
  return written == 1;
}

class FarTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Bench>> bench = Bench::Open({.open = OpenFarBackend});
    ASSERT_TRUE(bench.ok()) << bench.status();
    bench_ = *std::move(bench);
  }
  rsn_buffer* NewBuffer(uint64_t bytes) {
    rsn_buffer* buffer = nullptr;
    EXPECT_EQ(table().buffer_new(bench_->device(), bytes, &buffer), 0);
    return buffer;
  }
  const rsn_backend& table() { return bench_->table(); }
  rsn_queue* queue() { return bench_->queue(); }

  std::unique_ptr<Bench> bench_;
};

TEST_F(FarTest, BuffersAndWeightsAreUnreadable) {
  const float x[3] = {1, 2, 3};
  EXPECT_TRUE(Readable(x));
  rsn_buffer* buffer = NewBuffer(12);
  EXPECT_FALSE(Readable(FarBufferAddress(buffer)));
  ASSERT_EQ(table().upload(queue(), buffer, 0, x, 12), 0);
  ASSERT_EQ(table().synchronize(queue()), 0);
  EXPECT_FALSE(Readable(FarBufferAddress(buffer)));
  rsn_tensor weight = conformance::Dense(nullptr, 0, RSN_DTYPE_F32, {3});
  uint32_t referenced = 1;
  ASSERT_EQ(table().weight(bench_->device(), &weight, x, 12, RSN_WEIGHT_MAY_REFERENCE, &referenced),
            0);
  EXPECT_EQ(referenced, 0u);
  EXPECT_FALSE(Readable(FarBufferAddress(weight.buffer)));
  table().buffer_free(weight.buffer);
  table().buffer_free(buffer);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(FarTest, ReadingABufferKillsTheProgram) {
  rsn_buffer* buffer = NewBuffer(4);
  EXPECT_DEATH(
      {
        const volatile auto* bytes = static_cast<const volatile char*>(FarBufferAddress(buffer));
        _exit(*bytes);
      },
      "");
  table().buffer_free(buffer);
}
#endif

TEST_F(FarTest, NothingHappensBeforeSynchronize) {
  rsn_buffer* buffer = NewBuffer(8);
  float in[2] = {5, 2};
  float out[2] = {-1, -1};
  ASSERT_EQ(table().upload(queue(), buffer, 0, in, 8), 0);
  in[0] = in[1] = 77;  // the upload has its own copy
  rsn_silu_mul a{};
  a.struct_size = sizeof a;
  a.gate = conformance::Dense(buffer, 0, RSN_DTYPE_F32, {1, 1});
  a.up = a.out = conformance::Dense(buffer, 4, RSN_DTYPE_F32, {1, 1});
  ASSERT_EQ(table().silu_mul(queue(), &a), 0);
  a.up.buffer = nullptr;
  ASSERT_EQ(table().download(queue(), out, buffer, 0, 8), 0);
  EXPECT_EQ(out[0], -1);
  EXPECT_EQ(out[1], -1);
  ASSERT_EQ(table().synchronize(queue()), 0);
  EXPECT_EQ(out[0], 5);
  EXPECT_NEAR(out[1], 10 / (1 + std::exp(-5.0)), 1e-5);
  table().buffer_free(buffer);
}

TEST_F(FarTest, HostPointersAndForeignBuffersAreRefused) {
  rsn_buffer* mine = NewBuffer(64);
  float host[16] = {};
  absl::StatusOr<std::unique_ptr<Bench>> near = Bench::Open({.open = OpenReferenceBackend});
  ASSERT_TRUE(near.ok());
  rsn_buffer* foreign = nullptr;
  ASSERT_EQ((*near)->table().buffer_new((*near)->device(), 64, &foreign), 0);
  for (rsn_buffer* other : {reinterpret_cast<rsn_buffer*>(host), foreign}) {
    rsn_silu_mul a{};
    a.struct_size = sizeof a;
    a.gate = a.out = conformance::Dense(mine, 0, RSN_DTYPE_F32, {1, 16});
    a.up = conformance::Dense(other, 0, RSN_DTYPE_F32, {1, 16});
    EXPECT_EQ(table().silu_mul(queue(), &a), -10);
    EXPECT_EQ(table().upload(queue(), other, 0, host, 4), -10);
    EXPECT_EQ(table().download(queue(), host, other, 0, 4), -10);
  }
  (*near)->table().buffer_free(foreign);
  table().buffer_free(mine);
}

TEST_F(FarTest, ABufferFreedBeforeItsOperationRanIsReported) {
  rsn_buffer* buffer = NewBuffer(64);
  rsn_silu_mul a{};
  a.struct_size = sizeof a;
  a.gate = a.up = a.out = conformance::Dense(buffer, 0, RSN_DTYPE_F32, {1, 16});
  ASSERT_EQ(table().silu_mul(queue(), &a), 0);
  table().buffer_free(buffer);
  EXPECT_EQ(table().synchronize(queue()), -10);
  EXPECT_EQ(table().synchronize(queue()), 0);
}

TEST_F(FarTest, CopiesAreRefusedWhileRecording) {
  rsn_buffer* buffer = NewBuffer(64);
  float x = 0;
  ASSERT_EQ(table().record_begin(queue()), 0);
  EXPECT_NE(table().upload(queue(), buffer, 0, &x, 4), 0);
  EXPECT_NE(table().download(queue(), &x, buffer, 0, 4), 0);
  EXPECT_NE(table().synchronize(queue()), 0);
  rsn_recording* recording = nullptr;
  ASSERT_EQ(table().record_end(queue(), &recording), 0);
  table().recording_free(recording);
  table().buffer_free(buffer);
}

}  // namespace
}  // namespace raison
