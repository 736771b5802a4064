// embed, gather_rows, rms_norm, matmul, rope_table, rope, silu_mul, kv_write, kv_copy_page.
#include <cmath>
#include <cstring>
#include <vector>

#include "core/backend/reference/loops.h"
#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"
#include "core/base/dequantize.h"

namespace raison::reference {
namespace {

absl::Status CheckIndex(const char* what, int64_t i, int32_t value, int64_t count) {
  if (value >= 0 && value < count) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, "[", i, "] is ", value, ", there are ", count));
}

}  // namespace

absl::Status Run(const rsn_embed& a, const rsn_backend_host&) {
  const int32_t* tokens = I32At(a.tokens);  // (rows)
  for (int64_t t = 0; t < a.tokens.shape[0]; ++t) {
    RSN_RETURN_IF_ERROR(CheckIndex("embed: tokens", t, tokens[t], a.table.shape[0]));
    DequantizeRow(static_cast<DType>(a.table.dtype), RowAt(a.table, tokens[t]),
                  static_cast<size_t>(a.table.shape[1]), F32At(a.out, t));
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_gather_rows& a, const rsn_backend_host&) {
  const int32_t* index = I32At(a.index);  // (count)
  for (int64_t i = 0; i < a.index.shape[0]; ++i) {
    RSN_RETURN_IF_ERROR(CheckIndex("gather_rows: index", i, index[i], a.in.shape[0]));
    std::memmove(RowAt(a.out, i), RowAt(a.in, index[i]), static_cast<size_t>(a.in.shape[1]) * 4);
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_rms_norm& a, const rsn_backend_host&) {
  const float* weight = F32At(a.weight);  // (width)
  const int64_t heads = a.in.rank == 3 ? a.in.shape[1] : 1;
  const int64_t width = a.in.shape[a.in.rank - 1];
  for (int64_t t = 0; t < a.in.shape[0]; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      const float* in = F32At(a.in, t, h);  // (width)
      float* out = F32At(a.out, t, h);      // (width)
      const double mean = Dot(in, in, width) / static_cast<double>(width);
      const double scale = 1.0 / std::sqrt(mean + static_cast<double>(a.epsilon));
      for (int64_t i = 0; i < width; ++i) {
        out[i] = static_cast<float>(static_cast<double>(in[i]) * scale * weight[i]);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_matmul& a, const rsn_backend_host& host) {
  const int64_t rows = a.in.shape[0];
  const int64_t batch = a.in.rank == 3 ? a.in.shape[1] : 1;
  const int64_t width = a.in.shape[a.in.rank - 1];
  constexpr int64_t kChunk = 16;  // output rows per task: a cache line of f32 per thread
  for (uint32_t j = 0; j < a.terms; ++j) {
    const rsn_matmul_term& term = a.term[j];
    const int64_t outputs = term.weight.shape[term.weight.rank - 2];
    const int64_t chunks = (outputs + kChunk - 1) / kChunk;
    const float* bias = term.bias.buffer != nullptr ? F32At(term.bias) : nullptr;  // (outputs)
    RSN_RETURN_IF_ERROR(ForEach(host, batch * chunks, [&](int64_t task) {
      const int64_t b = task / chunks;
      std::vector<float> weight(static_cast<size_t>(width));  // one row, dequantised
      const int64_t first = task % chunks * kChunk;
      for (int64_t o = first; o < std::min(first + kChunk, outputs); ++o) {
        const std::byte* row =
            term.weight.rank == 3 ? RowAt(term.weight, b, o) : RowAt(term.weight, o);
        DequantizeRow(static_cast<DType>(term.weight.dtype), row, weight.size(), weight.data());
        for (int64_t t = 0; t < rows; ++t) {
          double sum = Dot(weight.data(), F32At(a.in, t, b), width);
          float& out = F32At(term.out, t, b)[o];
          if (bias != nullptr) sum += bias[o];
          if (a.accumulate != 0) sum += out;
          out = static_cast<float>(sum);
        }
      }
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_rope_table& a, const rsn_backend_host&) {
  const int32_t* positions = I32At(a.positions);  // (rows)
  for (int64_t t = 0; t < a.positions.shape[0]; ++t) {
    for (int64_t i = 0; i < a.frequencies.shape[0]; ++i) {
      const float* parts = F32At(a.frequencies, i);  // {hi, lo}
      const double frequency = static_cast<double>(parts[0]) + static_cast<double>(parts[1]);
      const double angle = static_cast<double>(positions[t]) * frequency;
      float* out = F32At(a.out, t, i);  // {cos, sin}
      out[0] = static_cast<float>(std::cos(angle) * a.magnitude);
      out[1] = static_cast<float>(std::sin(angle) * a.magnitude);
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_rope& a, const rsn_backend_host&) {
  const int64_t pairs = a.table.shape[1];
  for (int64_t t = 0; t < a.x.shape[0]; ++t) {
    for (int64_t h = 0; h < a.x.shape[1]; ++h) {
      float* x = F32At(a.x, t, h);  // (2 * pairs)
      for (int64_t i = 0; i < pairs; ++i) {
        const float* turn = F32At(a.table, t, i);  // {cos, sin}
        float& first = x[a.interleaved != 0 ? 2 * i : i];
        float& second = x[a.interleaved != 0 ? 2 * i + 1 : i + pairs];
        const double u = first, v = second, cosine = turn[0], sine = turn[1];
        first = static_cast<float>(u * cosine - v * sine);
        second = static_cast<float>(v * cosine + u * sine);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_silu_mul& a, const rsn_backend_host&) {
  for (int64_t t = 0; t < a.gate.shape[0]; ++t) {
    const float* gate = F32At(a.gate, t);  // (width)
    const float* up = F32At(a.up, t);      // (width)
    float* out = F32At(a.out, t);          // (width)
    for (int64_t i = 0; i < a.gate.shape[1]; ++i) {
      const double z = gate[i];
      out[i] = static_cast<float>(z / (1.0 + std::exp(-z)) * up[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_kv_write& a, const rsn_backend_host&) {
  const int32_t* slots = I32At(a.slots);  // (rows)
  const int64_t page_tokens = a.cache.shape[2];
  for (int64_t t = 0; t < a.in.shape[0]; ++t) {
    RSN_RETURN_IF_ERROR(CheckIndex("kv_write: slots", t, slots[t], a.cache.shape[0] * page_tokens));
    for (int64_t h = 0; h < a.in.shape[1]; ++h) {
      const float* in = F32At(a.in, t, h);  // (width)
      std::byte* row = RowAt(a.cache, slots[t] / page_tokens, h, slots[t] % page_tokens);
      for (int64_t i = 0; i < a.in.shape[2]; ++i) {
        if (a.cache.dtype == RSN_DTYPE_F32) {
          reinterpret_cast<float*>(row)[i] = in[i];
        } else {
          reinterpret_cast<uint16_t*>(row)[i] =
              a.cache.dtype == RSN_DTYPE_F16 ? F32ToF16(in[i]) : F32ToBF16(in[i]);
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const rsn_kv_copy_page& a, const rsn_backend_host&) {
  const int32_t* from = I32At(a.from);  // (count)
  const int32_t* to = I32At(a.to);      // (count)
  const size_t row_bytes =
      RowBytes(static_cast<DType>(a.cache.dtype), static_cast<size_t>(a.cache.shape[3]));
  for (int64_t i = 0; i < a.from.shape[0]; ++i) {
    RSN_RETURN_IF_ERROR(CheckIndex("kv_copy_page: from", i, from[i], a.cache.shape[0]));
    RSN_RETURN_IF_ERROR(CheckIndex("kv_copy_page: to", i, to[i], a.cache.shape[0]));
    for (int64_t h = 0; h < a.cache.shape[1]; ++h) {
      for (int64_t t = 0; t < a.cache.shape[2]; ++t) {
        std::memmove(RowAt(a.cache, to[i], h, t), RowAt(a.cache, from[i], h, t), row_bytes);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace raison::reference
