// Weights that the CUDA back end packs when it may: the kit on the emulated card, and the same bits as
// from plain ones.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/backend/emulated_card.h"

namespace raison {
namespace {

// Primes: no pattern of the lists is left out.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kEvery = 31;
#else
constexpr size_t kEvery = 3;
#endif

class CudaPackedKitTest : public testing::TestWithParam<const char*> {};

TEST_P(CudaPackedKitTest, IsWithinTheTable) {
  ExpectGreenOnTheEmulatedCard(
      {.weight_flags = RSN_WEIGHT_MAY_REPACK, .only_op = GetParam(), .every = kEvery});
}

INSTANTIATE_TEST_SUITE_P(Operations, CudaPackedKitTest,
                         testing::Values("embed", "matmul", "moe_experts", "step"),
                         [](const auto& info) { return std::string(info.param); });

rsn_tensor Dense(uint32_t dtype, int64_t rows, int64_t width, int64_t row_bytes) {
  return {.dtype = dtype, .rank = 2, .shape = {rows, width}, .stride = {row_bytes, 4}};
}

// Widths of whole groups are packed, others are not; every number of rows has the same bits.
TEST(CudaPackedTest, HasTheBitsOfPlainWeights) {
  setenv("RAISON_CUBLAS", "off", 1);
  Opened opened;
  const auto& [table, device, queue] = opened;
  constexpr int64_t kRows = 40, kOutputs = 70;
  for (const int64_t width : {int64_t{1280}, int64_t{288}}) {
    std::vector<unsigned char> bytes(static_cast<size_t>(kOutputs * width / 32 * 34));
    uint32_t state = 7;
    for (size_t i = 0; i < bytes.size(); ++i) {
      state = state * 1664525u + 1013904223u;
      bytes[i] = static_cast<unsigned char>(i % 34 == 1 ? 0x28 + (state >> 30) : state >> 24);
    }
    std::vector<float> x(static_cast<size_t>(kRows * width));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 104729 % 2003) / 997.0f - 1;
    rsn_buffer *in = nullptr, *out = nullptr;
    ASSERT_EQ(table.buffer_new(device, x.size() * 4, &in), 0);
    ASSERT_EQ(table.buffer_new(device, kRows * kOutputs * 4, &out), 0);
    ASSERT_EQ(table.upload(queue, in, 0, x.data(), x.size() * 4), 0);
    std::vector<float> first;
    for (const uint32_t flags : {0u, uint32_t{RSN_WEIGHT_MAY_REPACK}}) {
      rsn_matmul a{};
      a.struct_size = sizeof a;
      a.terms = 1;
      rsn_tensor& weight = a.term[0].weight;
      weight = Dense(RSN_DTYPE_Q8_0, kOutputs, width, width / 32 * 34);
      uint32_t referenced = 0;
      ASSERT_EQ(table.weight(device, &weight, bytes.data(), bytes.size(), flags, &referenced), 0);
      EXPECT_EQ(weight.layout != 0, flags != 0 && width % 256 == 0);
      for (const int64_t rows : {kRows, int64_t{1}, int64_t{2}, int64_t{3}, int64_t{7}}) {
        a.in = Dense(RSN_DTYPE_F32, rows, width, width * 4);
        a.in.buffer = in;
        a.term[0].out = Dense(RSN_DTYPE_F32, rows, kOutputs, kOutputs * 4);
        a.term[0].out.buffer = out;
        ASSERT_EQ(table.matmul(queue, &a), 0) << table.last_error();
        std::vector<float> y(static_cast<size_t>(kRows * kOutputs));
        ASSERT_EQ(table.download(queue, y.data(), out, 0, y.size() * 4), 0);
        ASSERT_EQ(table.synchronize(queue), 0) << table.last_error();
        if (first.empty()) first = y;
        EXPECT_EQ(std::memcmp(y.data(), first.data(), static_cast<size_t>(rows * kOutputs) * 4), 0)
            << width << " wide, " << rows << " rows, flags " << flags;
      }
      weight.layout = 2;  // nobody's
      EXPECT_EQ(table.matmul(queue, &a), -10);
      table.buffer_free(weight.buffer);
    }
    table.buffer_free(in);
    table.buffer_free(out);
  }
}

// Scratch memory that operations have given back is no reason to refuse a buffer.
TEST(CudaPackedTest, MemoryOfEarlierOperationsIsTakenBack) {
  constexpr uint64_t kCard = 1 << 20, kRow = 64 << 10;
  Opened opened({.memory = kCard});
  const auto& [table, device, queue] = opened;
  rsn_buffer *logits = nullptr, *rest = nullptr, *large = nullptr;
  ASSERT_EQ(table.buffer_new(device, kRow, &logits), 0);
  ASSERT_EQ(table.buffer_new(device, 4096, &rest), 0);
  const auto at = [&](uint64_t offset, uint32_t dtype, int64_t rows, int64_t width) {
    rsn_tensor t = Dense(dtype, rows, width, width * 4);
    t.buffer = rest, t.offset = offset;
    return t;
  };
  rsn_reduce_logits a{};
  a.struct_size = sizeof a;
  a.top = 1;
  a.logits = Dense(RSN_DTYPE_F32, 1, kRow / 4, kRow);
  a.logits.buffer = logits;
  a.adjust_begin = at(0, RSN_DTYPE_I32, 2, 1), a.adjust_id = at(64, RSN_DTYPE_I32, 1, 1);
  a.adjust_divisor = a.adjust_add = at(128, RSN_DTYPE_F32, 1, 1);
  for (rsn_tensor* t : {&a.adjust_begin, &a.adjust_id, &a.adjust_divisor, &a.adjust_add}) {
    t->rank = 1, t->stride[0] = 4;
  }
  a.records = at(256, RSN_DTYPE_F32, 1, 8), a.ids = at(512, RSN_DTYPE_I32, 1, 1);
  a.values = at(768, RSN_DTYPE_F32, 1, 1), a.raw = at(1024, RSN_DTYPE_F32, 1, 1);
  ASSERT_EQ(table.reduce_logits(queue, &a), 0) << table.last_error();
  EXPECT_EQ(table.buffer_new(device, kCard - 2 * kRow, &large), 0) << table.last_error();
  EXPECT_EQ(table.synchronize(queue), 0) << table.last_error();
  for (rsn_buffer* b : {logits, rest, large}) table.buffer_free(b);
}

}  // namespace
}  // namespace raison
