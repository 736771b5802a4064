// embed, gather_rows, rms_norm, rope_table, rope, silu_mul, kv_write, kv_copy_page.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/data.h"

namespace raison::conformance {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void AddEmbed(std::vector<Case>& cases) {
  for (uint32_t dtype : kWeightTypes) {
    for (auto [vocabulary, rows] : {std::pair{1, 9}, {35, 9}, {35, 301}, {35, 1}}) {
      cases.push_back(
          {.op = "embed",
           .name = absl::StrCat("embed/", TypeName(dtype), "/", vocabulary, " tokens/rows ", rows),
           .make =
               [=, vocabulary = vocabulary, rows = rows](uint64_t seed) {
                 Random random(seed);
                 const int64_t width = BlockOf(dtype) == 1 ? 33 : 2 * BlockOf(dtype);
                 Problem p;
                 std::vector<int32_t> tokens;
                 for (int64_t t = 0; t < rows; ++t) {
                   tokens.push_back(random.Below(static_cast<int32_t>(vocabulary)));
                 }
                 tokens[static_cast<size_t>(rows / 2)] = static_cast<int32_t>(vocabulary) - 1;
                 std::vector<std::byte> table =
                     WeightBytes(dtype, vocabulary * width, WeightPattern::kRandom, random);
                 if (BlockOf(dtype) == 1) {  // what no arithmetic may touch
                   const std::vector<std::byte> hard =
                       Encode(dtype, {kInfinity, -kInfinity, std::nanf(""), -0.0f, 6e-8f});
                   std::copy(hard.begin(), hard.end(), table.begin());
                 }
                 rsn_embed a{};
                 a.table = p.Weight(table, dtype, {vocabulary, width});
                 a.tokens = p.I32(tokens, {rows});
                 a.out = p.Out(RSN_DTYPE_F32, {rows, width}, 4);
                 p.Add(a);
                 p.Expect({.what = "out", .view = a.out});
                 return p;
               },
           .rows = {0, rows - 1}});
    }
  }
}

void AddGather(std::vector<Case>& cases) {
  for (int64_t count : {1, 5, 40, 515}) {
    cases.push_back({.op = "gather_rows",
                     .name = absl::StrCat("gather_rows/", count),
                     .make =
                         [=](uint64_t seed) {
                           Random random(seed);
                           Problem p;
                           std::vector<int32_t> index;
                           for (int64_t i = 0; i < count; ++i) index.push_back(random.Below(7));
                           rsn_gather_rows a{};
                           std::vector<float> x = random.Normals(7 * 33);
                           x[40] = kInfinity, x[80] = std::nanf("");
                           a.in = p.F32(x, {7, 33});
                           a.index = p.I32(index, {count});
                           a.out = p.Out(RSN_DTYPE_F32, {count, 33}, 3);
                           p.Add(a);
                           p.Expect({.what = "out", .view = a.out});
                           return p;
                         },
                     .rows = {0, count - 1}});
  }
}

// heads 0: (rows, width).
Problem MakeNorm(int64_t rows, int64_t heads, int64_t width, bool in_place, float scale,
                 uint64_t seed) {
  Random random(seed);
  Problem p;
  const int64_t lead = rows * std::max<int64_t>(heads, 1);
  std::vector<float> x = random.Normals(lead * (width + 4), scale);
  rsn_rms_norm a{};
  a.epsilon = 1e-6f;
  a.in = heads == 0 ? p.F32(x, {rows, width + 4}) : p.F32(x, {rows, heads, width + 4});
  a.in.shape[a.in.rank - 1] = width;
  a.weight = p.F32Weight(random.Normals(width), {width});
  a.out = in_place     ? a.in
          : heads == 0 ? p.Out(RSN_DTYPE_F32, {rows, width}, 4)
                       : p.Out(RSN_DTYPE_F32, {rows, heads, width}, 4);
  p.Add(a);
  p.Expect({.what = "out", .view = a.out, .rule = Rule::kValue, .tolerance = "rms_norm"});
  return p;
}

void AddNorm(std::vector<Case>& cases) {
  for (int64_t width : {1, 7, 32, 33, 128, 1536, 7168}) {
    for (int64_t heads : {0, 3}) {
      for (bool in_place : {false, true}) {
        cases.push_back(
            {.op = "rms_norm",
             .name = absl::StrCat("rms_norm/width ", width, "/heads ", heads,
                                  in_place ? "/in place" : ""),
             .make = [=](uint64_t seed) { return MakeNorm(5, heads, width, in_place, 1, seed); },
             .rows = {0, 4}});
      }
    }
  }
  for (float scale : {0.0f, 1e-12f, 1e6f, 1e15f}) {
    cases.push_back({.op = "rms_norm",
                     .name = absl::StrCat("rms_norm/scale ", scale),
                     .make = [=](uint64_t seed) { return MakeNorm(3, 0, 65, false, scale, seed); },
                     .rows = {1}});
  }
  for (auto [rows, heads] : {std::pair{1, 0}, {1, 3}, {517, 0}, {301, 2}}) {
    cases.push_back(
        {.op = "rms_norm",
         .name = absl::StrCat("rms_norm/rows ", rows, "/heads ", heads),
         .make = [=, rows = rows, heads = heads](
                     uint64_t seed) { return MakeNorm(rows, heads, 65, false, 1, seed); },
         .rows = {0, rows - 1}});
  }
  for (float hard : {std::nanf(""), kInfinity, -kInfinity}) {
    cases.push_back({.op = "rms_norm",
                     .name = absl::StrCat("rms_norm/", hard, " stays in its row"),
                     .make =
                         [=](uint64_t seed) {
                           Problem p = MakeNorm(4, 0, 40, false, 1, seed);
                           std::memcpy(&p.blobs[0].bytes[44 * 4 * 2 + 12], &hard, 4);  // row 2
                           return p;
                         },
                     .rows = {1, 3}});
  }
}

std::vector<float> Frequencies(int64_t pairs) {
  std::vector<float> parts;
  double frequency = 1;
  for (int64_t i = 0; i < pairs; ++i) {
    parts.push_back(static_cast<float>(frequency));
    parts.push_back(static_cast<float>(frequency - parts.back()));
    frequency *= 0.7498942093324559;  // 10000^(-1/32)
  }
  return parts;
}

Problem MakeAngles(const std::vector<int32_t>& positions, int64_t pairs) {
  const int64_t rows = static_cast<int64_t>(positions.size());
  Problem p;
  rsn_rope_table a{};
  a.magnitude = 1.25f;
  a.positions = p.I32(positions, {rows});
  a.frequencies = p.F32(Frequencies(pairs), {pairs, 2});
  a.out = p.Out(RSN_DTYPE_F32, {rows, pairs, 2});
  p.Add(a);
  p.Expect({.what = "out", .view = a.out, .rule = Rule::kUnit, .tolerance = "rope_table"});
  return p;
}

Problem MakeTurn(int64_t rows, int64_t heads, int64_t pairs, uint32_t interleaved, uint64_t seed) {
  Random random(seed);
  Problem p;
  std::vector<float> table;
  for (int64_t i = 0; i < rows * pairs; ++i) {
    // A point of the circle without libm: (1 - u^2, 2u) / (1 + u^2).
    const float u = random.Uniform(-1, 1);
    table.push_back((1 - u * u) / (1 + u * u));
    table.push_back(2 * u / (1 + u * u));
  }
  table[0] = 1, table[1] = 0;
  rsn_rope a{};
  a.interleaved = interleaved;
  a.table = p.F32(table, {rows, pairs, 2});
  // The tail of each head, as in MLA's queries.
  a.x = p.F32(random.Normals(rows * heads * (2 * pairs + 6)), {rows, heads, 2 * pairs + 6});
  a.x.offset += 6 * 4;
  a.x.shape[2] = 2 * pairs;
  p.Add(a);
  p.Expect({.what = "x", .view = a.x, .rule = Rule::kRow, .tolerance = "rope"});
  return p;
}

void AddRope(std::vector<Case>& cases) {
  const std::vector<int32_t> kPositions = {0, 1, 31, 131071, 7, 4096, 65535};
  cases.push_back({.op = "rope_table", .name = "rope_table/rows 1", .make = [](uint64_t seed) {
                     return MakeAngles({seed == 1 ? 65535 : 7}, 5);
                   }});
  cases.push_back({.op = "rope_table",
                   .name = "rope_table/rows 519",
                   .make =
                       [](uint64_t seed) {
                         std::vector<int32_t> positions;
                         for (int32_t i = 0; i < 519; ++i) {
                           positions.push_back(i * 127 + static_cast<int32_t>(seed));
                         }
                         return MakeAngles(positions, 32);
                       },
                   .rows = {0, 518}});
  for (uint32_t interleaved : {0u, 1u}) {
    const std::string layout = interleaved ? "interleaved" : "halves";
    for (int64_t rows : {1, 301}) {
      cases.push_back(
          {.op = "rope",
           .name = absl::StrCat("rope/rows ", rows, "/", layout),
           .make = [=](uint64_t seed) { return MakeTurn(rows, 2, 16, interleaved, seed); },
           .rows = {0, rows - 1}});
    }
    cases.push_back({.op = "rope",
                     .name = absl::StrCat("rope/NaN and infinity stay in their pairs/", layout),
                     .make =
                         [=](uint64_t seed) {
                           Problem p = MakeTurn(7, 2, 16, interleaved, seed);
                           // Head 1 of rows 2 and 4: 38 values a head, 6 of them before the pairs.
                           const auto put = [&](int64_t row, int64_t i, float value) {
                             const int64_t at = (row * 2 + 1) * 38 + 6 + i;
                             std::memcpy(&p.blobs[1].bytes[static_cast<size_t>(at * 4)], &value, 4);
                           };
                           put(2, 5, std::nanf(""));
                           put(4, 9, kInfinity);
                           return p;
                         },
                     .rows = {1, 2, 3, 5}});
  }
  for (int64_t pairs : {1, 16, 20, 32, 64}) {
    cases.push_back({.op = "rope_table",
                     .name = absl::StrCat("rope_table/pairs ", pairs),
                     .make =
                         [=](uint64_t seed) {
                           std::vector<int32_t> positions = kPositions;
                           if (seed != 1) {
                             std::rotate(positions.begin(), positions.begin() + 2, positions.end());
                           }
                           return MakeAngles(positions, pairs);
                         },
                     .rows = {0, 3, 6}});
    for (uint32_t interleaved : {0u, 1u}) {
      for (int64_t heads : {1, 3}) {
        cases.push_back(
            {.op = "rope",
             .name = absl::StrCat("rope/pairs ", pairs, "/heads ", heads,
                                  interleaved ? "/interleaved" : "/halves"),
             .make = [=](uint64_t seed) { return MakeTurn(7, heads, pairs, interleaved, seed); },
             .rows = {0, 3, 6}});
      }
    }
  }
}

void AddSilu(std::vector<Case>& cases) {
  for (auto [rows, width] :
       {std::pair{4, 1}, {4, 5}, {4, 16}, {4, 33}, {4, 1408}, {1, 37}, {515, 21}}) {
    for (int alias : {0, 1, 2}) {
      cases.push_back(
          {.op = "silu_mul",
           .name = absl::StrCat("silu_mul/rows ", rows, "/width ", width, "/out ",
                                alias == 0   ? "apart"
                                : alias == 1 ? "is gate"
                                             : "is up"),
           .make =
               [=, rows = rows, width = width](uint64_t seed) {
                 Random random(seed);
                 Problem p;
                 std::vector<float> gate = random.Normals(rows * (width + 3), 4);
                 const float hard[] = {0.0f, -0.0f, 20, -20, 88, -88, 200, -200, 1e-30f, -1e4f};
                 for (size_t i = 0; i < std::size(hard) && i < gate.size(); ++i) gate[i] = hard[i];
                 const auto put = [&](int64_t row, float value) {
                   if (row < rows) gate[static_cast<size_t>(row * (width + 3))] = value;
                 };
                 put(1, kInfinity), put(2, std::nanf("")), put(3, -kInfinity);
                 rsn_silu_mul a{};
                 a.gate = p.F32(gate, {rows, width + 3});
                 a.gate.shape[1] = width;
                 a.up = p.F32(random.Normals(rows * width), {rows, width});
                 a.out = alias == 0   ? p.Out(RSN_DTYPE_F32, {rows, width}, 5)
                         : alias == 1 ? a.gate
                                      : a.up;
                 p.Add(a);
                 p.Expect(
                     {.what = "out", .view = a.out, .rule = Rule::kRow, .tolerance = "silu_mul"});
                 return p;
               },
           .rows = {0, rows / 2, rows - 1}});
    }
  }
}

void AddKv(std::vector<Case>& cases) {
  for (uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_F16, RSN_DTYPE_BF16}) {
    for (auto [width, rows] :
         {std::pair{1, 11}, {33, 11}, {64, 11}, {576, 11}, {64, 1}, {33, 515}}) {
      for (int64_t heads : {1, 2}) {
        cases.push_back({.op = "kv_write",
                         .name = absl::StrCat("kv_write/", TypeName(dtype), "/rows ", rows,
                                              "/width ", width, "/heads ", heads),
                         .make = [=, width = width, rows = rows](uint64_t seed) {
                           Random random(seed);
                           constexpr int64_t kTokens = 8;
                           const int64_t pages = rows / kTokens + 2;
                           Problem p;
                           std::vector<float> x = random.Normals(rows * heads * (width + 2));
                           // Ties, subnormal halves, the edges of f16, no numbers.
                           const float hard[] = {
                               65504,         65519.9f,    65520,     1e9f,
                               -1e9f,         6e-8f,       2.9e-8f,   1.00048828125f,
                               1.0009765625f, 1.00390625f, kInfinity, -kInfinity,
                               std::nanf(""), 0.0f,        -0.0f,     6.1e-5f};
                           for (size_t i = 0; i < x.size(); i += 3)
                             x[i] = hard[i / 3 % std::size(hard)];
                           std::vector<int32_t> slots =
                               random.Permutation(static_cast<int32_t>(pages * kTokens));
                           slots.resize(static_cast<size_t>(rows));
                           rsn_kv_write a{};
                           a.in = p.F32(x, {rows, heads, width + 2});
                           a.in.shape[2] = width;
                           a.slots = p.I32(slots, {rows});
                           a.cache = p.Out(dtype, {pages, heads, kTokens, width});
                           p.Add(a);
                           p.Expect({.what = "cache", .view = a.cache});
                           return p;
                         }});
      }
    }
    for (const auto& [count, itself] :
         {std::pair{0, false}, {1, false}, {3, false}, {40, false}, {40, true}}) {
      cases.push_back(
          {.op = "kv_copy_page",
           .name = absl::StrCat("kv_copy_page/", TypeName(dtype), "/", count,
                                itself ? "/some to themselves" : ""),
           .make = [count = int64_t{count}, itself = itself, dtype](uint64_t seed) {
             Random random(seed);
             const int64_t pages = 2 * count + 1;
             constexpr int64_t kHeads = 2, kTokens = 4, kWidth = 5;
             Problem p;
             std::vector<int32_t> order = random.Permutation(static_cast<int32_t>(pages));
             for (int32_t i = 1; itself && i < count; i += 3) order[i] = order[count + i];
             rsn_kv_copy_page a{};
             a.cache = p.Bytes(Encode(dtype, random.Normals(pages * kHeads * kTokens * kWidth)),
                               dtype, {pages, kHeads, kTokens, kWidth});
             a.from = p.I32({order.begin(), order.begin() + count}, {count});
             a.to = p.I32({order.begin() + count, order.begin() + 2 * count}, {count});
             p.Add(a);
             p.Expect({.what = "cache", .view = a.cache});
             return p;
           }});
    }
  }
}

}  // namespace

void AddDenseCases(std::vector<Case>& cases) {
  AddEmbed(cases);
  AddGather(cases);
  AddNorm(cases);
  AddRope(cases);
  AddSilu(cases);
  AddKv(cases);
}

}  // namespace raison::conformance
