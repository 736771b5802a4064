// What the operations refuse: a wrong rank, type, shape or layout, and a view that leaves its buffer.
#include <initializer_list>
#include <string_view>

#include "core/backend/cpu/interleave.h"
#include "core/backend/cpu/ops.h"
#include "core/base/dtype.h"

namespace raison::cpu {
namespace {

constexpr int64_t kLargest = int64_t{1} << 40;  // of any size or stride: products fit 128 bits

enum class Kind { kF32, kI32, kWeight, kCache };

bool Allowed(Kind kind, uint32_t dtype) {
  switch (kind) {
    case Kind::kF32: return dtype == RSN_DTYPE_F32;
    case Kind::kI32: return dtype == RSN_DTYPE_I32;
    case Kind::kWeight: return FindBlockLayout(dtype) != nullptr;
    case Kind::kCache:
      return dtype == RSN_DTYPE_F32 || dtype == RSN_DTYPE_F16 || dtype == RSN_DTYPE_BF16;
  }
  return false;
}

// Keeps the first complaint.
class Checker {
 public:
  Checker(const char* op, CheckLevel level) : op_(op), level_(level) {}

  bool View(const char* name, const rsn_tensor& t, Kind kind, uint32_t rank) {
    if (!status_.ok()) return false;
    if (t.rank != rank) return Fail(name, "rank", t.rank, rank);
    if (!Allowed(kind, t.dtype)) return Unsupported(name, "dtype", t.dtype);
    const bool interleaved = kind == Kind::kWeight && t.layout == kInterleaved;
    if (t.layout != 0 && (!interleaved || rank < 2 || rank > 3)) {
      return Unsupported(name, "layout", t.layout);
    }
    const DTypeTraits& traits = Traits(static_cast<DType>(t.dtype));
    bool empty = false;
    for (uint32_t d = 0; d < rank; ++d) {
      if (t.shape[d] < 0 || t.shape[d] > kLargest) return Fail(name, "size", t.shape[d], kLargest);
      empty |= t.shape[d] == 0;
    }
    const int64_t width = t.shape[rank - 1];
    if (width % traits.block != 0) return Fail(name, "width", width, width / traits.block * traits.block);
    const int64_t row = width / traits.block * traits.bytes;
    const int64_t unit = traits.block == 1 ? traits.bytes : 1;
    unsigned __int128 end = static_cast<uint64_t>(row);
    for (uint32_t d = 0; d + 1 < rank; ++d) {
      int64_t last = t.shape[d] - 1;
      if (interleaved && d + 2 == rank) last = (last / kGroupRows + 1) * kGroupRows - 1;
      if (last <= 0) continue;
      if (t.stride[d] < 0 || t.stride[d] > kLargest || t.stride[d] % unit != 0) {
        return Fail(name, "stride", t.stride[d], row);
      }
      end += static_cast<unsigned __int128>(last) * static_cast<uint64_t>(t.stride[d]);
    }
    if (interleaved && row != 0 &&
        (t.stride[rank - 2] != row || t.offset % static_cast<uint64_t>(row * kGroupRows) != 0 ||
         (rank == 3 && t.stride[0] % (row * kGroupRows) != 0))) {
      return Fail(name, "offset of an interleaved weight", static_cast<int64_t>(t.offset), 0);
    }
    if (level_ == CheckLevel::kShapes || empty) return true;
    if (t.buffer == nullptr) return Fail(name, "buffer", 0, 1);
    const Memory& memory = *MemoryOf(t.buffer);
    end += t.offset;
    if (end > memory.bytes) {
      return Fail(name, "last byte", static_cast<int64_t>(end > kLargest ? kLargest : end),
                  static_cast<int64_t>(memory.bytes));
    }
    // Quantised blocks and plain weights are read bytewise; numbers that kernels address are not.
    if (kind != Kind::kWeight && (t.offset % static_cast<uint64_t>(unit)) != 0) {
      return Fail(name, "offset", static_cast<int64_t>(t.offset), unit);
    }
    return true;
  }

  bool Shaped(const char* name, const rsn_tensor& t, Kind kind,
              std::initializer_list<int64_t> shape) {
    if (!View(name, t, kind, static_cast<uint32_t>(shape.size()))) return false;
    uint32_t d = 0;
    for (int64_t n : shape) {
      if (t.shape[d] != n) return Fail(name, "size", t.shape[d], n);
      ++d;
    }
    return true;
  }
  bool F32(const char* name, const rsn_tensor& t, std::initializer_list<int64_t> shape) {
    return Shaped(name, t, Kind::kF32, shape);
  }
  bool I32(const char* name, const rsn_tensor& t, std::initializer_list<int64_t> shape) {
    return Shaped(name, t, Kind::kI32, shape);
  }
  bool Require(bool ok, const char* what, int64_t value) {
    if (status_.ok() && !ok) {
      status_ = absl::InvalidArgumentError(absl::StrCat(op_, ": ", what, " is ", value));
    }
    return status_.ok();
  }
  // An operand that may be missing.
  bool Present(const rsn_tensor& t) const {
    return t.rank != 0 && (t.buffer != nullptr || level_ == CheckLevel::kShapes);
  }
  void Ragged(const rsn_ragged& g) {
    if (!View("row_begin", g.row_begin, Kind::kI32, 1)) return;
    View("pages", g.pages, Kind::kI32, 1);
    Require(g.row_begin.shape[0] >= 1, "the length of row_begin", g.row_begin.shape[0]);
    I32("kv_length", g.kv_length, {g.row_begin.shape[0] - 1});
    I32("page_begin", g.page_begin, {g.row_begin.shape[0] - 1});
    Require(g.page_tokens > 0 && g.page_tokens <= 65536, "page_tokens", g.page_tokens);
  }
  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

 private:
  bool Fail(const char* name, const char* what, int64_t value, int64_t wanted) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(op_, ": ", name, ": ", what, " is ", value, ", wanted ", wanted));
    return false;
  }
  bool Unsupported(const char* name, const char* what, uint32_t value) {
    status_ =
        absl::UnimplementedError(absl::StrCat(op_, ": ", name, " has ", what, " ", value));
    return false;
  }

  const char* op_;
  CheckLevel level_;
  absl::Status status_;
};

}  // namespace

absl::Status CheckWeight(const rsn_tensor& t, uint64_t size) {
  Checker c("weight", CheckLevel::kShapes);
  if (!c.Require(t.rank >= 1 && t.rank <= 4, "rank", t.rank) ||
      !c.Require(t.layout == 0, "layout", t.layout) ||
      !c.View("description", t, t.dtype == RSN_DTYPE_I32 ? Kind::kI32 : Kind::kWeight, t.rank)) {
    return c.status();
  }
  const DTypeTraits& traits = Traits(static_cast<DType>(t.dtype));
  unsigned __int128 bytes =
      static_cast<uint64_t>(t.shape[t.rank - 1] / traits.block * traits.bytes);
  for (uint32_t d = t.rank - 1; d-- > 0;) {
    if (t.shape[d] > 1 && t.stride[d] != static_cast<int64_t>(bytes)) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight: stride[", d, "] is ", t.stride[d], ", wanted dense rows"));
    }
    bytes *= static_cast<uint64_t>(t.shape[d]);
    if (bytes > static_cast<uint64_t>(kLargest)) break;
  }
  if (bytes != size) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight: ", size, " bytes were given for a description of ",
                     static_cast<uint64_t>(bytes)));
  }
  return absl::OkStatus();
}

absl::Status Check(const rsn_embed& a, CheckLevel level) {
  Checker c("embed", level);
  if (c.View("table", a.table, Kind::kWeight, 2) && c.View("tokens", a.tokens, Kind::kI32, 1)) {
    c.F32("out", a.out, {a.tokens.shape[0], a.table.shape[1]});
  }
  return c.status();
}

absl::Status Check(const rsn_gather_rows& a, CheckLevel level) {
  Checker c("gather_rows", level);
  if (c.View("in", a.in, Kind::kF32, 2) && c.View("index", a.index, Kind::kI32, 1)) {
    c.F32("out", a.out, {a.index.shape[0], a.in.shape[1]});
  }
  return c.status();
}

absl::Status Check(const rsn_rms_norm& a, CheckLevel level) {
  Checker c("rms_norm", level);
  const uint32_t rank = a.in.rank;
  if (!c.Require(rank == 2 || rank == 3, "the rank of in", rank)) return c.status();
  if (!c.View("in", a.in, Kind::kF32, rank)) return c.status();
  const int64_t* n = a.in.shape;
  c.F32("weight", a.weight, {n[rank - 1]});
  if (rank == 2) {
    c.F32("out", a.out, {n[0], n[1]});
  } else {
    c.F32("out", a.out, {n[0], n[1], n[2]});
  }
  return c.status();
}

absl::Status Check(const rsn_matmul& a, CheckLevel level) {
  Checker c("matmul", level);
  const uint32_t rank = a.in.rank;
  if (!c.Require(a.terms >= 1 && a.terms <= 4, "terms", a.terms) ||
      !c.Require(rank == 2 || rank == 3, "the rank of in", rank) ||
      !c.View("in", a.in, Kind::kF32, rank)) {
    return c.status();
  }
  const int64_t* in = a.in.shape;
  for (uint32_t j = 0; j < a.terms && c.ok(); ++j) {
    const rsn_matmul_term& term = a.term[j];
    if (!c.View("weight", term.weight, Kind::kWeight, rank)) break;
    if (rank == 2) {
      c.Shaped("weight", term.weight, Kind::kWeight, {term.weight.shape[0], in[1]});
      c.F32("out", term.out, {in[0], term.weight.shape[0]});
    } else {
      c.Shaped("weight", term.weight, Kind::kWeight, {in[1], term.weight.shape[1], in[2]});
      c.F32("out", term.out, {in[0], in[1], term.weight.shape[1]});
    }
    if (c.ok() && c.Present(term.bias)) c.F32("bias", term.bias, {term.out.shape[rank - 1]});
  }
  return c.status();
}

absl::Status Check(const rsn_rope_table& a, CheckLevel level) {
  Checker c("rope_table", level);
  if (c.View("positions", a.positions, Kind::kI32, 1) &&
      c.View("frequencies", a.frequencies, Kind::kF32, 2)) {
    c.F32("frequencies", a.frequencies, {a.frequencies.shape[0], 2});
    c.F32("out", a.out, {a.positions.shape[0], a.frequencies.shape[0], 2});
  }
  return c.status();
}

absl::Status Check(const rsn_rope& a, CheckLevel level) {
  Checker c("rope", level);
  if (c.View("x", a.x, Kind::kF32, 3) && c.View("table", a.table, Kind::kF32, 3)) {
    c.F32("table", a.table, {a.x.shape[0], a.table.shape[1], 2});
    c.Require(a.x.shape[2] == 2 * a.table.shape[1], "the width of x", a.x.shape[2]);
    c.Require(a.interleaved <= 1, "interleaved", a.interleaved);
  }
  return c.status();
}

absl::Status Check(const rsn_kv_write& a, CheckLevel level) {
  Checker c("kv_write", level);
  if (c.View("in", a.in, Kind::kF32, 3) && c.I32("slots", a.slots, {a.in.shape[0]})) {
    c.Shaped("cache", a.cache, Kind::kCache,
             {a.cache.shape[0], a.in.shape[1], a.cache.shape[2], a.in.shape[2]});
    c.Require(a.cache.shape[2] > 0, "page_tokens", a.cache.shape[2]);
  }
  return c.status();
}

absl::Status Check(const rsn_kv_copy_page& a, CheckLevel level) {
  Checker c("kv_copy_page", level);
  if (c.View("cache", a.cache, Kind::kCache, 4) && c.View("from", a.from, Kind::kI32, 1)) {
    c.I32("to", a.to, {a.from.shape[0]});
  }
  return c.status();
}

absl::Status Check(const rsn_attention& a, CheckLevel level) {
  Checker c("attention", level);
  c.Ragged(a.ragged);
  if (!c.View("q", a.q, Kind::kF32, 3) || !c.View("k_cache", a.k_cache, Kind::kCache, 4) ||
      !c.View("v_cache", a.v_cache, Kind::kCache, 4)) {
    return c.status();
  }
  const int64_t* k = a.k_cache.shape;
  const int64_t* v = a.v_cache.shape;
  const int64_t page_tokens = a.ragged.page_tokens;
  c.Shaped("k_cache", a.k_cache, Kind::kCache, {k[0], k[1], page_tokens, a.q.shape[2]});
  c.Shaped("v_cache", a.v_cache, Kind::kCache, {k[0], k[1], page_tokens, v[3]});
  c.F32("out", a.out, {a.q.shape[0], a.q.shape[1], v[3]});
  c.Require(k[1] > 0 && a.q.shape[1] % k[1] == 0, "the number of heads", a.q.shape[1]);
  c.Require(a.k_cache.dtype == a.v_cache.dtype, "the dtype of v_cache", a.v_cache.dtype);
  return c.status();
}

absl::Status Check(const rsn_mla_attention& a, CheckLevel level) {
  Checker c("mla_attention", level);
  c.Ragged(a.ragged);
  if (!c.View("q_nope", a.q_nope, Kind::kF32, 3) || !c.View("q_rope", a.q_rope, Kind::kF32, 3) ||
      !c.View("w_k", a.w_k, Kind::kWeight, 3) || !c.View("w_v", a.w_v, Kind::kWeight, 3) ||
      !c.View("cache", a.cache, Kind::kCache, 4)) {
    return c.status();
  }
  const int64_t rows = a.q_nope.shape[0];
  const int64_t heads = a.q_nope.shape[1];
  const int64_t latent = a.w_k.shape[1];
  const int64_t rope = a.q_rope.shape[2];
  const int64_t value = a.w_v.shape[1];
  c.F32("q_rope", a.q_rope, {rows, heads, rope});
  c.Shaped("w_k", a.w_k, Kind::kWeight, {heads, latent, a.q_nope.shape[2]});
  c.Shaped("w_v", a.w_v, Kind::kWeight, {heads, value, latent});
  c.Shaped("cache", a.cache, Kind::kCache,
           {a.cache.shape[0], 1, int64_t{a.ragged.page_tokens}, latent + rope});
  c.F32("out", a.out, {rows, heads, value});
  c.Require(a.form <= 2, "form", a.form);
  return c.status();
}

absl::Status Check(const rsn_silu_mul& a, CheckLevel level) {
  Checker c("silu_mul", level);
  if (c.View("gate", a.gate, Kind::kF32, 2)) {
    c.F32("up", a.up, {a.gate.shape[0], a.gate.shape[1]});
    c.F32("out", a.out, {a.gate.shape[0], a.gate.shape[1]});
  }
  return c.status();
}

absl::Status Check(const rsn_moe_route& a, CheckLevel level) {
  Checker c("moe_route", level);
  if (!c.View("logits", a.logits, Kind::kF32, 2) || !c.View("ids", a.ids, Kind::kI32, 2)) {
    return c.status();
  }
  const int64_t rows = a.logits.shape[0];
  const int64_t experts = a.logits.shape[1];
  const int64_t used = a.ids.shape[1];
  c.I32("ids", a.ids, {rows, used});
  c.F32("weights", a.weights, {rows, used});
  if (c.ok() && c.Present(a.bias)) c.F32("bias", a.bias, {experts});
  c.Require(a.scoring <= 1, "scoring", a.scoring);
  c.Require(a.group_rule <= 1, "group_rule", a.group_rule);
  c.Require(used >= 1 && used <= experts, "the number of experts used", used);
  c.Require(a.groups >= 1 && experts % a.groups == 0, "groups", a.groups);
  if (c.ok() && a.groups > 1) {
    c.Require(a.groups_used >= 1 && a.groups_used <= a.groups, "groups_used", a.groups_used);
    c.Require(a.group_rule == 0 || experts / a.groups >= 2, "experts per group",
              experts / a.groups);
    c.Require(used <= experts / a.groups * a.groups_used, "the number of experts used", used);
  }
  return c.status();
}

absl::Status Check(const rsn_moe_experts& a, CheckLevel level) {
  Checker c("moe_experts", level);
  if (!c.View("in", a.in, Kind::kF32, 2) || !c.View("ids", a.ids, Kind::kI32, 2) ||
      !c.View("slots", a.slots, Kind::kI32, 1) || !c.View("gate", a.gate, Kind::kWeight, 3)) {
    return c.status();
  }
  const int64_t rows = a.in.shape[0];
  const int64_t width = a.in.shape[1];
  const int64_t stacked = a.gate.shape[0];
  const int64_t inner = a.gate.shape[1];
  c.I32("ids", a.ids, {rows, a.ids.shape[1]});
  c.F32("weights", a.weights, {rows, a.ids.shape[1]});
  c.Shaped("gate", a.gate, Kind::kWeight, {stacked, inner, width});
  c.Shaped("up", a.up, Kind::kWeight, {stacked, inner, width});
  c.Shaped("down", a.down, Kind::kWeight, {stacked, width, inner});
  c.F32("out", a.out, {rows, width});
  return c.status();
}

absl::Status Check(const rsn_reduce_logits& a, CheckLevel level) {
  Checker c("reduce_logits", level);
  if (!c.View("logits", a.logits, Kind::kF32, 2) ||
      !c.View("adjust_id", a.adjust_id, Kind::kI32, 1)) {
    return c.status();
  }
  const int64_t rows = a.logits.shape[0];
  const int64_t top = a.top;
  c.I32("adjust_begin", a.adjust_begin, {rows + 1});
  c.F32("adjust_divisor", a.adjust_divisor, {a.adjust_id.shape[0]});
  c.F32("adjust_add", a.adjust_add, {a.adjust_id.shape[0]});
  c.F32("records", a.records, {rows, sizeof(rsn_logit_record) / 4});
  c.I32("ids", a.ids, {rows, top});
  c.F32("values", a.values, {rows, top});
  c.F32("raw", a.raw, {rows, top});
  return c.status();
}

}  // namespace raison::cpu
