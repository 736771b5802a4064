// The oracle itself: numbers worked out by hand or from the textbook formula, and what it refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/backend/conformance/bench.h"
#include "core/backend/conformance/conformance.h"
#include "core/backend/conformance/data.h"
#include "core/backend/conformance/tolerances.h"
#include "core/backend/reference/reference_backend.h"

namespace raison {
namespace {

using conformance::Bench;
using conformance::Contents;
using conformance::Mode;
using conformance::Problem;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::unique_ptr<Bench> OpenBench() {
  absl::StatusOr<std::unique_ptr<Bench>> bench = Bench::Open({.open = OpenReferenceBackend});
  EXPECT_TRUE(bench.ok()) << bench.status();
  return *std::move(bench);
}

template <typename T>
std::vector<T> Values(const Contents& contents, const rsn_tensor& view) {
  std::vector<T> values;
  conformance::ForEachElement(view, [&](uint64_t at) {
    T value;
    std::memcpy(&value, &contents[conformance::BlobOf(view.buffer)][at], sizeof value);
    values.push_back(value);
  });
  return values;
}

Contents RunAll(const Problem& p) {
  const absl::StatusOr<Contents> contents = OpenBench()->Run(p, Mode::kDirect);
  EXPECT_TRUE(contents.ok()) << contents.status();
  return contents.ok() ? *contents : Contents(p.blobs.size());
}

void ExpectNear(const std::vector<float>& got, const std::vector<double>& want, double error) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], error) << i;
}

TEST(ReferenceTest, NormDividesByTheRootMeanSquare) {
  Problem p;
  rsn_rms_norm a{};
  a.in = p.F32({3, 4, 0, 0}, {2, 2});
  a.weight = p.F32({1, 2}, {2});
  a.out = p.Out(RSN_DTYPE_F32, {2, 2});
  a.epsilon = 1e-6f;
  p.Add(a);
  ExpectNear(Values<float>(RunAll(p), a.out), {3 / std::sqrt(12.5), 8 / std::sqrt(12.5), 0, 0},
             1e-6);
}

TEST(ReferenceTest, RopeTurnsPairsOfBothLayouts) {
  for (uint32_t interleaved : {0u, 1u}) {
    Problem p;
    rsn_rope a{};
    a.interleaved = interleaved;
    a.table = p.F32({0, 1, 1, 0}, {1, 2, 2});  // pair 0 by a right angle, pair 1 not at all
    a.x = p.F32({1, 2, 3, 4}, {1, 1, 4});
    p.Add(a);
    const std::vector<double> want =
        interleaved != 0 ? std::vector<double>{-2, 1, 3, 4} : std::vector<double>{-3, 2, 1, 4};
    ExpectNear(Values<float>(RunAll(p), a.x), want, 0);
  }
}

TEST(ReferenceTest, RopeAnglesKeepTheirPhaseAtTheEndOfALongContext) {
  const double frequency = std::pow(10000.0, -1.0 / 3);
  const float high = static_cast<float>(frequency);
  Problem p;
  rsn_rope_table a{};
  a.magnitude = 0.5f;
  a.positions = p.I32({131071}, {1});
  a.frequencies = p.F32({high, static_cast<float>(frequency - high)}, {1, 2});
  a.out = p.Out(RSN_DTYPE_F32, {1, 1, 2});
  p.Add(a);
  const long double angle = 131071.0L * static_cast<long double>(frequency);
  ExpectNear(Values<float>(RunAll(p), a.out),
             {static_cast<double>(cosl(angle)) / 2, static_cast<double>(sinl(angle)) / 2}, 1e-7);
}

rsn_ragged OneSequence(Problem& p, int32_t rows, int32_t length, std::vector<int32_t> pages,
                       uint32_t page_tokens) {
  rsn_ragged g{};
  g.row_begin = p.I32({0, rows}, {2});
  g.kv_length = p.I32({length}, {1});
  g.page_begin = p.I32({0}, {1});
  const int64_t n = static_cast<int64_t>(pages.size());
  g.pages = p.I32(pages, {n});
  g.page_tokens = page_tokens;
  return g;
}

TEST(ReferenceTest, AttentionIsCausalOverPages) {
  Problem p;
  rsn_attention a{};
  a.scale = 1;
  a.q = p.F32({1, 1}, {2, 1, 1});
  // Positions 0, 1, 2 lie in pages 2, 0, 1 of one token each; keys ln 1, ln 2, ln 3; values 1, 10,
  // 100.
  const float k[] = {0, std::log(2.0f), std::log(3.0f)};
  a.k_cache = p.F32({k[1], k[2], k[0]}, {3, 1, 1, 1});
  a.v_cache = p.F32({10, 100, 1}, {3, 1, 1, 1});
  a.out = p.Out(RSN_DTYPE_F32, {2, 1, 1});
  a.ragged = OneSequence(p, 2, 3, {2, 0, 1}, 1);
  p.Add(a);
  ExpectNear(Values<float>(RunAll(p), a.out), {21.0 / 3, 321.0 / 6}, 1e-5);
}

TEST(ReferenceTest, LatentAttentionIsAttentionOverExpandedKeysAndValues) {
  constexpr int64_t kHeads = 2, kNope = 3, kRope = 2, kLatent = 5, kValue = 4, kKeys = 6;
  conformance::Random random(3);
  const auto q_nope = random.Normals(kHeads * kNope), q_rope = random.Normals(kHeads * kRope);
  const auto w_k = random.Normals(kHeads * kLatent * kNope);
  const auto w_v = random.Normals(kHeads * kValue * kLatent);
  const auto cache = random.Normals(kKeys * (kLatent + kRope));
  Problem p;
  rsn_mla_attention a{};
  a.scale = 0.4f;
  a.q_nope = p.F32(q_nope, {1, kHeads, kNope});
  a.q_rope = p.F32(q_rope, {1, kHeads, kRope});
  a.w_k = p.F32(w_k, {kHeads, kLatent, kNope});
  a.w_v = p.F32(w_v, {kHeads, kValue, kLatent});
  a.cache = p.F32(cache, {2, 1, 3, kLatent + kRope});
  a.out = p.Out(RSN_DTYPE_F32, {1, kHeads, kValue});
  a.ragged = OneSequence(p, 1, kKeys, {0, 1}, 3);
  p.Add(a);
  std::vector<double> want;
  for (int64_t h = 0; h < kHeads; ++h) {
    double total = 0;
    std::vector<double> sum(kValue);
    for (int64_t t = 0; t < kKeys; ++t) {
      const float* c = &cache[static_cast<size_t>(t * (kLatent + kRope))];
      double score = 0;
      for (int64_t i = 0; i < kNope; ++i) {
        double key = 0;
        for (int64_t l = 0; l < kLatent; ++l)
          key += double{w_k[(h * kLatent + l) * kNope + i]} * c[l];
        score += q_nope[h * kNope + i] * key;
      }
      for (int64_t i = 0; i < kRope; ++i) score += double{q_rope[h * kRope + i]} * c[kLatent + i];
      const double weight = std::exp(score * double{a.scale});
      total += weight;
      for (int64_t v = 0; v < kValue; ++v) {
        for (int64_t l = 0; l < kLatent; ++l) {
          sum[v] += weight * w_v[(h * kValue + v) * kLatent + l] * c[l];
        }
      }
    }
    for (double s : sum) want.push_back(s / total);
  }
  ExpectNear(Values<float>(RunAll(p), a.out), want, 1e-6);
}

struct Routed {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Routed RunRoute(rsn_moe_route a, const std::vector<float>& logits, const std::vector<float>& bias,
                int64_t used) {
  Problem p;
  const int64_t experts = static_cast<int64_t>(logits.size());
  a.logits = p.F32(logits, {1, experts});
  if (!bias.empty()) a.bias = p.F32(bias, {experts});
  a.ids = p.Out(RSN_DTYPE_I32, {1, used});
  a.weights = p.Out(RSN_DTYPE_F32, {1, used});
  if (a.groups == 0) a.groups = 1;
  p.Add(a);
  const Contents contents = RunAll(p);
  return {Values<int32_t>(contents, a.ids), Values<float>(contents, a.weights)};
}

TEST(ReferenceTest, RoutingBiasChoosesButDoesNotWeigh) {
  // Sigmoid scores 0.5, 0.5, 0.731; the bias lifts expert 1 over expert 0 and below expert 2.
  const Routed r = RunRoute({.scoring = 1, .normalize = 1, .scale = 2}, {0, 0, 1}, {0, 0.1f, 0}, 2);
  EXPECT_EQ(r.ids, (std::vector<int32_t>{1, 2}));
  const double s = 1 / (1 + std::exp(-1.0));
  ExpectNear(r.weights, {2 * 0.5 / (0.5 + s), 2 * s / (0.5 + s)}, 1e-6);
}

TEST(ReferenceTest, RoutingTiesGoToTheLowerIndexAndNaNComesLast) {
  EXPECT_EQ(RunRoute({.scoring = 1, .scale = 1}, {0, 2, 2, 2}, {}, 2).ids,
            (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(RunRoute({.scoring = 1, .scale = 1}, {kNaN, -5, kNaN, -6}, {}, 2).ids,
            (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(RunRoute({.scoring = 0, .scale = 1}, {1, kNaN, 3, 2}, {}, 2).ids,
            (std::vector<int32_t>{0, 1}));
}

TEST(ReferenceTest, GroupsAreRankedByTheirRule) {
  // The first group has the largest member, the second the largest pair.
  const std::vector<float> logits = {3, -9, 2, 1.9f};
  EXPECT_EQ(RunRoute({.scoring = 1, .groups = 2, .groups_used = 1, .group_rule = 0, .scale = 1},
                     logits, {}, 2)
                .ids,
            (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(RunRoute({.scoring = 1, .groups = 2, .groups_used = 1, .group_rule = 1, .scale = 1},
                     logits, {}, 2)
                .ids,
            (std::vector<int32_t>{2, 3}));
}

TEST(ReferenceTest, MaskedGroupsCompeteWithZeroOnlyWhereAsked) {
  // All choices are negative: with masks of 0 the experts of the masked group win.
  const std::vector<float> logits = {2, 2, 0, 0}, bias = {-1, -1, -1, -1};
  rsn_moe_route a{.scoring = 1, .groups = 2, .groups_used = 1, .group_rule = 1, .scale = 1};
  EXPECT_EQ(RunRoute(a, logits, bias, 2).ids, (std::vector<int32_t>{0, 1}));
  a.masked_are_zero = 1;
  EXPECT_EQ(RunRoute(a, logits, bias, 2).ids, (std::vector<int32_t>{2, 3}));
}

TEST(ReferenceTest, ExpertsElsewhereAreSkipped) {
  Problem p;
  rsn_moe_experts a{};
  a.accumulate = 1;
  a.in = p.F32({1}, {1, 1});
  a.ids = p.I32({0, 2}, {1, 2});
  a.weights = p.F32({10, 100}, {1, 2});
  a.slots = p.I32({-1, 0, 1}, {3});
  a.gate = p.F32({5, 1}, {2, 1, 1});
  a.up = p.F32({5, 2}, {2, 1, 1});
  a.down = p.F32({5, 3}, {2, 1, 1});
  a.out = p.F32({7}, {1, 1});
  p.Add(a);
  ExpectNear(Values<float>(RunAll(p), a.out), {7 + 100 * (3 * 2 / (1 + std::exp(-1.0)))}, 1e-3);
}

TEST(ReferenceTest, LogitsAreReducedAfterAdjustment) {
  Problem p;
  rsn_reduce_logits a{};
  a.top = 3;
  a.logits = p.F32({std::log(1.0f), std::log(2.0f), std::log(4.0f), -1e9f}, {1, 4});
  a.adjust_begin = p.I32({0, 3}, {2});
  a.adjust_id = p.I32({2, 1, 3}, {3});
  a.adjust_divisor = p.F32({1, 2, 4}, {3});
  a.adjust_add = p.F32({-kInfinity, 1, 0}, {3});
  a.records = p.Out(RSN_DTYPE_F32, {1, 8});
  a.ids = p.Out(RSN_DTYPE_I32, {1, 3});
  a.values = p.Out(RSN_DTYPE_F32, {1, 3});
  a.raw = p.Out(RSN_DTYPE_F32, {1, 3});
  p.Add(a);
  const Contents contents = RunAll(p);
  rsn_logit_record record;
  std::memcpy(&record, contents[conformance::BlobOf(a.records.buffer)].data(), sizeof record);
  EXPECT_NEAR(record.logsumexp, std::log(7.0), 1e-6);
  double entropy = 0;
  for (double n : {1.0, 2.0, 4.0}) entropy -= n / 7 * std::log(n / 7);
  EXPECT_NEAR(record.entropy, entropy, 1e-6);
  EXPECT_NEAR(record.adjusted_logsumexp, std::log(1 + std::exp(1 + std::log(2.0) / 2)), 1e-6);
  EXPECT_EQ(record.flags, 0u);
  EXPECT_EQ(record.count, 3u);
  EXPECT_EQ(Values<int32_t>(contents, a.ids), (std::vector<int32_t>{1, 0, 3}));
  ExpectNear(Values<float>(contents, a.values), {1 + std::log(2.0) / 2, 0, -4e9}, 1e-6);
  ExpectNear(Values<float>(contents, a.raw), {std::log(2.0), 0, -1e9}, 1e-6);
}

// -------- what it refuses
// ---------------------------------------------------------------------------

TEST(ReferenceTest, AnIndexOutOfRangeIsReportedOnceBySynchronize) {
  const std::unique_ptr<Bench> bench = OpenBench();
  for (int32_t token : {-1, 3}) {
    Problem p;
    rsn_embed a{};
    a.table = p.F32({1, 2, 3}, {3, 1});
    a.tokens = p.I32({token}, {1});
    a.out = p.Out(RSN_DTYPE_F32, {1, 1});
    p.Add(a);
    const absl::StatusOr<Contents> contents = bench->Run(p, Mode::kDirect);
    EXPECT_NE(contents.status().message().find("tokens[0] is " + std::to_string(token)),
              std::string_view::npos)
        << contents.status();
    EXPECT_EQ(bench->table().synchronize(bench->queue()), 0);
  }
}

TEST(ReferenceTest, PagesSlotsAndLengthsOutOfRangeAreReported) {
  const std::unique_ptr<Bench> bench = OpenBench();
  const auto attend = [&](int32_t rows, int32_t length, std::vector<int32_t> pages) {
    Problem p;
    rsn_attention a{};
    a.q = p.F32({1}, {1, 1, 1});
    a.k_cache = a.v_cache = p.F32({1, 1}, {2, 1, 1, 1});
    a.out = p.Out(RSN_DTYPE_F32, {1, 1, 1});
    a.ragged = OneSequence(p, rows, length, std::move(pages), 1);
    p.Add(a);
    return bench->Run(p, Mode::kDirect).ok();
  };
  EXPECT_TRUE(attend(1, 2, {1, 0}));
  EXPECT_FALSE(attend(1, 2, {1, 2}));
  EXPECT_FALSE(attend(1, 2, {-1, 0}));
  EXPECT_FALSE(attend(1, 3, {1, 0}));
  EXPECT_FALSE(attend(1, 0, {1, 0}));
  EXPECT_FALSE(attend(2, 2, {1, 0}));
  Problem p;
  rsn_kv_write a{};
  a.in = p.F32({1}, {1, 1, 1});
  a.slots = p.I32({4}, {1});
  a.cache = p.F32({0, 0, 0, 0}, {2, 1, 2, 1});
  p.Add(a);
  EXPECT_FALSE(bench->Run(p, Mode::kDirect).ok());
}

TEST(ReferenceTest, ViewsOutsideTheirBufferAndWrongShapesAreRefused) {
  const std::unique_ptr<Bench> bench = OpenBench();
  rsn_buffer* buffer = nullptr;
  ASSERT_EQ(bench->table().buffer_new(bench->device(), 64, &buffer), 0);
  rsn_silu_mul a{};
  a.struct_size = sizeof a;
  a.gate = a.up = a.out = conformance::Dense(buffer, 0, RSN_DTYPE_F32, {2, 8});
  const auto code = [&](const rsn_silu_mul& args) {
    return bench->table().silu_mul(bench->queue(), &args);
  };
  EXPECT_EQ(code(a), 0);
  rsn_silu_mul beyond = a;
  beyond.out.offset = 4;
  EXPECT_EQ(code(beyond), -10);
  rsn_silu_mul huge = a;
  huge.gate.stride[0] = int64_t{1} << 62;
  EXPECT_EQ(code(huge), -10);
  rsn_silu_mul negative = a;
  negative.gate.stride[0] = -32;
  EXPECT_EQ(code(negative), -10);
  rsn_silu_mul odd = a;
  odd.up.offset = 2;
  odd.up.shape[0] = odd.gate.shape[0] = odd.out.shape[0] = 1;
  EXPECT_EQ(code(odd), -10);
  rsn_silu_mul shape = a;
  shape.up.shape[1] = 7;
  EXPECT_EQ(code(shape), -10);
  rsn_silu_mul type = a;
  type.up.dtype = RSN_DTYPE_Q4_K;
  EXPECT_EQ(code(type), -22);
  type.up.dtype = 4711;
  EXPECT_EQ(code(type), -22);
  rsn_silu_mul none = a;
  none.up.buffer = nullptr;
  EXPECT_EQ(code(none), -10);
  rsn_silu_mul empty = a;
  empty.struct_size = 0;
  EXPECT_EQ(code(empty), -10);
  EXPECT_STRNE(bench->table().last_error(), "");
  bench->table().buffer_free(buffer);
}

TEST(ReferenceTest, NothingIsCopiedWhileRecording) {
  const std::unique_ptr<Bench> bench = OpenBench();
  const rsn_backend& t = bench->table();
  rsn_buffer* buffer = nullptr;
  ASSERT_EQ(t.buffer_new(bench->device(), 64, &buffer), 0);
  float x = 1;
  ASSERT_EQ(t.record_begin(bench->queue()), 0);
  EXPECT_NE(t.upload(bench->queue(), buffer, 0, &x, 4), 0);
  EXPECT_NE(t.download(bench->queue(), &x, buffer, 0, 4), 0);
  EXPECT_NE(t.synchronize(bench->queue()), 0);
  EXPECT_NE(t.record_begin(bench->queue()), 0);
  rsn_recording* recording = nullptr;
  ASSERT_EQ(t.record_end(bench->queue(), &recording), 0);
  EXPECT_EQ(t.upload(bench->queue(), buffer, 60, &x, 4), 0);
  EXPECT_NE(t.upload(bench->queue(), buffer, 61, &x, 4), 0);
  EXPECT_NE(t.upload(bench->queue(), buffer, UINT64_MAX, &x, 4), 0);
  t.recording_free(recording);
  t.buffer_free(buffer);
}

TEST(ReferenceTest, BuffersAreZeroedAndAbsurdSizesAreAStatus) {
  const std::unique_ptr<Bench> bench = OpenBench();
  rsn_buffer* buffer = nullptr;
  ASSERT_EQ(bench->table().buffer_new(bench->device(), 100, &buffer), 0);
  std::vector<char> bytes(100, 'x');
  ASSERT_EQ(bench->table().download(bench->queue(), bytes.data(), buffer, 0, 100), 0);
  ASSERT_EQ(bench->table().synchronize(bench->queue()), 0);
  EXPECT_EQ(bytes, std::vector<char>(100, 0));
  bench->table().buffer_free(buffer);
  EXPECT_EQ(bench->table().buffer_new(bench->device(), UINT64_MAX, &buffer), -30);
  EXPECT_EQ(bench->table().buffer_new(bench->device(), uint64_t{1} << 62, &buffer), -30);
}

TEST(ReferenceTest, AWeightMustHaveExactlyItsBytes) {
  const std::unique_ptr<Bench> bench = OpenBench();
  std::vector<std::byte> bytes(34 * 6);
  rsn_tensor good = conformance::Dense(nullptr, 0, RSN_DTYPE_Q8_0, {3, 64});
  uint32_t referenced = 0;
  const auto make = [&](rsn_tensor t, uint64_t size) {
    const int32_t code =
        bench->table().weight(bench->device(), &t, bytes.data(), size, 0, &referenced);
    if (code == 0) bench->table().buffer_free(t.buffer);
    return code;
  };
  EXPECT_EQ(make(good, bytes.size()), 0);
  EXPECT_EQ(make(good, bytes.size() - 1), -10);
  rsn_tensor part = good;
  part.shape[1] = 63;
  EXPECT_EQ(make(part, bytes.size()), -10);
  rsn_tensor many = good;
  many.shape[0] = int64_t{1} << 60;
  EXPECT_EQ(make(many, bytes.size()), -10);
  rsn_tensor ranks = good;
  ranks.rank = 5;
  EXPECT_EQ(make(ranks, bytes.size()), -10);
}

// What rounding the scores, and the weights that they become, to f32 costs: other back ends have
// the reference's bits, so this is the error that the table's line is made from.
TEST(ReferenceTest, RoutingWeightsAreRoundedAsTheTableSays) {
  double worst = 0;
  for (const conformance::Case& c : conformance::AllCases()) {
    if (c.op != "moe_route") continue;
    const Problem p = c.make(1);
    const auto& a = std::get<rsn_moe_route>(p.ops[0]);
    const Contents contents = RunAll(p);
    const std::vector<float> logits = Values<float>(contents, a.logits);
    const std::vector<float> weights = Values<float>(contents, a.weights);
    const std::vector<int32_t> ids = Values<int32_t>(contents, a.ids);
    const size_t experts = static_cast<size_t>(a.logits.shape[1]);
    const size_t used = static_cast<size_t>(a.ids.shape[1]);
    for (size_t t = 0; t * experts < logits.size(); ++t) {
      const float* row = &logits[t * experts];
      if (!std::all_of(row, row + experts, [](float x) { return std::isfinite(x); })) continue;
      double all = 0, sum = 1e-20, largest = 0, error = 0;
      for (size_t e = 0; e < experts; ++e) all += std::exp(double{row[e]});
      std::vector<double> want;
      for (size_t i = 0; i < used; ++i) {
        const double z = row[ids[t * used + i]];
        want.push_back(a.scoring == 1 ? 1 / (1 + std::exp(-z)) : std::exp(z) / all);
        sum += want.back();
      }
      for (size_t i = 0; i < used; ++i) {
        const double weight = want[i] / (a.normalize != 0 ? sum : 1) * double{a.scale};
        largest = std::max(largest, std::fabs(weight));
        error = std::max(error, std::fabs(weights[t * used + i] - weight));
      }
      if (largest > 1e-30) worst = std::max(worst, error / largest);
    }
  }
  const double measured = conformance::FindTolerance("moe_route")->measured;
  EXPECT_LE(worst, measured);
  EXPECT_GE(worst, 0.9 * measured);
}

}  // namespace
}  // namespace raison
