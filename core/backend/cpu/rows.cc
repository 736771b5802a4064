// Operations that treat each row by itself: embed, gather, norm, rotation, activation, cache writes.
#include <cmath>
#include <cstring>

#include "core/backend/cpu/interleave.h"
#include "core/backend/cpu/ops.h"
#include "core/base/dequantize.h"

namespace raison::cpu {
namespace {

// Values that one task should touch at least: below, waking another thread costs more.
constexpr int64_t kGrain = 16384;

int64_t RowsPerTask(int64_t width) { return kGrain / (width > 0 ? width : 1) + 1; }

absl::Status BadIndex(const char* op, const char* what, int64_t at, int64_t value, int64_t limit) {
  return absl::InvalidArgumentError(
      absl::StrCat(op, ": ", what, "[", at, "] is ", value, ", the limit is ", limit));
}

}  // namespace

absl::Status Run(const Context& context, const rsn_embed& a) {
  const int64_t rows = a.tokens.shape[0], width = a.table.shape[1];
  const int32_t* tokens = I32At(a.tokens);  // (rows)
  for (int64_t t = 0; t < rows; ++t) {
    if (tokens[t] < 0 || tokens[t] >= a.table.shape[0]) {
      return BadIndex("embed", "tokens", t, tokens[t], a.table.shape[0]);
    }
  }
  const auto type = static_cast<DType>(a.table.dtype);
  const BlockLayout& layout = *FindBlockLayout(a.table.dtype);
  const int64_t bytes = width / layout.weights * layout.bytes;
  return context.ForRange(rows, RowsPerTask(width), [&](int64_t begin, int64_t end, uint32_t) {
    std::vector<uint8_t> plain;
    for (int64_t t = begin; t < end; ++t) {
      const uint8_t* row;
      if (a.table.layout == kInterleaved) {
        plain.resize(static_cast<size_t>(bytes));
        Deinterleave(layout, RowAt(a.table, tokens[t] / kGroupRows * kGroupRows),
                     tokens[t] % kGroupRows, width / layout.weights, plain.data());
        row = plain.data();
      } else {
        row = RowAt(a.table, tokens[t]);
      }
      DequantizeRow(type, reinterpret_cast<const std::byte*>(row), static_cast<size_t>(width),
                    F32At(a.out, t));
    }
  });
}

absl::Status Run(const Context&, const rsn_gather_rows& a) {
  const int32_t* index = I32At(a.index);  // (count)
  for (int64_t i = 0; i < a.index.shape[0]; ++i) {
    if (index[i] < 0 || index[i] >= a.in.shape[0]) {
      return BadIndex("gather_rows", "index", i, index[i], a.in.shape[0]);
    }
    std::memcpy(F32At(a.out, i), F32At(a.in, index[i]), static_cast<size_t>(a.in.shape[1]) * 4);
  }
  return absl::OkStatus();
}

absl::Status Run(const Context& context, const rsn_rms_norm& a) {
  const int64_t heads = a.in.rank == 3 ? a.in.shape[1] : 1;
  const int64_t width = a.in.shape[a.in.rank - 1];
  const float* weight = F32At(a.weight);  // (width)
  return context.ForRange(
      a.in.shape[0] * heads, RowsPerTask(width), [&](int64_t begin, int64_t end, uint32_t) {
        for (int64_t i = begin; i < end; ++i) {
          context.kernels().rms_norm(F32At(a.in, i / heads, i % heads), weight, a.epsilon,
                                     F32At(a.out, i / heads, i % heads), width);
        }
      });
}

absl::Status Run(const Context& context, const rsn_rope_table& a) {
  const int32_t* positions = I32At(a.positions);  // (rows)
  const int64_t pairs = a.frequencies.shape[0];
  return context.ForRange(a.positions.shape[0], 16, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t t = begin; t < end; ++t) {
      float* out = F32At(a.out, t);  // (pairs, 2)
      for (int64_t i = 0; i < pairs; ++i) {
        const float* f = F32At(a.frequencies, i);
        const double frequency = static_cast<double>(f[0]) + static_cast<double>(f[1]);
        const double angle = positions[t] * frequency;
        float* pair = reinterpret_cast<float*>(reinterpret_cast<uint8_t*>(out) + i * a.out.stride[1]);
        pair[0] = static_cast<float>(std::cos(angle) * static_cast<double>(a.magnitude));
        pair[1] = static_cast<float>(std::sin(angle) * static_cast<double>(a.magnitude));
      }
    }
  });
}

absl::Status Run(const Context& context, const rsn_rope& a) {
  const int64_t heads = a.x.shape[1], pairs = a.table.shape[1];
  const bool dense = a.table.stride[1] == 8 || pairs <= 1;
  const int64_t step = dense ? 2 : a.table.stride[1] / 4;
  const int64_t grain = RowsPerTask(heads * pairs * 2);
  return context.ForRange(a.x.shape[0], grain, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t t = begin; t < end; ++t) {
      const float* table = F32At(a.table, t);  // (pairs, 2)
      for (int64_t h = 0; h < heads; ++h) {
        float* x = F32At(a.x, t, h);  // (2 * pairs)
        const int64_t gap = a.interleaved != 0 ? 1 : pairs;
        const int64_t next = a.interleaved != 0 ? 2 : 1;
        for (int64_t i = 0; i < pairs; ++i) {
          float& u = x[i * next];
          float& v = x[i * next + gap];
          const float c = table[i * step], s = table[i * step + 1];
          const float rotated = u * c - v * s;
          v = v * c + u * s;
          u = rotated;
        }
      }
    }
  });
}

absl::Status Run(const Context& context, const rsn_silu_mul& a) {
  const int64_t width = a.gate.shape[1];
  // Wide rows are cut too: at decode one row of 10,000 exponentials is worth a second thread.
  constexpr int64_t kPiece = 4096;
  const int64_t pieces = (width + kPiece - 1) / kPiece;
  return context.ForEach(a.gate.shape[0] * pieces, [&](int64_t i, uint32_t) {
    const int64_t t = i / pieces, begin = i % pieces * kPiece;
    const int64_t n = width - begin < kPiece ? width - begin : kPiece;
    context.kernels().silu_mul(F32At(a.gate, t) + begin, F32At(a.up, t) + begin,
                               F32At(a.out, t) + begin, n);
  });
}

absl::Status Run(const Context& context, const rsn_kv_write& a) {
  const int64_t rows = a.in.shape[0], heads = a.in.shape[1], width = a.in.shape[2];
  const int64_t page_tokens = a.cache.shape[2];
  const int32_t* slots = I32At(a.slots);  // (rows)
  for (int64_t t = 0; t < rows; ++t) {
    if (slots[t] < 0 || slots[t] / page_tokens >= a.cache.shape[0]) {
      return BadIndex("kv_write", "slots", t, slots[t], a.cache.shape[0] * page_tokens);
    }
  }
  const int64_t grain = RowsPerTask(heads * width);
  return context.ForRange(rows, grain, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const float* in = F32At(a.in, t, h);
        uint8_t* out = RowAt(a.cache, slots[t] / page_tokens, h, slots[t] % page_tokens);
        if (a.cache.dtype == RSN_DTYPE_F32) {
          std::memcpy(out, in, static_cast<size_t>(width) * 4);
        } else if (a.cache.dtype == RSN_DTYPE_F16) {
          context.kernels().to_f16(in, reinterpret_cast<uint16_t*>(out), width);
        } else {
          context.kernels().to_bf16(in, reinterpret_cast<uint16_t*>(out), width);
        }
      }
    }
  });
}

absl::Status Run(const Context& context, const rsn_kv_copy_page& a) {
  const auto row = static_cast<size_t>(a.cache.shape[3] * (a.cache.dtype == RSN_DTYPE_F32 ? 4 : 2));
  const int64_t count = a.from.shape[0];
  for (int64_t i = 0; i < count; ++i) {
    const int32_t from = I32At(a.from)[i], to = I32At(a.to)[i];
    if (from < 0 || from >= a.cache.shape[0]) {
      return BadIndex("kv_copy_page", "from", i, from, a.cache.shape[0]);
    }
    if (to < 0 || to >= a.cache.shape[0]) {
      return BadIndex("kv_copy_page", "to", i, to, a.cache.shape[0]);
    }
  }
  return context.ForEach(count, [&](int64_t i, uint32_t) {
    const int32_t from = I32At(a.from)[i], to = I32At(a.to)[i];
    if (from == to) return;
    for (int64_t h = 0; h < a.cache.shape[1]; ++h) {
      for (int64_t t = 0; t < a.cache.shape[2]; ++t) {
        std::memcpy(RowAt(a.cache, to, h, t), RowAt(a.cache, from, h, t), row);
      }
    }
  });
}

}  // namespace raison::cpu
