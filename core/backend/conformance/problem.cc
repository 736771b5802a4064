#include "core/backend/conformance/problem.h"

#include <cstring>

namespace raison::conformance {
namespace {

// Views of rows get one row; the others stay.
void Cut(rsn_tensor& t, int64_t row) {
  t.offset += static_cast<uint64_t>(row * t.stride[0]);
  t.shape[0] = 1;
}

struct RowCutter {
  int64_t row;
  bool operator()(rsn_embed& a) const { return Cut(a.tokens, row), Cut(a.out, row), true; }
  bool operator()(rsn_gather_rows& a) const { return Cut(a.index, row), Cut(a.out, row), true; }
  bool operator()(rsn_rms_norm& a) const { return Cut(a.in, row), Cut(a.out, row), true; }
  bool operator()(rsn_matmul& a) const {
    Cut(a.in, row);
    for (uint32_t j = 0; j < a.terms; ++j) Cut(a.term[j].out, row);
    a.chunk = nullptr;
    a.chunks = 0;
    return true;
  }
  bool operator()(rsn_rope_table& a) const { return Cut(a.positions, row), Cut(a.out, row), true; }
  bool operator()(rsn_rope& a) const { return Cut(a.table, row), Cut(a.x, row), true; }
  bool operator()(rsn_silu_mul& a) const {
    return Cut(a.gate, row), Cut(a.up, row), Cut(a.out, row), true;
  }
  bool operator()(rsn_moe_route& a) const {
    return Cut(a.logits, row), Cut(a.ids, row), Cut(a.weights, row), true;
  }
  bool operator()(rsn_moe_experts& a) const {
    return Cut(a.in, row), Cut(a.ids, row), Cut(a.weights, row), Cut(a.out, row), true;
  }
  bool operator()(rsn_reduce_logits& a) const {
    for (rsn_tensor* t : {&a.logits, &a.records, &a.ids, &a.values, &a.raw}) Cut(*t, row);
    Cut(a.adjust_begin, row);
    a.adjust_begin.shape[0] = 2;
    return true;
  }
  template <typename Other>
  bool operator()(Other&) const {
    return false;
  }
};

}  // namespace

rsn_buffer* Symbol(size_t blob) { return reinterpret_cast<rsn_buffer*>(blob + 1); }
size_t BlobOf(const rsn_buffer* symbol) { return reinterpret_cast<size_t>(symbol) - 1; }

rsn_tensor Dense(rsn_buffer* buffer, uint64_t offset, uint32_t dtype, Shape shape) {
  rsn_tensor t{};
  t.buffer = buffer;
  t.offset = offset;
  t.dtype = dtype;
  for (int64_t n : shape) t.shape[t.rank++] = n;
  const DTypeTraits& traits = Traits(static_cast<DType>(dtype));
  int64_t bytes = t.shape[t.rank - 1] / traits.block * traits.bytes;
  t.stride[t.rank - 1] = traits.bytes;
  for (uint32_t d = t.rank - 1; d-- > 0;) {
    t.stride[d] = bytes;
    bytes *= t.shape[d];
  }
  return t;
}

rsn_tensor Problem::Bytes(std::vector<std::byte> bytes, uint32_t dtype, Shape shape) {
  blobs.push_back({.bytes = std::move(bytes), .description = {}});
  return Dense(Symbol(blobs.size() - 1), 0, dtype, shape);
}

rsn_tensor Problem::F32(const std::vector<float>& values, Shape shape) {
  std::vector<std::byte> bytes(values.size() * 4);
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return Bytes(std::move(bytes), RSN_DTYPE_F32, shape);
}

rsn_tensor Problem::I32(const std::vector<int32_t>& values, Shape shape) {
  std::vector<std::byte> bytes(values.size() * 4);
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return Bytes(std::move(bytes), RSN_DTYPE_I32, shape);
}

rsn_tensor Problem::Out(uint32_t dtype, Shape shape, int64_t extra) {
  rsn_tensor t = Dense(nullptr, 0, dtype, shape);
  const int64_t size = Traits(static_cast<DType>(dtype)).bytes;
  int64_t bytes = (t.shape[t.rank - 1] + extra) * size;
  for (uint32_t d = t.rank - 1; d-- > 0;) {
    t.stride[d] = bytes;
    bytes *= t.shape[d];
  }
  // As f32 a NaN, as i32 far out of every range.
  blobs.push_back({.bytes = std::vector<std::byte>(static_cast<size_t>(bytes), std::byte{0xff}),
                   .description = {}});
  t.buffer = Symbol(blobs.size() - 1);
  return t;
}

rsn_tensor Problem::Weight(std::vector<std::byte> bytes, uint32_t dtype, Shape shape) {
  rsn_tensor t = Bytes(std::move(bytes), dtype, shape);
  blobs.back().weight = true;
  blobs.back().description = t;
  return t;
}

rsn_tensor Problem::F32Weight(const std::vector<float>& values, Shape shape) {
  rsn_tensor t = F32(values, shape);
  blobs.back().weight = true;
  blobs.back().description = t;
  return t;
}

bool SliceRow(const Problem& problem, int64_t row, Problem& out) {
  out = problem;
  for (AnyOp& op : out.ops) {
    if (!std::visit(RowCutter{row}, op)) return false;
  }
  return true;
}

}  // namespace raison::conformance
