// reduce_logits: records, candidates, ties, adjustments, rows with a NaN or an infinity.
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/data.h"

namespace raison::conformance {
namespace {

struct Adjustment {
  int64_t row;
  int32_t id;
  float divisor;
  float add;
};
struct Logits {
  int64_t rows = 3;
  int64_t vocabulary = 1000;
  uint32_t top = 20;
  std::vector<Adjustment> adjustments = {};  // ascending in row
  float scale = 3;
  float centre = 0;
  bool ties = false;
  bool strange = false;  // a NaN in row 1, +inf in row 2, many -inf in row 3
};

rsn_tensor Part(rsn_tensor t, int64_t first, int64_t count, uint32_t dtype) {
  t.offset += static_cast<uint64_t>(first) * 4;
  t.shape[1] = count;
  t.dtype = dtype;
  return t;
}

Problem MakeLogits(const Logits& s, uint64_t seed) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Random random(seed);
  Problem p;
  std::vector<float> z = random.Normals(s.rows * s.vocabulary, s.scale);
  for (float& v : z) v = s.ties ? std::nearbyint(v) : v + s.centre;
  const auto at = [&](int64_t row, int64_t i) -> float& {
    return z[static_cast<size_t>(row * s.vocabulary + i)];
  };
  if (s.strange) {
    at(1, s.vocabulary - 1) = std::nanf("");
    at(2, 0) = kInfinity;
    for (int64_t i = 0; i < s.vocabulary; i += 2) at(3, i) = -kInfinity;
  }
  std::vector<int32_t> begin = {0}, id;
  std::vector<float> divisor, add;
  for (int64_t t = 0; t < s.rows; ++t) {
    for (const Adjustment& a : s.adjustments) {
      // Another step adjusts other rows, by lists of other lengths.
      if ((seed == 1 ? a.row : (a.row + 1) % s.rows) != t) continue;
      id.push_back(a.id);
      divisor.push_back(a.divisor);
      add.push_back(a.add);
    }
    begin.push_back(static_cast<int32_t>(id.size()));
  }
  id.resize(id.size() + 2, -7);  // capacity beyond what is used
  divisor.resize(id.size(), std::nanf(""));
  add.resize(id.size(), std::nanf(""));
  const int64_t capacity = static_cast<int64_t>(id.size());
  rsn_reduce_logits a{};
  a.top = s.top;
  a.logits = p.F32(z, {s.rows, s.vocabulary});
  a.adjust_begin = p.I32(begin, {s.rows + 1});
  a.adjust_id = p.I32(id, {capacity});
  a.adjust_divisor = p.F32(divisor, {capacity});
  a.adjust_add = p.F32(add, {capacity});
  a.records = p.Out(RSN_DTYPE_F32, {s.rows, 8});
  a.ids = p.Out(RSN_DTYPE_I32, {s.rows, s.top});
  a.values = p.Out(RSN_DTYPE_F32, {s.rows, s.top});
  a.raw = p.Out(RSN_DTYPE_F32, {s.rows, s.top});
  p.Add(a);
  p.Expect({.what = "flags", .view = Part(a.records, 3, 1, RSN_DTYPE_I32)});
  p.Expect({.what = "sums",
            .view = Part(a.records, 0, 3, RSN_DTYPE_F32),
            .rule = Rule::kUnit,
            .tolerance = "reduce_logits"});
  p.Expect({.what = "count", .view = Part(a.records, 4, 1, RSN_DTYPE_I32)});
  p.Expect({.what = "reserved", .view = Part(a.records, 5, 3, RSN_DTYPE_I32)});
  p.Expect({.what = "ids", .view = a.ids});
  p.Expect({.what = "values", .view = a.values});
  p.Expect({.what = "raw", .view = a.raw});
  if (s.strange) {
    // Of the flagged rows 1 and 2 only the flags are defined; what comes before and after is whole.
    for (Output& output : p.outputs) {
      if (std::string_view(output.what) == "flags") continue;
      p.Ignore(output.view);
      output.view.offset += static_cast<uint64_t>(3 * output.view.stride[0]);
      output.view.shape[0] = s.rows - 3;
    }
  }
  return p;
}

void Add(std::vector<Case>& cases, const std::string& name, const Logits& s,
         std::vector<int64_t> rows) {
  cases.push_back({.op = "reduce_logits",
                   .name = absl::StrCat("reduce_logits/", name),
                   .make = [s](uint64_t seed) { return MakeLogits(s, seed); },
                   .rows = std::move(rows)});
}

}  // namespace

void AddLogitCases(std::vector<Case>& cases) {
  constexpr float kBanned = -std::numeric_limits<float>::infinity();
  for (int64_t vocabulary : {1, 7, 31, 1000, 2048, 32003}) {
    for (uint32_t top : {1u, 20u, 64u}) {
      if (top > vocabulary) continue;
      Add(cases, absl::StrCat("top ", top, " of ", vocabulary),
          {.vocabulary = vocabulary, .top = top}, {0, 2});
    }
    Add(cases, absl::StrCat("all of ", vocabulary),
        {.rows = 2, .vocabulary = vocabulary, .top = static_cast<uint32_t>(vocabulary)}, {1});
    Add(cases, absl::StrCat("ties in ", vocabulary),
        {.rows = 4,
         .vocabulary = vocabulary,
         .top = static_cast<uint32_t>(std::min<int64_t>(vocabulary, 40)),
         .ties = true},
        {0, 3});
  }
  Add(cases, "one row of 152064", {.rows = 1, .vocabulary = 152064, .top = 256}, {});
  Add(cases, "far from zero", {.vocabulary = 500, .scale = 1, .centre = -30000}, {0});
  Add(cases, "steep", {.vocabulary = 500, .scale = 4000}, {0});
  Add(cases, "all equal", {.vocabulary = 500, .scale = 0}, {0});
  Add(cases, "adjusted",
      {.rows = 4,
       .vocabulary = 97,
       .adjustments = {{0, 0, 1.3f, 0},
                       {0, 5, 1, 100},
                       {0, 5, 1.7f, -3},  // once more: 100 / 1.7 - 3
                       {0, 96, 1.1f, -0.5f},
                       {2, 1, 1.1f, kBanned},
                       {2, 2, 3, 0},
                       {3, 7, 0.5f, 1}}},
      {0, 1, 2, 3});
  std::vector<Adjustment> all_but_one;
  for (int32_t id = 0; id < 40; ++id) {
    if (id != 17) all_but_one.push_back({0, id, 1, kBanned});
  }
  Add(cases, "all but one banned",
      {.rows = 2, .vocabulary = 40, .top = 1, .adjustments = all_but_one}, {0, 1});
  Add(cases, "NaN and infinities", {.rows = 6, .vocabulary = 200, .strange = true}, {0, 3, 4, 5});
  cases.back().rows.clear();  // outputs are cut to whole rows there; the next case slices
  // Long enough for several workgroups to a row.
  Add(cases, "NaN and infinities of 9001", {.rows = 6, .vocabulary = 9001, .strange = true}, {});
  Add(cases, "adjusted, of 9001",
      {.rows = 3,
       .vocabulary = 9001,
       .top = 12,
       .adjustments = {{0, 0, 1, 90}, {0, 9000, 1, 91}, {0, 4096, 1, 92}, {0, 4096, 2, 0},
                       {0, 4095, 1, kBanned}, {2, 8192, 1.5f, 60}}},
      {0, 1, 2});
  Add(cases, "257 rows", {.rows = 257, .vocabulary = 61, .top = 5}, {0, 128, 256});
  Add(cases, "17 rows", {.rows = 17, .vocabulary = 129, .top = 8}, {0, 8, 16});
}

}  // namespace raison::conformance
