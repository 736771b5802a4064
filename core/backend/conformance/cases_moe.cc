// moe_route (ties, NaN, negative biases, groups, both mask values) and moe_experts (empty experts,
// experts that live elsewhere, every weight type).
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/data.h"
#include "core/backend/conformance/oracle.h"

namespace raison::conformance {
namespace {

struct Route {
  int64_t rows = 5;
  int64_t experts = 16;
  int64_t used = 4;
  uint32_t scoring = 1;
  uint32_t groups = 1;
  uint32_t groups_used = 1;
  uint32_t group_rule = 1;
  uint32_t masked_are_zero = 0;
  uint32_t normalize = 1;
  float scale = 2.5f;
  float bias = 0.1f;  // its spread; 0: no bias
  float bias_centre = 0;
  bool ties = false;     // logits from few values
  bool strange = false;  // rows 1 to 5: NaN, -inf, saturated, +inf, nothing but NaN
};

// Distinct logits keep their order whatever exp is used: multiples of 2^-8 without repetition give
// scores that differ by much more than an ulp unless they saturate. A bias could bring two choices
// together, so biases are multiples of 2^-6: sums then tie only by chance, about once in 10^5.
std::vector<float> RouteLogits(const Route& s, Random& random) {
  std::vector<float> logits;
  for (int64_t t = 0; t < s.rows; ++t) {
    const std::vector<int32_t> order = random.Permutation(static_cast<int32_t>(s.experts));
    for (int32_t i : order) {
      const float step = static_cast<float>(i) - static_cast<float>(s.experts) / 2;
      logits.push_back(s.ties ? static_cast<float>(i % 3)
                              : step * (8.0f / static_cast<float>(s.experts)));
    }
  }
  return logits;
}

Problem MakeRoute(const Route& s, uint64_t seed) {
  Random random(seed);
  Problem p;
  std::vector<float> logits = RouteLogits(s, random);
  if (s.strange) {
    const size_t e = static_cast<size_t>(s.experts);
    logits[e + 2] = std::nanf("");
    for (size_t i = 0; i + 1 < e; ++i) logits[2 * e + i] = -std::numeric_limits<float>::infinity();
    logits[3 * e] = 100, logits[3 * e + 1] = 100;
    for (size_t i = 2; i < e; ++i) logits[3 * e + i] = -100;
    logits[4 * e + 5] = std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < e; ++i) logits[5 * e + i] = std::nanf("");
  }
  rsn_moe_route a{};
  a.scoring = s.scoring;
  a.groups = s.groups;
  a.groups_used = s.groups_used;
  a.group_rule = s.group_rule;
  a.masked_are_zero = s.masked_are_zero;
  a.normalize = s.normalize;
  a.scale = s.scale;
  a.logits = p.F32(logits, {s.rows, s.experts});
  if (s.bias != 0) {
    std::vector<float> bias = random.Normals(s.experts, s.bias);
    for (float& b : bias) b = std::nearbyint((b + s.bias_centre) * 64) / 64;
    if (s.ties) std::fill(bias.begin(), bias.end(), 0.25f);
    a.bias = p.F32Weight(bias, {s.experts});
  }
  a.ids = p.Out(RSN_DTYPE_I32, {s.rows, s.used});
  a.weights = p.Out(RSN_DTYPE_F32, {s.rows, s.used});
  p.Add(a);
  p.Expect({.what = "ids", .view = a.ids});
  p.Expect({.what = "weights", .view = a.weights, .rule = Rule::kRow, .tolerance = "moe_route"});
  return p;
}

void AddRoute(std::vector<Case>& cases, const std::string& name, const Route& s) {
  cases.push_back({.op = "moe_route",
                   .name = absl::StrCat("moe_route/", name),
                   .make = [s](uint64_t seed) { return MakeRoute(s, seed); },
                   .rows = {0, s.rows / 3, s.rows - 1}});
}

struct Mixture {
  int64_t rows = 3;
  int64_t width = 64;
  int64_t inner = 32;
  int64_t experts = 8;
  int64_t stacked = 8;
  int64_t used = 2;
  uint32_t dtype = RSN_DTYPE_F32;
  uint32_t down = RSN_DTYPE_F32;
  bool accumulate = false;
  int64_t elsewhere = 0;   // experts with slot -1
  int64_t favourites = 0;  // rows choose among so many experts; 0: all
  int64_t nan_row = -1;
  int64_t inf_row = -1;
};

Problem MakeMixture(const Mixture& s, uint64_t seed) {
  Random random(seed);
  Problem p;
  std::vector<float> x = random.Normals(s.rows * s.width);
  if (s.nan_row >= 0) x[static_cast<size_t>(s.nan_row * s.width + 3)] = std::nanf("");
  if (s.inf_row >= 0) {
    x[static_cast<size_t>(s.inf_row * s.width)] = std::numeric_limits<float>::infinity();
  }
  const int32_t among = static_cast<int32_t>(s.favourites != 0 ? s.favourites : s.experts);
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < s.rows; ++t) {
    std::vector<int32_t> order = random.Permutation(among);
    std::sort(order.begin(), order.begin() + s.used);
    ids.insert(ids.end(), order.begin(), order.begin() + s.used);
  }
  std::vector<float> weights;
  for (int64_t i = 0; i < s.rows * s.used; ++i) weights.push_back(random.Uniform(0.1f, 1));
  std::vector<int32_t> slots = random.Permutation(static_cast<int32_t>(s.experts));
  for (int32_t& slot : slots) {
    if (slot >= s.stacked || slot < s.elsewhere) slot = -1;
  }
  const auto stack = [&](uint32_t dtype) {
    return WeightBytes(dtype, s.stacked * s.inner * s.width, WeightPattern::kRandom, random);
  };
  // Weights near 1 give products near sqrt(width): silu is then exercised on both sides of 0.
  const std::vector<std::byte> gate = stack(s.dtype), up = stack(s.dtype), down = stack(s.down);
  const std::vector<float> before = random.Normals(s.rows * s.width);
  rsn_moe_experts a{};
  a.accumulate = s.accumulate ? 1 : 0;
  a.in = p.F32(x, {s.rows, s.width});
  a.ids = p.I32(ids, {s.rows, s.used});
  a.weights = p.F32(weights, {s.rows, s.used});
  a.slots = p.I32(slots, {s.experts});
  a.gate = p.Weight(gate, s.dtype, {s.stacked, s.inner, s.width});
  a.up = p.Weight(up, s.dtype, {s.stacked, s.inner, s.width});
  a.down = p.Weight(down, s.down, {s.stacked, s.width, s.inner});
  a.out =
      s.accumulate ? p.F32(before, {s.rows, s.width}) : p.Out(RSN_DTYPE_F32, {s.rows, s.width}, 4);
  p.Add(a);
  const bool quantized = BlockOf(s.dtype) > 1;
  p.Expect({.what = "out",
            .view = a.out,
            .rule = Rule::kGiven,
            .tolerance = quantized ? "moe_experts/integer" : "moe_experts/float",
            .definitions = [=] {
              const int64_t n = s.stacked * s.inner * s.width;
              const std::vector<float> g = Dequantize(s.dtype, gate, n);
              const std::vector<float> u = Dequantize(s.dtype, up, n);
              const std::vector<float> d = Dequantize(s.down, down, n);
              return ExpertDefinitions({.rows = s.rows,
                                        .width = s.width,
                                        .inner = s.inner,
                                        .used = s.used,
                                        .gate = g.data(),
                                        .up = u.data(),
                                        .down = d.data(),
                                        .x = x.data(),
                                        .ids = ids.data(),
                                        .weights = weights.data(),
                                        .slots = slots.data(),
                                        .before = s.accumulate ? before.data() : nullptr,
                                        .quantized = quantized});
            }});
  return p;
}

void AddMixture(std::vector<Case>& cases, const std::string& name, const Mixture& s) {
  cases.push_back({.op = "moe_experts",
                   .name = absl::StrCat("moe_experts/", name),
                   .make = [s](uint64_t seed) { return MakeMixture(s, seed); },
                   .rows = {0, s.rows / 2, s.rows - 1}});
}

}  // namespace

void AddMoeCases(std::vector<Case>& cases) {
  for (uint32_t scoring : {0u, 1u}) {
    const std::string score = scoring == 0 ? "softmax" : "sigmoid";
    AddRoute(cases, absl::StrCat(score, "/top 4 of 16"), {.scoring = scoring});
    AddRoute(cases, absl::StrCat(score, "/top 1 of 1"),
             {.experts = 1, .used = 1, .scoring = scoring});
    AddRoute(cases, absl::StrCat(score, "/all of 7"),
             {.experts = 7, .used = 7, .scoring = scoring});
    AddRoute(cases, absl::StrCat(score, "/top 6 of 64, plain"),
             {.rows = 33,
              .experts = 64,
              .used = 6,
              .scoring = scoring,
              .normalize = 0,
              .scale = 1,
              .bias = 0});
    AddRoute(cases, absl::StrCat(score, "/ties"),
             {.experts = 12, .used = 5, .scoring = scoring, .ties = true});
    AddRoute(cases, absl::StrCat(score, "/NaN, infinities, saturated"),
             {.rows = 7, .scoring = scoring, .bias = 0, .strange = true});
    AddRoute(cases, absl::StrCat(score, "/one row"), {.rows = 1, .scoring = scoring});
    AddRoute(cases, absl::StrCat(score, "/517 rows"), {.rows = 517, .scoring = scoring});
    for (uint32_t rule : {0u, 1u}) {
      for (uint32_t zero : {0u, 1u}) {
        const std::string name = absl::StrCat(score, "/groups by ", rule == 0 ? "largest" : "two",
                                              zero ? "/masked 0" : "/masked -inf");
        AddRoute(cases, name,
                 {.rows = 17,
                  .scoring = scoring,
                  .groups = 4,
                  .groups_used = 2,
                  .group_rule = rule,
                  .masked_are_zero = zero});
        AddRoute(cases, absl::StrCat(name, "/biases all negative"),
                 {.rows = 17,
                  .scoring = scoring,
                  .groups = 4,
                  .groups_used = 2,
                  .group_rule = rule,
                  .masked_are_zero = zero,
                  .bias = 0.3f,
                  .bias_centre = -1.0f});
        AddRoute(cases, absl::StrCat(name, "/ties"),
                 {.scoring = scoring,
                  .groups = 4,
                  .groups_used = 2,
                  .group_rule = rule,
                  .masked_are_zero = zero,
                  .ties = true});
      }
    }
  }
  AddRoute(cases, "as in R1",
           {.rows = 9, .experts = 256, .used = 8, .groups = 8, .groups_used = 4});
  AddRoute(cases, "as in V2",
           {.rows = 9,
            .experts = 160,
            .used = 6,
            .scoring = 0,
            .groups = 8,
            .groups_used = 3,
            .group_rule = 0,
            .normalize = 0,
            .scale = 16,
            .bias = 0});

  for (uint32_t dtype : kWeightTypes) {
    const std::string type = TypeName(dtype);
    const int64_t block = BlockOf(dtype);
    const int64_t width = block == 1 ? 37 : 2 * block, inner = block == 1 ? 19 : block;
    for (int64_t rows : {1, 2, 5, 17, 33}) {
      AddMixture(cases, absl::StrCat(type, "/rows ", rows),
                 {.rows = rows, .width = width, .inner = inner, .dtype = dtype, .down = dtype});
    }
    AddMixture(cases, absl::StrCat(type, "/experts elsewhere, residual"),
               {.rows = 6,
                .width = width,
                .inner = inner,
                .stacked = 6,
                .used = 3,
                .dtype = dtype,
                .down = dtype,
                .accumulate = true,
                .elsewhere = 2});
    AddMixture(
        cases, absl::StrCat(type, "/all experts elsewhere"),
        {.rows = 2, .width = width, .inner = inner, .dtype = dtype, .down = dtype, .elsewhere = 8});
    AddMixture(cases, absl::StrCat(type, "/most experts empty"),
               {.rows = 20,
                .width = width,
                .inner = inner,
                .used = 2,
                .dtype = dtype,
                .down = dtype,
                .favourites = 3});
    AddMixture(cases, absl::StrCat(type, "/NaN in row 2, infinity in row 4"),
               {.rows = 6,
                .width = width,
                .inner = inner,
                .dtype = dtype,
                .down = dtype,
                .nan_row = 2,
                .inf_row = 4});
    cases.back().rows = {0, 1, 3, 5};
    if (block < 256) {
      AddMixture(cases, absl::StrCat(type, "/rows 101"),
                 {.rows = 101, .width = width, .inner = inner, .dtype = dtype, .down = dtype});
    }
  }
  AddMixture(cases, "Q4_K with Q6_K down",
             {.rows = 7,
              .width = 256,
              .inner = 256,
              .experts = 4,
              .stacked = 4,
              .dtype = RSN_DTYPE_Q4_K,
              .down = RSN_DTYPE_Q6_K});
  AddMixture(cases, "Q4_K with Q8_0 down",
             {.rows = 3,
              .width = 256,
              .inner = 96,
              .experts = 4,
              .stacked = 4,
              .used = 1,
              .dtype = RSN_DTYPE_Q4_K,
              .down = RSN_DTYPE_Q8_0});
  AddMixture(cases, "one expert for all",
             {.rows = 40,
              .width = 64,
              .inner = 96,
              .experts = 1,
              .stacked = 1,
              .used = 1,
              .dtype = RSN_DTYPE_Q8_0,
              .down = RSN_DTYPE_Q8_0});
}

}  // namespace raison::conformance
