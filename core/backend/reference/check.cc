#include <string_view>

#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"
#include "core/base/dtype.h"

namespace raison::reference {
namespace {

constexpr int64_t kLargest = int64_t{1} << 40;  // of any dimension: products stay below 2^127

enum class Kind { kF32, kI32, kWeight, kCache };

// Collects the first complaint about an operation's views.
class Checker {
 public:
  Checker(const char* op, CheckLevel level) : op_(op), level_(level) {}

  // kind and rank, then the strides, the extent and (where there is memory) the alignment.
  void View(std::string_view name, const rsn_tensor& t, Kind kind, uint32_t rank) {
    if (!status_.ok()) return;
    if (t.rank != rank) return Fail(name, "rank", t.rank, rank);
    if (t.layout != 0) return Fail(name, "layout", t.layout, 0);
    const DTypeTraits* traits = FindDTypeTraits(t.dtype);
    if (traits == nullptr || !Allowed(kind, t.dtype)) {
      status_ = absl::UnimplementedError(absl::StrCat(op_, ": ", name, " has dtype ", t.dtype));
      return;
    }
    for (uint32_t d = 0; d < rank; ++d) {
      if (t.shape[d] < 0 || t.shape[d] > kLargest) return Fail(name, "size", t.shape[d], kLargest);
    }
    const int64_t width = t.shape[rank - 1];
    if (width % traits->block != 0) return Fail(name, "width off by", width % traits->block, 0);
    const int64_t row = static_cast<int64_t>(RowBytes(static_cast<DType>(t.dtype), width));
    unsigned __int128 end = static_cast<uint64_t>(row);
    bool empty = width == 0;
    for (uint32_t d = 0; d + 1 < rank; ++d) {
      empty = empty || t.shape[d] == 0;
      if (t.shape[d] > 1 && (t.stride[d] < 0 || t.stride[d] > kLargest)) {
        return Fail(name, "stride", t.stride[d], kLargest);
      }
      if (t.shape[d] > 1) {
        end += static_cast<unsigned __int128>(t.shape[d] - 1) * static_cast<uint64_t>(t.stride[d]);
      }
      const int64_t unit = traits->block == 1 ? traits->bytes : 1;
      if (t.shape[d] > 1 && t.stride[d] % unit != 0) return Fail(name, "stride", t.stride[d], unit);
    }
    if (level_ == CheckLevel::kShapes || empty) return;
    if (t.buffer == nullptr) return Fail(name, "buffer", 0, 1);
    const Memory& memory = *MemoryOf(t.buffer);
    end += t.offset;
    if (end > memory.bytes) {
      status_ = absl::InvalidArgumentError(absl::StrCat(op_, ": ", name, " ends at byte ",
                                                        static_cast<uint64_t>(end),
                                                        " of a buffer of ", memory.bytes));
      return;
    }
    const uint64_t alignment = traits->block == 1 ? traits->bytes : 1;
    if (reinterpret_cast<uintptr_t>(memory.data + t.offset) % alignment != 0) {
      Fail(name, "offset", static_cast<int64_t>(t.offset), static_cast<int64_t>(alignment));
    }
  }

  void F32(std::string_view name, const rsn_tensor& t, std::initializer_list<int64_t> shape) {
    Shaped(name, t, Kind::kF32, shape);
  }
  void I32(std::string_view name, const rsn_tensor& t, std::initializer_list<int64_t> shape) {
    Shaped(name, t, Kind::kI32, shape);
  }
  void Shaped(std::string_view name, const rsn_tensor& t, Kind kind,
              std::initializer_list<int64_t> shape) {
    View(name, t, kind, static_cast<uint32_t>(shape.size()));
    uint32_t d = 0;
    for (int64_t n : shape) {
      if (!status_.ok()) return;
      if (t.shape[d] != n) return Fail(name, absl::StrCat("shape[", d, "]"), t.shape[d], n);
      ++d;
    }
  }
  void Require(bool ok, std::string_view what, int64_t value) {
    if (status_.ok() && !ok) {
      status_ = absl::InvalidArgumentError(absl::StrCat(op_, ": ", what, " is ", value));
    }
  }
  void Ragged(const rsn_ragged& g) {
    View("row_begin", g.row_begin, Kind::kI32, 1);
    View("pages", g.pages, Kind::kI32, 1);
    Require(g.row_begin.shape[0] >= 1, "the length of row_begin", g.row_begin.shape[0]);
    I32("kv_length", g.kv_length, {g.row_begin.shape[0] - 1});
    I32("page_begin", g.page_begin, {g.row_begin.shape[0] - 1});
    Require(g.page_tokens > 0 && g.page_tokens <= 65536, "page_tokens", g.page_tokens);
  }
  bool ok() const { return status_.ok(); }
  absl::Status status() const { return status_; }

 private:
  static bool Allowed(Kind kind, uint32_t dtype) {
    switch (kind) {
      case Kind::kF32:
        return dtype == RSN_DTYPE_F32;
      case Kind::kI32:
        return dtype == RSN_DTYPE_I32;
      case Kind::kCache:
        return dtype == RSN_DTYPE_F32 || dtype == RSN_DTYPE_F16 || dtype == RSN_DTYPE_BF16;
      case Kind::kWeight:
        return dtype != RSN_DTYPE_I32;
    }
    return false;
  }
  void Fail(std::string_view name, std::string_view what, int64_t value, int64_t wanted) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(op_, ": ", name, ": ", what, " is ", value, ", wanted ", wanted));
  }

  const char* op_;
  CheckLevel level_;
  absl::Status status_;
};

// Bytes of a weight's dense rows.
absl::StatusOr<uint64_t> WeightBytes(const rsn_tensor& t) {
  Checker c("weight", CheckLevel::kShapes);
  c.Require(t.rank >= 1 && t.rank <= 4, "rank", t.rank);
  if (!c.ok()) return c.status();
  c.View("description", t, t.dtype == RSN_DTYPE_I32 ? Kind::kI32 : Kind::kWeight, t.rank);
  if (!c.ok()) return c.status();
  unsigned __int128 bytes =
      RowBytes(static_cast<DType>(t.dtype), static_cast<size_t>(t.shape[t.rank - 1]));
  for (uint32_t d = t.rank - 1; d-- > 0;) {
    if (t.shape[d] > 1 && t.stride[d] != static_cast<int64_t>(bytes)) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight: stride[", d, "] is ", t.stride[d], ", wanted dense rows"));
    }
    bytes *= static_cast<uint64_t>(t.shape[d]);
    if (bytes > uint64_t(kLargest)) {
      return absl::InvalidArgumentError("weight: no memory holds so many rows");
    }
  }
  return static_cast<uint64_t>(bytes);
}

}  // namespace

absl::Status CheckWeight(const rsn_tensor& t, uint64_t size) {
  RSN_ASSIGN_OR_RETURN(const uint64_t bytes, WeightBytes(t));
  if (bytes == size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("weight: ", size, " bytes were given for ", bytes));
}

absl::StatusOr<uint64_t> CheckRepeatedWeight(const rsn_tensor& t, uint64_t size) {
  RSN_ASSIGN_OR_RETURN(const uint64_t bytes, WeightBytes(t));
  const uint64_t block = Traits(static_cast<DType>(t.dtype)).bytes;
  if (size > bytes || size % block != 0 || (size == 0 && bytes != 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weight: ", size, " bytes were given to repeat in ", bytes, ", of blocks of ", block));
  }
  return bytes;
}

absl::Status Check(const rsn_embed& a, CheckLevel level) {
  Checker c("embed", level);
  c.View("table", a.table, Kind::kWeight, 2);
  c.View("tokens", a.tokens, Kind::kI32, 1);
  c.F32("out", a.out, {a.tokens.shape[0], a.table.shape[1]});
  return c.status();
}

absl::Status Check(const rsn_gather_rows& a, CheckLevel level) {
  Checker c("gather_rows", level);
  c.View("in", a.in, Kind::kF32, 2);
  c.View("index", a.index, Kind::kI32, 1);
  c.F32("out", a.out, {a.index.shape[0], a.in.shape[1]});
  return c.status();
}

absl::Status Check(const rsn_rms_norm& a, CheckLevel level) {
  Checker c("rms_norm", level);
  c.Require(a.in.rank == 2 || a.in.rank == 3, "the rank of in", a.in.rank);
  if (!c.ok()) return c.status();
  c.View("in", a.in, Kind::kF32, a.in.rank);
  c.F32("weight", a.weight, {a.in.shape[a.in.rank - 1]});
  if (a.in.rank == 2) {
    c.F32("out", a.out, {a.in.shape[0], a.in.shape[1]});
  } else {
    c.F32("out", a.out, {a.in.shape[0], a.in.shape[1], a.in.shape[2]});
  }
  return c.status();
}

absl::Status Check(const rsn_matmul& a, CheckLevel level) {
  Checker c("matmul", level);
  c.Require(a.terms >= 1 && a.terms <= 4, "terms", a.terms);
  c.Require(a.in.rank == 2 || a.in.rank == 3, "the rank of in", a.in.rank);
  if (!c.ok()) return c.status();
  c.View("in", a.in, Kind::kF32, a.in.rank);
  const int64_t* in = a.in.shape;
  for (uint32_t j = 0; j < a.terms && c.ok(); ++j) {
    const rsn_matmul_term& term = a.term[j];
    if (a.in.rank == 2) {
      c.Shaped("weight", term.weight, Kind::kWeight, {term.weight.shape[0], in[1]});
      c.F32("out", term.out, {in[0], term.weight.shape[0]});
    } else {
      c.Shaped("weight", term.weight, Kind::kWeight, {in[1], term.weight.shape[1], in[2]});
      c.F32("out", term.out, {in[0], in[1], term.weight.shape[1]});
    }
    if (term.bias.rank != 0 && (term.bias.buffer != nullptr || level == CheckLevel::kShapes)) {
      c.F32("bias", term.bias, {term.out.shape[a.in.rank - 1]});
    }
  }
  c.Require(a.chunks == 0 || a.chunk != nullptr, "chunks without a list", a.chunks);
  int64_t end = 0;  // of the chunk before
  for (uint32_t i = 0; i < a.chunks && c.ok(); ++i) {
    c.Require(a.chunk[i].first >= end, "the first row of a chunk", a.chunk[i].first);
    c.Require(a.chunk[i].count >= 1, "the rows of a chunk", a.chunk[i].count);
    end = int64_t{a.chunk[i].first} + a.chunk[i].count;
    c.Require(end <= in[0], "the end of a chunk", end);
  }
  return c.status();
}

absl::Status Check(const rsn_rope_table& a, CheckLevel level) {
  Checker c("rope_table", level);
  c.View("positions", a.positions, Kind::kI32, 1);
  c.View("frequencies", a.frequencies, Kind::kF32, 2);
  c.F32("frequencies", a.frequencies, {a.frequencies.shape[0], 2});
  c.F32("out", a.out, {a.positions.shape[0], a.frequencies.shape[0], 2});
  return c.status();
}

absl::Status Check(const rsn_rope& a, CheckLevel level) {
  Checker c("rope", level);
  c.View("x", a.x, Kind::kF32, 3);
  c.View("table", a.table, Kind::kF32, 3);
  c.F32("table", a.table, {a.x.shape[0], a.table.shape[1], 2});
  c.Require(a.x.shape[2] == 2 * a.table.shape[1], "the width of x", a.x.shape[2]);
  c.Require(a.interleaved <= 1, "interleaved", a.interleaved);
  return c.status();
}

absl::Status Check(const rsn_kv_write& a, CheckLevel level) {
  Checker c("kv_write", level);
  c.View("in", a.in, Kind::kF32, 3);
  c.I32("slots", a.slots, {a.in.shape[0]});
  c.Shaped("cache", a.cache, Kind::kCache,
           {a.cache.shape[0], a.in.shape[1], a.cache.shape[2], a.in.shape[2]});
  c.Require(a.cache.shape[2] > 0, "page_tokens", a.cache.shape[2]);
  return c.status();
}

absl::Status Check(const rsn_kv_copy_page& a, CheckLevel level) {
  Checker c("kv_copy_page", level);
  c.View("cache", a.cache, Kind::kCache, 4);
  c.View("from", a.from, Kind::kI32, 1);
  c.I32("to", a.to, {a.from.shape[0]});
  return c.status();
}

absl::Status Check(const rsn_attention& a, CheckLevel level) {
  Checker c("attention", level);
  const int64_t* k = a.k_cache.shape;
  const int64_t page_tokens = a.ragged.page_tokens;
  c.Ragged(a.ragged);
  c.View("q", a.q, Kind::kF32, 3);
  c.Shaped("k_cache", a.k_cache, Kind::kCache, {k[0], k[1], page_tokens, a.q.shape[2]});
  c.Shaped("v_cache", a.v_cache, Kind::kCache, {k[0], k[1], page_tokens, a.v_cache.shape[3]});
  c.F32("out", a.out, {a.q.shape[0], a.q.shape[1], a.v_cache.shape[3]});
  c.Require(k[1] > 0 && a.q.shape[1] % k[1] == 0, "heads modulo kv_heads",
            k[1] > 0 ? a.q.shape[1] % k[1] : a.q.shape[1]);
  return c.status();
}

absl::Status Check(const rsn_mla_attention& a, CheckLevel level) {
  Checker c("mla_attention", level);
  c.Ragged(a.ragged);
  c.View("q_nope", a.q_nope, Kind::kF32, 3);
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
  c.View("gate", a.gate, Kind::kF32, 2);
  c.F32("up", a.up, {a.gate.shape[0], a.gate.shape[1]});
  c.F32("out", a.out, {a.gate.shape[0], a.gate.shape[1]});
  return c.status();
}

absl::Status Check(const rsn_moe_route& a, CheckLevel level) {
  Checker c("moe_route", level);
  c.View("logits", a.logits, Kind::kF32, 2);
  c.View("ids", a.ids, Kind::kI32, 2);
  const int64_t rows = a.logits.shape[0];
  const int64_t experts = a.logits.shape[1];
  const int64_t used = a.ids.shape[1];
  c.I32("ids", a.ids, {rows, used});
  c.F32("weights", a.weights, {rows, used});
  if (a.bias.rank != 0 && (a.bias.buffer != nullptr || level == CheckLevel::kShapes)) {
    c.F32("bias", a.bias, {experts});
  }
  c.Require(a.scoring <= 1, "scoring", a.scoring);
  c.Require(a.group_rule <= 1, "group_rule", a.group_rule);
  c.Require(used >= 1 && used <= experts, "used", used);
  c.Require(a.groups >= 1 && experts % a.groups == 0, "groups", a.groups);
  c.Require(a.groups == 1 || (a.groups_used >= 1 && a.groups_used <= a.groups), "groups_used",
            a.groups_used);
  if (c.ok() && a.groups > 1) {
    c.Require(a.group_rule == 0 || experts / a.groups >= 2, "experts per group",
              experts / a.groups);
    c.Require(used <= experts / a.groups * a.groups_used, "used", used);
  }
  return c.status();
}

absl::Status Check(const rsn_moe_experts& a, CheckLevel level) {
  Checker c("moe_experts", level);
  c.View("in", a.in, Kind::kF32, 2);
  c.View("ids", a.ids, Kind::kI32, 2);
  c.View("slots", a.slots, Kind::kI32, 1);
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
  c.View("logits", a.logits, Kind::kF32, 2);
  const int64_t rows = a.logits.shape[0];
  const int64_t top = a.top;
  c.I32("adjust_begin", a.adjust_begin, {rows + 1});
  c.View("adjust_id", a.adjust_id, Kind::kI32, 1);
  c.F32("adjust_divisor", a.adjust_divisor, {a.adjust_id.shape[0]});
  c.F32("adjust_add", a.adjust_add, {a.adjust_id.shape[0]});
  c.F32("records", a.records, {rows, sizeof(rsn_logit_record) / 4});
  c.I32("ids", a.ids, {rows, top});
  c.F32("values", a.values, {rows, top});
  c.F32("raw", a.raw, {rows, top});
  return c.status();
}

namespace {
template <typename Args>
absl::Status CheckCopied(const void* args, CheckLevel level) {
  Args copy;
  RSN_RETURN_IF_ERROR(CopyArgs(args, copy));
  return Check(copy, level);
}
}  // namespace

absl::Status CheckNumbered(uint32_t op, const void* args, CheckLevel level) {
  switch (op) {
    case RSN_OP_EMBED:
      return CheckCopied<rsn_embed>(args, level);
    case RSN_OP_GATHER_ROWS:
      return CheckCopied<rsn_gather_rows>(args, level);
    case RSN_OP_RMS_NORM:
      return CheckCopied<rsn_rms_norm>(args, level);
    case RSN_OP_MATMUL:
      return CheckCopied<rsn_matmul>(args, level);
    case RSN_OP_ROPE_TABLE:
      return CheckCopied<rsn_rope_table>(args, level);
    case RSN_OP_ROPE:
      return CheckCopied<rsn_rope>(args, level);
    case RSN_OP_KV_WRITE:
      return CheckCopied<rsn_kv_write>(args, level);
    case RSN_OP_KV_COPY_PAGE:
      return CheckCopied<rsn_kv_copy_page>(args, level);
    case RSN_OP_ATTENTION:
      return CheckCopied<rsn_attention>(args, level);
    case RSN_OP_MLA_ATTENTION:
      return CheckCopied<rsn_mla_attention>(args, level);
    case RSN_OP_SILU_MUL:
      return CheckCopied<rsn_silu_mul>(args, level);
    case RSN_OP_MOE_ROUTE:
      return CheckCopied<rsn_moe_route>(args, level);
    case RSN_OP_MOE_EXPERTS:
      return CheckCopied<rsn_moe_experts>(args, level);
    case RSN_OP_REDUCE_LOGITS:
      return CheckCopied<rsn_reduce_logits>(args, level);
    default:
      return absl::UnimplementedError(absl::StrCat("there is no operation ", op));
  }
}

}  // namespace raison::reference
