// attention and mla_attention over scrambled pages, and a small whole step of several operations.
// Unused tokens of the cache hold NaN: a kernel that reads beyond what a row sees is found.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/data.h"
#include "core/backend/conformance/oracle.h"

namespace raison::conformance {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Sequence {
  int64_t rows;
  int64_t length;  // keys that its last row sees
};

// Another step of the same shape: sequences up to three keys shorter, and here and there a row more
// or less, as when a recorded step is replayed for other sequences.
std::vector<Sequence> AnotherStep(std::vector<Sequence> sequences) {
  for (size_t s = 0; s < sequences.size(); ++s) {
    Sequence& one = sequences[s];
    const int64_t spare = one.length - one.rows;
    one.length -= std::min<int64_t>(spare, 1 + static_cast<int64_t>(s) % 3);
    if (s == 0) continue;
    Sequence& before = sequences[s - 1];
    if (before.rows > 1 && one.length > one.rows) {
      --before.rows;
      ++one.rows;
    }
  }
  return sequences;
}

// Where the sequences' tokens lie: pages in scrambled order, some belonging to nobody. The number
// of pages and of rows is the same for every seed; lengths and rows of sequences are the given ones
// for the first seed and others for the next.
struct Pages {
  int64_t tokens;  // per page
  int64_t count = 0;
  std::vector<int32_t> row_begin = {0}, length, begin, pages;

  Pages(const std::vector<Sequence>& sequences, int64_t page_tokens, uint64_t seed, Random& random)
      : tokens(page_tokens) {
    for (const Sequence& s : sequences) {
      begin.push_back(static_cast<int32_t>(count));
      count += (s.length + tokens - 1) / tokens;
    }
    for (const Sequence& s : seed == 1 ? sequences : AnotherStep(sequences)) {
      row_begin.push_back(row_begin.back() + static_cast<int32_t>(s.rows));
      length.push_back(static_cast<int32_t>(s.length));
    }
    const int64_t mine = count;
    count += 2;
    pages = random.Permutation(static_cast<int32_t>(count));
    pages.resize(static_cast<size_t>(mine));
  }

  int64_t rows() const { return row_begin.back(); }

  rsn_ragged Upload(Problem& p) const {
    const int64_t n = static_cast<int64_t>(length.size());
    rsn_ragged g{};
    g.row_begin = p.I32(row_begin, {n + 1});
    g.kv_length = p.I32(length, {n});
    g.page_begin = p.I32(begin, {n});
    std::vector<int32_t> padded = pages;
    padded.resize(pages.size() + 3, -5);  // capacity beyond what is used
    g.pages = p.I32(padded, {static_cast<int64_t>(padded.size())});
    g.page_tokens = static_cast<uint32_t>(tokens);
    return g;
  }

  // A step of row r alone.
  Pages Alone(int64_t r) const {
    Pages one = *this;
    size_t s = 0;
    while (row_begin[s + 1] <= r) ++s;
    one.row_begin = {0, 1};
    one.length = {length[s] - (row_begin[s + 1] - static_cast<int32_t>(r)) + 1};
    one.begin = {begin[s]};
    return one;
  }

  // Puts x into the first value of sequence 0's row at `position` of a cache.
  void Spoil(std::vector<float>& cache, int64_t heads, int64_t width, int64_t position,
             float x) const {
    if (position < 0) return;
    const int64_t page = pages[static_cast<size_t>(position / tokens)];
    cache[static_cast<size_t>((page * heads * tokens + position % tokens) * width)] = x;
  }

  // The cache (count, heads, tokens, width): NaN except at positions in use.
  std::vector<float> Cache(int64_t heads, int64_t width, float scale, Random& random) const {
    std::vector<float> cache(static_cast<size_t>(count * heads * tokens * width), std::nanf(""));
    for (size_t s = 0; s < length.size(); ++s) {
      for (int64_t pos = 0; pos < length[s]; ++pos) {
        const int64_t page = pages[static_cast<size_t>(begin[s] + pos / tokens)];
        for (int64_t h = 0; h < heads; ++h) {
          const int64_t row = (page * heads + h) * tokens + pos % tokens;
          for (int64_t i = 0; i < width; ++i) {
            cache[static_cast<size_t>(row * width + i)] = random.Normal() * scale;
          }
        }
      }
    }
    return cache;
  }
};

struct Attend {
  std::vector<Sequence> sequences;
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t width = 32;
  int64_t value_width = 32;
  int64_t page_tokens = 16;
  uint32_t dtype = RSN_DTYPE_F16;
  float q_scale = 1;
  bool shared = false;  // values are the first columns of the keys (absorbed MLA)
  float hard = std::numeric_limits<float>::quiet_NaN();  // what these are:
  int64_t hard_row = -1;                                 // a value of this row's query
  int64_t hard_key = -1;                                 // of sequence 0's key at this position
  int64_t hard_value = -1;                               // of its value there
};

Problem MakeAttention(const Attend& s, uint64_t seed, int64_t row) {
  Random random(seed);
  Problem p;
  const Pages pages(s.sequences, s.page_tokens, seed, random);
  std::vector<float> q = random.Normals(pages.rows() * s.heads * (s.width + 2), s.q_scale);
  if (s.hard_row >= 0) q[static_cast<size_t>(s.hard_row * s.heads * (s.width + 2) + 1)] = s.hard;
  std::vector<float> k = pages.Cache(s.kv_heads, s.width, 1, random);
  pages.Spoil(k, s.kv_heads, s.width, s.hard_key, s.hard);
  std::vector<float> v =
      s.shared ? std::vector<float>() : pages.Cache(s.kv_heads, s.value_width, 1, random);
  if (!s.shared) pages.Spoil(v, s.kv_heads, s.value_width, s.hard_value, s.hard);
  rsn_attention a{};
  a.scale = 1.0f / std::sqrt(static_cast<float>(s.width));
  // Queries inside wider heads, as in a joint projection.
  a.q = p.F32(q, {pages.rows(), s.heads, s.width + 2});
  a.q.shape[2] = s.width;
  a.k_cache =
      p.Bytes(Encode(s.dtype, k), s.dtype, {pages.count, s.kv_heads, s.page_tokens, s.width});
  if (s.shared) {
    a.v_cache = a.k_cache;
    a.v_cache.shape[3] = s.value_width;
  } else {
    a.v_cache = p.Bytes(Encode(s.dtype, v), s.dtype,
                        {pages.count, s.kv_heads, s.page_tokens, s.value_width});
  }
  if (row >= 0) {
    a.q.offset += static_cast<uint64_t>(row * a.q.stride[0]);
    a.q.shape[0] = 1;
    a.ragged = pages.Alone(row).Upload(p);
  } else {
    a.ragged = pages.Upload(p);
  }
  a.out = p.Out(RSN_DTYPE_F32, {a.q.shape[0], s.heads, s.value_width}, 2);
  p.Add(a);
  p.Expect({.what = "out",
            .view = a.out,
            .rule = Rule::kRow,
            .tolerance = s.q_scale > 1 ? "attention/sharp" : "attention"});
  return p;
}

void AddAttention(std::vector<Case>& cases, const std::string& name, const Attend& s,
                  std::vector<int64_t> rows) {
  cases.push_back({.op = "attention",
                   .name = absl::StrCat("attention/", name),
                   .make = [s](uint64_t seed) { return MakeAttention(s, seed, -1); },
                   .rows = std::move(rows),
                   .alone = [s](uint64_t seed, int64_t r) { return MakeAttention(s, seed, r); }});
}

struct Latent {
  std::vector<Sequence> sequences;
  int64_t heads = 3;
  int64_t nope = 32;
  int64_t rope = 16;
  int64_t latent = 64;
  int64_t value = 32;
  int64_t page_tokens = 16;
  uint32_t weight = RSN_DTYPE_F32;
  uint32_t cache = RSN_DTYPE_F16;
  uint32_t form = 0;
  float hard = 0;         // what these are:
  int64_t hard_row = -1;  // a value of this row's query
  int64_t hard_key = -1;  // of sequence 0's cache row at this position
};

Problem MakeLatent(const Latent& s, uint64_t seed, int64_t row) {
  Random random(seed);
  Problem p;
  const Pages pages(s.sequences, s.page_tokens, seed, random);
  const int64_t rows = pages.rows();
  const auto weight = [&](int64_t out, int64_t in) {
    return p.Weight(WeightBytes(s.weight, s.heads * out * in, WeightPattern::kRandom, random),
                    s.weight, {s.heads, out, in});
  };
  rsn_mla_attention a{};
  a.scale = 0.05f;
  a.form = s.form;
  std::vector<float> queries = random.Normals(rows * s.heads * (s.nope + s.rope));
  if (s.hard_row >= 0) {
    queries[static_cast<size_t>(s.hard_row * s.heads * (s.nope + s.rope) + 1)] = s.hard;
  }
  rsn_tensor q = p.F32(queries, {rows, s.heads, s.nope + s.rope});
  a.w_k = weight(s.latent, s.nope);
  a.w_v = weight(s.value, s.latent);
  std::vector<float> latents = pages.Cache(1, s.latent + s.rope, 0.5f, random);
  pages.Spoil(latents, 1, s.latent + s.rope, s.hard_key, s.hard);
  const std::vector<std::byte> cache = Encode(s.cache, latents);
  a.cache = p.Bytes(cache, s.cache, {pages.count, 1, s.page_tokens, s.latent + s.rope});
  if (row >= 0) {
    q.offset += static_cast<uint64_t>(row * q.stride[0]);
    q.shape[0] = 1;
    a.ragged = pages.Alone(row).Upload(p);
  } else {
    a.ragged = pages.Upload(p);
  }
  a.q_nope = a.q_rope = q;
  a.q_nope.shape[2] = s.nope;
  a.q_rope.shape[2] = s.rope;
  a.q_rope.offset += static_cast<uint64_t>(s.nope) * 4;
  a.out = p.Out(RSN_DTYPE_F32, {q.shape[0], s.heads, s.value}, 3);
  p.Add(a);
  if (BlockOf(s.weight) == 1) {
    p.Expect({.what = "out", .view = a.out, .rule = Rule::kRow, .tolerance = "mla/float"});
    return p;
  }
  const std::vector<std::byte> k_bytes = p.blobs[BlobOf(a.w_k.buffer)].bytes;
  const std::vector<std::byte> v_bytes = p.blobs[BlobOf(a.w_v.buffer)].bytes;
  p.Expect(
      {.what = "out",
       .view = a.out,
       .rule = Rule::kGiven,
       .tolerance = "mla/integer",
       .definitions = [=] {
         const int64_t key_width = s.latent + s.rope;
         const std::vector<float> keys =
             Dequantize(s.cache, cache, pages.count * s.page_tokens * key_width);
         const std::vector<float> w_k = Dequantize(s.weight, k_bytes, s.heads * s.latent * s.nope);
         const std::vector<float> w_v = Dequantize(s.weight, v_bytes, s.heads * s.value * s.latent);
         LatentHeads l{.rows = rows,
                       .heads = s.heads,
                       .nope = s.nope,
                       .rope = s.rope,
                       .latent = s.latent,
                       .value = s.value,
                       .scale = 0.05f,
                       .q = queries.data(),
                       .w_k = w_k.data(),
                       .w_v = w_v.data(),
                       .keys = {}};
         for (int64_t r = 0; r < rows; ++r) {
           const Pages one = pages.Alone(r);
           std::vector<const float*> seen;
           for (int64_t t = 0; t < one.length[0]; ++t) {
             const int64_t page = one.pages[static_cast<size_t>(one.begin[0] + t / s.page_tokens)];
             seen.push_back(&keys[static_cast<size_t>((page * s.page_tokens + t % s.page_tokens) *
                                                      key_width)]);
           }
           l.keys.push_back(std::move(seen));
         }
         return LatentDefinitions(l);
       }});
  return p;
}

void AddLatent(std::vector<Case>& cases, const std::string& name, const Latent& s,
               std::vector<int64_t> rows) {
  cases.push_back({.op = "mla_attention",
                   .name = absl::StrCat("mla_attention/", name),
                   .make = [s](uint64_t seed) { return MakeLatent(s, seed, -1); },
                   .rows = std::move(rows),
                   .alone = [s](uint64_t seed, int64_t r) { return MakeLatent(s, seed, r); },
                   .optional = true});
}

// One layer's attention and the sampler's reduction: tokens in, candidates out, all through buffers
// that only the device writes.
Problem MakeStep(uint64_t seed) {
  constexpr int64_t kVocabulary = 50, kWidth = 24, kHeads = 2, kHead = 12, kTokens = 4;
  Random random(7);  // the step's shape is the same for every seed: the tokens and pages differ
  Random step(seed);
  Problem p;
  const std::vector<Sequence> sequences = {{1, 9}, {3, 3}, {2, 6}};
  const Pages pages(sequences, kTokens, /*seed=*/1, step);
  const int64_t rows = pages.rows();
  std::vector<int32_t> tokens, positions, slots;
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (int64_t r = 0; r < sequences[s].rows; ++r) {
      const int64_t pos = sequences[s].length - sequences[s].rows + r;
      tokens.push_back(step.Below(kVocabulary));
      positions.push_back(static_cast<int32_t>(pos));
      slots.push_back(static_cast<int32_t>(
          pages.pages[static_cast<size_t>(pages.begin[s] + pos / kTokens)] * kTokens +
          pos % kTokens));
    }
  }
  const auto weight = [&](int64_t out, int64_t in) {
    return p.F32Weight(random.Normals(out * in, 0.2f), {out, in});
  };
  const auto scratch = [&](int64_t n, int64_t width) { return p.Out(RSN_DTYPE_F32, {n, width}); };
  const auto heads = [](rsn_tensor t) {
    t.rank = 3;
    t.shape[2] = kHead, t.shape[1] = kHeads;
    t.stride[2] = 4, t.stride[1] = kHead * 4;
    return t;
  };
  const rsn_tensor x = scratch(rows, kWidth), normed = scratch(rows, kWidth);
  const rsn_tensor q = scratch(rows, kWidth), k = scratch(rows, kWidth), v = scratch(rows, kWidth);
  const rsn_tensor mixed = scratch(rows, kWidth);
  const rsn_tensor table = p.Out(RSN_DTYPE_F32, {rows, kHead / 2, 2});
  const rsn_tensor last = scratch(3, kWidth), logits = scratch(3, kVocabulary);
  const std::vector<float> old = pages.Cache(kHeads, kHead, 1, step);
  const rsn_tensor k_cache = p.F32(old, {pages.count, kHeads, kTokens, kHead});
  const rsn_tensor v_cache = p.F32(old, {pages.count, kHeads, kTokens, kHead});
  const rsn_ragged ragged = pages.Upload(p);
  const rsn_tensor slot_view = p.I32(slots, {rows});

  rsn_embed embed{};
  embed.table = weight(kVocabulary, kWidth);
  embed.tokens = p.I32(tokens, {rows});
  embed.out = x;
  rsn_rope_table angles{};
  angles.magnitude = 1;
  angles.positions = p.I32(positions, {rows});
  std::vector<float> frequencies;
  for (int64_t i = 0; i < kHead / 2; ++i) {
    frequencies.push_back(1.0f / static_cast<float>(1 + 3 * i));
    frequencies.push_back(0);
  }
  angles.frequencies = p.F32(frequencies, {kHead / 2, 2});
  angles.out = table;
  rsn_rms_norm norm{};
  norm.epsilon = 1e-5f;
  norm.in = x;
  norm.weight = p.F32Weight(random.Normals(kWidth), {kWidth});
  norm.out = normed;
  rsn_matmul project{};
  project.terms = 3;
  project.in = normed;
  project.term[0].weight = weight(kWidth, kWidth), project.term[0].out = q;
  project.term[1].weight = weight(kWidth, kWidth), project.term[1].out = k;
  project.term[2].weight = weight(kWidth, kWidth), project.term[2].out = v;
  rsn_rope turn_q{}, turn_k{};
  turn_q.table = turn_k.table = table;
  turn_q.x = heads(q);
  turn_k.x = heads(k);
  rsn_kv_write write_k{}, write_v{};
  write_k.in = heads(k), write_k.cache = k_cache, write_k.slots = slot_view;
  write_v.in = heads(v), write_v.cache = v_cache, write_v.slots = slot_view;
  rsn_attention attention{};
  attention.scale = 0.3f;
  attention.q = heads(q);
  attention.k_cache = k_cache;
  attention.v_cache = v_cache;
  attention.out = heads(mixed);
  attention.ragged = ragged;
  rsn_matmul residual{};
  residual.terms = 1;
  residual.accumulate = 1;
  residual.in = mixed;
  residual.term[0].weight = weight(kWidth, kWidth), residual.term[0].out = x;
  rsn_gather_rows gather{};
  gather.in = x;
  gather.index = p.I32({0, 3, 5}, {3});
  gather.out = last;
  rsn_matmul head{};
  head.terms = 1;
  head.in = last;
  head.term[0].weight = weight(kVocabulary, kWidth), head.term[0].out = logits;
  rsn_reduce_logits reduce{};
  reduce.top = 5;
  reduce.logits = logits;
  reduce.adjust_begin = p.I32({0, 0, 1, 1}, {4});
  reduce.adjust_id = p.I32({step.Below(kVocabulary)}, {1});
  reduce.adjust_divisor = p.F32({1.5f}, {1});
  reduce.adjust_add = p.F32({0}, {1});
  reduce.records = p.Out(RSN_DTYPE_F32, {3, 8});
  reduce.ids = p.Out(RSN_DTYPE_I32, {3, 5});
  reduce.values = p.Out(RSN_DTYPE_F32, {3, 5});
  reduce.raw = p.Out(RSN_DTYPE_F32, {3, 5});
  for (AnyOp op :
       std::initializer_list<AnyOp>{embed, angles, norm, project, turn_q, turn_k, write_k, write_v,
                                    attention, residual, gather, head, reduce}) {
    p.Add(op);
  }
  for (const rsn_tensor& t :
       {x, normed, q, k, v, mixed, last, logits, k_cache, v_cache, reduce.values, reduce.raw}) {
    p.Expect({.what = "a value", .view = t, .rule = Rule::kRow, .tolerance = "step"});
  }
  p.Expect({.what = "table", .view = table, .rule = Rule::kUnit, .tolerance = "rope_table"});
  p.Expect({.what = "ids", .view = reduce.ids});
  rsn_tensor sums = reduce.records;
  sums.shape[1] = 3;
  p.Expect({.what = "sums", .view = sums, .rule = Rule::kUnit, .tolerance = "step"});
  rsn_tensor rest = reduce.records;
  rest.offset += 12, rest.shape[1] = 5, rest.dtype = RSN_DTYPE_I32;
  p.Expect({.what = "flags and counts", .view = rest});
  return p;
}

}  // namespace

void AddAttentionCases(std::vector<Case>& cases) {
  const std::vector<Sequence> ragged = {{1, 1},   {5, 5},  {0, 0}, {1, 70},
                                        {17, 50}, {3, 33}, {1, 16}};
  const std::vector<int64_t> some = {0, 1, 5, 6, 7, 23, 24, 27};
  for (uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_F16, RSN_DTYPE_BF16}) {
    const std::string type = TypeName(dtype);
    AddAttention(cases, absl::StrCat(type, "/first token"), {.sequences = {{1, 1}}, .dtype = dtype},
                 {});
    for (int64_t length : {15, 16, 17, 32, 33, 255, 256, 257, 1000}) {
      AddAttention(cases, absl::StrCat(type, "/decode at ", length),
                   {.sequences = {{1, length}}, .dtype = dtype}, {});
    }
    for (int64_t rows : {2, 16, 17, 33}) {
      AddAttention(cases, absl::StrCat(type, "/prompt of ", rows),
                   {.sequences = {{rows, rows}}, .dtype = dtype}, {0, rows / 2, rows - 1});
      AddAttention(cases, absl::StrCat(type, "/", rows, " more after 300"),
                   {.sequences = {{rows, 300 + rows}}, .dtype = dtype}, {0, rows - 1});
    }
    AddAttention(cases, absl::StrCat(type, "/ragged"), {.sequences = ragged, .dtype = dtype}, some);
    AddAttention(cases, absl::StrCat(type, "/ragged, pages of 64"),
                 {.sequences = ragged, .page_tokens = 64, .dtype = dtype}, some);
    AddAttention(cases, absl::StrCat(type, "/values inside the keys"),
                 {.sequences = ragged,
                  .heads = 5,
                  .kv_heads = 1,
                  .width = 72,
                  .value_width = 56,
                  .dtype = dtype,
                  .shared = true},
                 some);
    AddAttention(cases, absl::StrCat(type, "/sharp"),
                 {.sequences = ragged, .dtype = dtype, .q_scale = 60}, some);
    AddAttention(cases, absl::StrCat(type, "/all keys weigh the same"),
                 {.sequences = ragged, .dtype = dtype, .q_scale = 0}, some);
  }
  for (auto [heads, kv_heads] : {std::pair{4, 4}, {6, 2}, {8, 1}, {7, 1}, {14, 2}}) {
    AddAttention(cases, absl::StrCat("heads ", heads, " over ", kv_heads),
                 {.sequences = ragged, .heads = heads, .kv_heads = kv_heads}, some);
  }
  for (auto [width, value] :
       {std::pair{64, 64}, {128, 128}, {80, 80}, {192, 128}, {7, 5}, {1, 1}}) {
    AddAttention(cases, absl::StrCat("width ", width, ", values ", value),
                 {.sequences = ragged, .width = width, .value_width = value}, some);
  }
  AddAttention(cases, "pages of one token", {.sequences = ragged, .page_tokens = 1}, some);
  AddAttention(cases, "no sequence", {.sequences = {}}, {});
  for (uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_F16, RSN_DTYPE_BF16}) {
    AddAttention(cases, absl::StrCat(TypeName(dtype), "/64k keys"),
                 {.sequences = {{1, 65536}},
                  .heads = 2,
                  .kv_heads = 1,
                  .width = 16,
                  .value_width = 16,
                  .page_tokens = 64,
                  .dtype = dtype},
                 {});
  }
  AddAttention(cases, "3 more after 64k keys, others beside",
               {.sequences = {{1, 9}, {3, 65539}, {1, 1}},
                .heads = 2,
                .kv_heads = 1,
                .width = 16,
                .value_width = 16,
                .page_tokens = 64},
               {0, 2, 4});
  AddAttention(cases, "prompt of 515", {.sequences = {{515, 515}}, .heads = 2}, {0, 256, 514});
  std::vector<Sequence> many;
  for (int64_t s = 0; s < 70; ++s) many.push_back({1, 1 + s * 5 % 97});
  AddAttention(cases, "70 sequences of one row", {.sequences = many}, {0, 33, 69});
  for (float hard : {std::nanf(""), kInfinity}) {
    const std::string one = absl::StrCat(hard);
    const std::vector<Sequence> two = {{9, 40}, {1, 20}};
    AddAttention(cases, absl::StrCat(one, " in a query stays in its row"),
                 {.sequences = two, .hard = hard, .hard_row = 4}, {0, 3, 5, 9});
    AddAttention(cases, absl::StrCat(one, " in a key reaches only rows that see it"),
                 {.sequences = two, .hard = hard, .hard_key = 36}, {0, 3, 4, 9});
    AddAttention(cases, absl::StrCat(one, " in a value reaches only rows that see it"),
                 {.sequences = two, .hard = hard, .hard_value = 36}, {0, 3, 4, 9});
  }

  for (uint32_t form : {0u, 1u, 2u}) {
    const std::string name = absl::StrCat("form ", form);
    for (uint32_t weight : kWeightTypes) {
      const bool super = BlockOf(weight) == 256;
      AddLatent(cases, absl::StrCat(name, "/", TypeName(weight)),
                {.sequences = super ? std::vector<Sequence>{{3, 20}, {1, 33}} : ragged,
                 .heads = super ? 2 : 3,
                 .nope = super ? 256 : 32,
                 .latent = super ? 256 : 64,
                 .weight = weight,
                 .form = form},
                super ? std::vector<int64_t>{0, 2, 3} : some);
    }
    for (uint32_t cache : {RSN_DTYPE_F32, RSN_DTYPE_BF16}) {
      AddLatent(cases, absl::StrCat(name, "/cache ", TypeName(cache)),
                {.sequences = ragged, .cache = cache, .form = form}, some);
    }
    AddLatent(cases, absl::StrCat(name, "/decode at 300"), {.sequences = {{1, 300}}, .form = form},
              {});
    AddLatent(cases, absl::StrCat(name, "/prompt of 40 after 250"),
              {.sequences = {{40, 290}}, .form = form}, {0, 20, 39});
    AddLatent(cases, absl::StrCat(name, "/first token"), {.sequences = {{1, 1}}, .form = form}, {});
    AddLatent(cases, absl::StrCat(name, "/64k keys"),
              {.sequences = {{1, 65536}},
               .heads = 2,
               .nope = 8,
               .rope = 4,
               .latent = 8,
               .value = 8,
               .page_tokens = 64,
               .form = form},
              {});
    for (float hard : {std::nanf(""), kInfinity}) {
      AddLatent(cases, absl::StrCat(name, "/", hard, " in a query stays in its row"),
                {.sequences = {{9, 40}, {1, 20}}, .form = form, .hard = hard, .hard_row = 4},
                {0, 3, 5, 9});
      AddLatent(cases, absl::StrCat(name, "/", hard, " in a key reaches only rows that see it"),
                {.sequences = {{9, 40}, {1, 20}}, .form = form, .hard = hard, .hard_key = 36},
                {0, 3, 4, 9});
    }
    // Beyond any chunk, with rows that end inside a block of keys. Form 0 may choose another form
    // for a row alone.
    AddLatent(cases, absl::StrCat(name, "/prompts of 600 after 90, 130 and 1"),
              {.sequences = {{600, 690}, {130, 130}, {1, 300}},
               .heads = 2,
               .nope = 24,
               .rope = 8,
               .latent = 40,
               .value = 20,
               .form = form},
              form == 0 ? std::vector<int64_t>() : std::vector<int64_t>{0, 165, 166, 511, 599, 730});
    AddLatent(cases, absl::StrCat(name, "/odd sizes"),
              {.sequences = ragged,
               .heads = 1,
               .nope = 9,
               .rope = 6,
               .latent = 21,
               .value = 13,
               .form = form},
              some);
  }
  cases.push_back({.op = "step", .name = "step/one layer", .make = MakeStep});
}

}  // namespace raison::conformance
