// matmul: every weight type with 1..17, 31..33 and 512 rows, odd widths, one block, hard weights
// and activations, several terms, bias, residual, batches, strided views, a NaN in one row.
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/data.h"
#include "core/backend/conformance/oracle.h"

namespace raison::conformance {
namespace {

struct Term {
  uint32_t dtype;
  int64_t out;
};
struct Shape3 {
  int64_t rows = 1;
  int64_t batch = 0;  // 0: two dimensions
  int64_t in = 32;
  std::vector<Term> terms;
  bool bias = false;
  bool accumulate = false;
  int64_t extra = 0;  // columns beside `in` and `out` in wider buffers
  WeightPattern pattern = WeightPattern::kRandom;
  Activations activations = Activations::kNormal;
  int64_t nan_row = -1;
  int64_t inf_row = -1;
  const std::vector<rsn_chunk>* chunks = nullptr;  // of static lifetime
};

// Two prompts of other lengths in one step, with rows of decoding sequences around them; and one that a
// back end may have to cut.
const std::vector<rsn_chunk> kPrompts = {{2, 67}, {70, 130}};
const std::vector<rsn_chunk> kLongPrompt = {{1, 515}};

bool Quantized(uint32_t dtype) { return BlockOf(dtype) > 1; }

// Rows of `width` values inside rows of width + extra.
rsn_tensor Padded(Problem& p, const std::vector<float>& x, int64_t rows, int64_t batch,
                  int64_t width, int64_t extra) {
  const int64_t lead = rows * std::max<int64_t>(batch, 1);
  std::vector<float> padded(static_cast<size_t>(lead * (width + extra)), 7.0f);
  for (int64_t t = 0; t < lead; ++t) {
    std::copy(x.begin() + t * width, x.begin() + (t + 1) * width,
              padded.begin() + t * (width + extra));
  }
  rsn_tensor t = batch == 0 ? p.F32(padded, {rows, width + extra})
                            : p.F32(padded, {rows, batch, width + extra});
  t.shape[t.rank - 1] = width;
  return t;
}

// Where chunks begin and end: one may be multiplied in f16, the next with quantised activations.
std::vector<int64_t> Borders(const Shape3& s) {
  std::vector<int64_t> borders;
  if (s.chunks == nullptr) return borders;
  for (const rsn_chunk& c : *s.chunks) {
    borders.push_back(c.first);
    borders.push_back(int64_t{c.first} + c.count);
  }
  return borders;
}

Problem MakeMatmul(const Shape3& s, uint64_t seed) {
  Random random(seed);
  Problem p;
  const int64_t batch = std::max<int64_t>(s.batch, 1);
  std::vector<float> x = ActivationRows(s.rows * batch, s.in, s.activations, random);
  if (s.nan_row >= 0) x[static_cast<size_t>(s.nan_row * batch * s.in + s.in / 2)] = std::nanf("");
  if (s.inf_row >= 0) {
    x[static_cast<size_t>(s.inf_row * batch * s.in)] = std::numeric_limits<float>::infinity();
  }
  rsn_matmul a{};
  a.in = Padded(p, x, s.rows, s.batch, s.in, s.extra);
  a.terms = static_cast<uint32_t>(s.terms.size());
  a.accumulate = s.accumulate ? 1 : 0;
  for (size_t j = 0; j < s.terms.size(); ++j) {
    const auto [dtype, out] = s.terms[j];
    const std::vector<std::byte> bytes = WeightBytes(dtype, batch * out * s.in, s.pattern, random);
    rsn_matmul_term& term = a.term[j];
    term.weight = s.batch == 0 ? p.Weight(bytes, dtype, {out, s.in})
                               : p.Weight(bytes, dtype, {s.batch, out, s.in});
    const std::vector<float> bias = random.Normals(out);
    if (s.bias) term.bias = p.F32Weight(bias, {out});
    const std::vector<float> before = random.Normals(s.rows * batch * out);
    if (s.accumulate) {
      term.out = Padded(p, before, s.rows, s.batch, out, s.extra);
    } else {
      term.out = s.batch == 0 ? p.Out(RSN_DTYPE_F32, {s.rows, out}, s.extra)
                              : p.Out(RSN_DTYPE_F32, {s.rows, s.batch, out}, s.extra);
    }
    const int64_t rows = s.rows, in = s.in;
    const bool with_bias = s.bias, accumulate = s.accumulate, with_chunks = s.chunks != nullptr;
    p.Expect({.what = "out",
              .view = term.out,
              .rule = Rule::kGiven,
              .tolerance = s.chunks != nullptr ? "matmul/chunk"
                           : Quantized(dtype)  ? "matmul/integer"
                                               : "matmul/float",
              .definitions = [=, dtype = dtype, out = out] {
                const std::vector<float> weight = Dequantize(dtype, bytes, batch * out * in);
                const bool halves = with_chunks && dtype != RSN_DTYPE_F32;
                return ProductDefinitions({.rows = rows,
                                           .batch = batch,
                                           .out = out,
                                           .in = in,
                                           .weight = weight.data(),
                                           .x = x.data(),
                                           .bias = with_bias ? bias.data() : nullptr,
                                           .before = accumulate ? before.data() : nullptr,
                                           .quantized = Quantized(dtype),
                                           .superblock = BlockOf(dtype) == 256 ? 256 : 0,
                                           .halves = halves});
              },
              .borders = Borders(s)});
  }
  if (s.chunks != nullptr) {
    a.chunk = s.chunks->data();
    a.chunks = static_cast<uint32_t>(s.chunks->size());
  }
  p.Add(a);
  return p;
}

// Only the chunk that `row` is of, as a product of its own; a row of no chunk is alone.
Problem ChunkAlone(const Shape3& s, uint64_t seed, int64_t row) {
  static std::map<uint32_t, const rsn_chunk> whole;  // by count; the addresses stay
  Problem p = MakeMatmul(s, seed);
  rsn_matmul& a = std::get<rsn_matmul>(p.ops[0]);
  int64_t first = row, count = 1;
  a.chunks = 0;
  for (const rsn_chunk& c : *s.chunks) {
    if (row < c.first || row >= c.first + c.count) continue;
    first = c.first, count = c.count;
    a.chunk = &whole.try_emplace(c.count, rsn_chunk{0, c.count}).first->second;
    a.chunks = 1;
  }
  const auto cut = [](rsn_tensor& t, int64_t from, int64_t rows) {
    t.offset += static_cast<uint64_t>(from * t.stride[0]);
    t.shape[0] = rows;
  };
  cut(a.in, first, count);
  for (uint32_t j = 0; j < a.terms; ++j) cut(a.term[j].out, first, count);
  for (Output& o : p.outputs) cut(o.view, row, 1);
  return p;
}

void Add(std::vector<Case>& cases, const std::string& name, const Shape3& s,
         std::vector<int64_t> rows = {}) {
  cases.push_back({.op = "matmul",
                   .name = absl::StrCat("matmul/", name),
                   .make = [s](uint64_t seed) { return MakeMatmul(s, seed); },
                   .rows = std::move(rows)});
}

void AddChunks(std::vector<Case>& cases, const std::string& name, Shape3 s) {
  if (s.chunks == nullptr) {
    s.rows = 202;
    s.chunks = &kPrompts;
  }
  const std::vector<rsn_chunk>& c = *s.chunks;
  cases.push_back({.op = "matmul",
                   .name = absl::StrCat("matmul/chunks/", name),
                   .make = [s](uint64_t seed) { return MakeMatmul(s, seed); },
                   .rows = {0, c.front().first, c.back().first + c.back().count - 1, s.rows - 1},
                   .alone = [s](uint64_t seed, int64_t row) { return ChunkAlone(s, seed, row); }});
}

}  // namespace

void AddMatmulCases(std::vector<Case>& cases) {
  for (uint32_t dtype : kWeightTypes) {
    const std::string type = TypeName(dtype);
    const int64_t block = BlockOf(dtype);
    const int64_t in = block == 1 ? 37 : block == 32 ? 96 : 512;
    for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33}) {
      Add(cases, absl::StrCat(type, "/rows ", rows),
          {.rows = rows, .in = in, .terms = {{dtype, 17}}}, {0, rows / 2, rows - 1});
    }
    for (int64_t out : {1, 2, 3, 15, 16, 18, 31, 33, 64}) {
      Add(cases, absl::StrCat(type, "/one block, out ", out),
          {.rows = 2, .in = block == 1 ? 32 : block, .terms = {{dtype, out}}}, {1});
    }
    Add(cases, absl::StrCat(type, "/rows 512"),
        {.rows = 512, .in = block == 1 ? 64 : 256, .terms = {{dtype, 20}}}, {0, 300, 511});
    Add(cases, absl::StrCat(type, "/long"), {.rows = 3, .in = 4096, .terms = {{dtype, 18}}}, {2});
    for (WeightPattern pattern : kHardWeights) {
      Add(cases, absl::StrCat(type, "/weights ", static_cast<int>(pattern)),
          {.rows = 3, .in = in, .terms = {{dtype, 18}}, .pattern = pattern});
      Add(cases, absl::StrCat(type, "/extreme, weights ", static_cast<int>(pattern)),
          {.rows = 17,
           .in = in,
           .terms = {{dtype, 18}},
           .pattern = pattern,
           .activations = Activations::kExtreme},
          {16});
    }
    for (Activations kind : kHardActivations) {
      Add(cases, absl::StrCat(type, "/activations ", static_cast<int>(kind)),
          {.rows = 3, .in = in, .terms = {{dtype, 18}}, .activations = kind}, {1});
    }
    Add(cases, absl::StrCat(type, "/bias, residual, strided"),
        {.rows = 5,
         .in = in,
         .terms = {{dtype, 19}},
         .bias = true,
         .accumulate = true,
         .extra = 24},
        {0, 4});
    Add(cases, absl::StrCat(type, "/batch of 3"),
        {.rows = 4, .batch = 3, .in = in, .terms = {{dtype, 18}}, .extra = 8}, {0, 3});
    Add(cases, absl::StrCat(type, "/batch of 1"),
        {.rows = 2, .batch = 1, .in = in, .terms = {{dtype, 5}}}, {1});
    Add(cases, absl::StrCat(type, "/NaN in row 2, infinity in row 4"),
        {.rows = 6, .in = in, .terms = {{dtype, 18}}, .nan_row = 2, .inf_row = 4}, {0, 1, 3, 5});
  }
  for (int64_t in : {1, 2, 3, 5, 7, 31, 33, 100}) {
    for (uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_F16, RSN_DTYPE_BF16}) {
      Add(cases, absl::StrCat(TypeName(dtype), "/in ", in),
          {.rows = 3, .in = in, .terms = {{dtype, 4}}}, {2});
    }
  }
  for (uint32_t dtype : kWeightTypes) {
    AddChunks(cases, TypeName(dtype), {.in = 256, .terms = {{dtype, 35}}});
  }
  AddChunks(cases, "q, k, v, strided, residual",
            {.in = 512,
             .terms = {{RSN_DTYPE_Q4_K, 48}, {RSN_DTYPE_F16, 17}, {RSN_DTYPE_Q8_0, 18},
                       {RSN_DTYPE_BF16, 67}},
             .bias = true,
             .accumulate = true,
             .extra = 24});
  for (const uint32_t dtype : {RSN_DTYPE_Q8_0, RSN_DTYPE_Q5_K, RSN_DTYPE_F16, RSN_DTYPE_BF16}) {
    AddChunks(cases, absl::StrCat(TypeName(dtype), "/long"), {.in = 4096, .terms = {{dtype, 9}}});
    for (const Activations kind : kHardActivations) {
      AddChunks(cases, absl::StrCat(TypeName(dtype), "/activations ", static_cast<int>(kind)),
                {.in = 512, .terms = {{dtype, 18}}, .activations = kind});
    }
    for (const WeightPattern pattern : kHardWeights) {
      if (!Quantized(dtype)) continue;
      AddChunks(cases, absl::StrCat(TypeName(dtype), "/weights ", static_cast<int>(pattern)),
                {.in = 512, .terms = {{dtype, 18}}, .pattern = pattern});
    }
    AddChunks(cases, absl::StrCat(TypeName(dtype), "/NaN in row 20, infinity in row 140"),
              {.in = 256, .terms = {{dtype, 18}}, .nan_row = 20, .inf_row = 140});
  }
  Shape3 above{.rows = 520, .in = 256, .terms = {{RSN_DTYPE_Q8_0, 20}}, .chunks = &kLongPrompt};
  AddChunks(cases, "a chunk of 515 rows", above);
  Add(cases, "q, k, v of unlike types",
      {.rows = 3,
       .in = 512,
       .terms = {{RSN_DTYPE_Q4_K, 48}, {RSN_DTYPE_Q6_K, 16}, {RSN_DTYPE_Q8_0, 17}},
       .bias = true},
      {0, 2});
  Add(cases, "four terms, floats among them",
      {.rows = 2,
       .in = 256,
       .terms =
           {{RSN_DTYPE_F32, 3}, {RSN_DTYPE_Q5_1, 40}, {RSN_DTYPE_F16, 16}, {RSN_DTYPE_Q5_K, 1}},
       .accumulate = true},
      {1});
}

}  // namespace raison::conformance
