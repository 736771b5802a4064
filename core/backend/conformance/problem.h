// One conformance problem: the contents of some buffers, a few operations on them, and what must
// come out. Tensors name buffers by their index (a symbol in `buffer`), so that the same problem
// runs on any back end. Owns data only; bench.h runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/backend/reference/ops.h"
#include "core/base/dtype.h"

namespace raison::conformance {

using reference::AnyOp;
using Shape = std::initializer_list<int64_t>;

struct Blob {
  std::vector<std::byte> bytes;
  bool weight = false;     // made by rsn_backend.weight, not by upload
  rsn_tensor description;  // of a weight
};

// How an output's error is scaled before it is compared with its tolerance.
enum class Rule {
  kBits,   // equal bits (any NaN equals any NaN)
  kValue,  // |got - want| / |want|
  kRow,    // |got - want| / the largest |want| of the row (the outermost dimension)
  kUnit,   // |got - want| / max(1, |want|)
  kGiven,  // |got - want| / the given magnitude; the best of the given definitions counts
};

// One legal definition of an output (exact, or with activations quantised in blocks).
struct Definition {
  const char* name;
  std::vector<double> want;       // row-major over the view
  std::vector<double> magnitude;  // of the terms that were added up
  // Allowed besides: what computed activations change that lie between two quantised values. Empty:
  // 0.
  std::vector<double> slack = {};
};

struct Output {
  const char* what;
  rsn_tensor view;
  Rule rule = Rule::kBits;
  const char* tolerance = "";                                 // the key in tolerances.h
  std::function<std::vector<Definition>()> definitions = {};  // for kGiven
  // Rows from which on another of the definitions may be met than before.
  std::vector<int64_t> borders = {};
};

rsn_buffer* Symbol(size_t blob);
size_t BlobOf(const rsn_buffer* symbol);
rsn_tensor Dense(rsn_buffer* buffer, uint64_t offset, uint32_t dtype, Shape shape);

class Problem {
 public:
  rsn_tensor F32(const std::vector<float>& values, Shape shape);
  rsn_tensor I32(const std::vector<int32_t>& values, Shape shape);
  rsn_tensor Bytes(std::vector<std::byte> bytes, uint32_t dtype, Shape shape);
  // Filled with a pattern that an operation must replace; `extra` more columns stay as they are.
  rsn_tensor Out(uint32_t dtype, Shape shape, int64_t extra = 0);
  rsn_tensor Weight(std::vector<std::byte> bytes, uint32_t dtype, Shape shape);
  rsn_tensor F32Weight(const std::vector<float>& values, Shape shape);

  void Add(AnyOp op) { ops.push_back(std::move(op)); }
  void Expect(Output output) { outputs.push_back(std::move(output)); }
  // Written, but with nothing that a caller may rely on.
  void Ignore(const rsn_tensor& view) { ignored.push_back(view); }

  std::vector<Blob> blobs;
  std::vector<AnyOp> ops;
  std::vector<Output> outputs;
  std::vector<rsn_tensor> ignored;
};

// The problem of one row alone, for operations whose rows are independent: views of rows are cut,
// blobs stay. False where the operation has no such form.
bool SliceRow(const Problem& problem, int64_t row, Problem& out);

// Calls f(byte offset) for every element of a plain view, row-major.
template <typename F>
void ForEachElement(const rsn_tensor& t, const F& f) {
  const int64_t size = static_cast<int64_t>(Traits(static_cast<DType>(t.dtype)).bytes);
  int64_t index[4] = {};
  for (uint32_t d = 0; d < t.rank; ++d) {
    if (t.shape[d] == 0) return;
  }
  for (;;) {
    uint64_t at = t.offset;
    for (uint32_t d = 0; d + 1 < t.rank; ++d) at += static_cast<uint64_t>(index[d] * t.stride[d]);
    f(at + static_cast<uint64_t>(index[t.rank - 1] * size));
    uint32_t d = t.rank;
    while (d-- > 0) {
      if (++index[d] < t.shape[d]) break;
      index[d] = 0;
      if (d == 0) return;
    }
  }
}

}  // namespace raison::conformance
