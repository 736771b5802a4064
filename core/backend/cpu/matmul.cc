#include "core/backend/cpu/matmul.h"

#include <algorithm>
#include <cstring>

#include "core/backend/cpu/ops.h"
#include "core/base/dequantize.h"

namespace raison::cpu {

Matrix Matrix::Of(const rsn_tensor& w, int64_t batch) {
  const uint32_t r = w.rank;
  return {.layout = FindBlockLayout(w.dtype),
          .data = MemoryOf(w.buffer)->data + w.offset + (r == 3 ? batch * w.stride[0] : 0),
          .rows = w.shape[r - 2],
          .width = w.shape[r - 1],
          .stride = w.stride[r - 2],
          .dtype = w.dtype,
          .interleaved = w.layout == kInterleaved};
}

GroupScratch* TakeGroupScratch(const Context& context) {
  const uint32_t threads = context.threads();
  auto* scratch = context.scratch.Take<GroupScratch>(threads);
  for (uint32_t i = 0; i < threads; ++i) {
    scratch[i] = {.piece = context.scratch.Take<uint8_t>(kPieceBytes),
                  .sums = context.scratch.Take<float>(kTokenBlock * kGroupRows)};
  }
  return scratch;
}

int64_t TokenBlock(int64_t width, bool quantized) {
  // Half of a common second-level cache (1 MiB).
  constexpr int64_t kCacheBytes = 512 << 10;
  const int64_t row = quantized ? width / 32 * static_cast<int64_t>(sizeof(ActBlock)) : width * 4;
  const int64_t fit = kCacheBytes / std::max<int64_t>(row, 1) / kMostTokens * kMostTokens;
  return std::clamp<int64_t>(fit, kMostTokens, kTokenBlock);
}

void MultiplyGroup(const Kernels& kernels, const Matrix& m, int64_t group, const void* const* acts,
                   int64_t tokens, const GroupScratch& scratch) {
  const BlockLayout& layout = *m.layout;
  const auto dots = kernels.dots[m.dtype];
  const int64_t blocks = m.width / layout.weights;
  std::memset(scratch.sums, 0, static_cast<size_t>(tokens * kGroupRows) * sizeof(float));
  if (m.interleaved) {
    const uint8_t* data = m.data + group * kGroupRows * blocks * layout.bytes;
    for (int64_t t = 0; t < tokens; t += kMostTokens) {
      const int n = static_cast<int>(std::min<int64_t>(kMostTokens, tokens - t));
      dots(data, blocks, acts + t, n, scratch.sums + t * kGroupRows);
    }
    return;
  }
  const uint8_t* rows[kGroupRows];
  const int64_t step = kPieceWeights / layout.weights;
  const bool quantized = QuantizesActivations(m.dtype);
  for (int64_t b = 0; b < blocks; b += step) {
    const int64_t now = std::min(step, blocks - b);
    for (int r = 0; r < kGroupRows; ++r) {
      const int64_t row = group * kGroupRows + r;
      rows[r] = row < m.rows ? m.data + row * m.stride + b * layout.bytes : nullptr;
    }
    Interleave(kernels, layout, rows, now, scratch.piece);
    const int64_t skip = quantized ? b * layout.weights / 32 * static_cast<int64_t>(sizeof(ActBlock))
                                   : b * static_cast<int64_t>(sizeof(float));
    for (int64_t t = 0; t < tokens; t += kMostTokens) {
      const int n = static_cast<int>(std::min<int64_t>(kMostTokens, tokens - t));
      const void* at[kMostTokens];
      for (int i = 0; i < n; ++i) at[i] = static_cast<const uint8_t*>(acts[t + i]) + skip;
      dots(scratch.piece, now, at, n, scratch.sums + t * kGroupRows);
    }
  }
}

void DecodeGroup(const Matrix& m, int64_t group, uint8_t* scratch, float* out) {
  const BlockLayout& layout = *m.layout;
  const int64_t blocks = m.width / layout.weights;
  for (int r = 0; r < kGroupRows; ++r, out += m.width) {
    const int64_t row = group * kGroupRows + r;
    if (row >= m.rows) {
      std::fill(out, out + m.width, 0.0f);
      continue;
    }
    const uint8_t* bytes = m.data + row * m.stride;
    if (m.interleaved) {
      Deinterleave(layout, m.data + group * kGroupRows * blocks * layout.bytes, r, blocks, scratch);
      bytes = scratch;
    }
    DequantizeRow(static_cast<DType>(m.dtype), reinterpret_cast<const std::byte*>(bytes),
                  static_cast<size_t>(m.width), out);
  }
}

namespace {

// A contiguous run of groups of one term and batch entry.
struct Job {
  uint32_t term;
  int64_t batch;
  int64_t group;
  int64_t end;
};

void Emit(const rsn_matmul& a, const Job& job, int64_t group, int64_t t0, int64_t tokens,
          const float* sums) {
  const rsn_matmul_term& term = a.term[job.term];
  const int64_t rows = term.out.shape[term.out.rank - 1];
  const int64_t first = group * kGroupRows;
  const int64_t n = std::min<int64_t>(kGroupRows, rows - first);
  const float* bias = term.bias.buffer != nullptr ? F32At(term.bias) + first : nullptr;
  for (int64_t t = 0; t < tokens; ++t, sums += kGroupRows) {
    float* out = F32At(term.out, t0 + t, job.batch) + first;
    for (int64_t r = 0; r < n; ++r) {
      float y = sums[r];
      if (bias != nullptr) y += bias[r];
      out[r] = a.accumulate != 0 ? out[r] + y : y;
    }
  }
}

}  // namespace

absl::Status Run(const Context& context, const rsn_matmul& a) {
  const bool batched = a.in.rank == 3;
  const int64_t rows = a.in.shape[0];
  const int64_t batch = batched ? a.in.shape[1] : 1;
  const int64_t width = a.in.shape[a.in.rank - 1];
  if (rows == 0 || batch == 0) return absl::OkStatus();

  // Activation row b * rows + t: the rows of one batch entry are neighbours.
  const auto input = [&](int64_t i) { return F32At(a.in, i % rows, i / rows); };
  bool wants[2] = {false, false};
  for (uint32_t j = 0; j < a.terms; ++j) wants[QuantizesActivations(a.term[j].weight.dtype)] = true;
  Activations acts[2];
  for (int q = 0; q < 2; ++q) {
    if (!wants[q]) continue;
    RSN_ASSIGN_OR_RETURN(acts[q],
                         Activations::Make(context, batch * rows, width, q == 1, input));
  }

  // Cut the concatenated groups of all terms into jobs: enough for balance, long enough to stream.
  int64_t groups = 0;
  for (uint32_t j = 0; j < a.terms; ++j) {
    groups += batch * ((a.term[j].weight.shape[a.in.rank - 2] + kGroupRows - 1) / kGroupRows);
  }
  constexpr int64_t kJobsPerThread = 6;
  constexpr int64_t kMostGroups = 16;  // with many rows: weights of a job stay near
  int64_t grain = groups / (context.threads() * kJobsPerThread);
  grain = std::max<int64_t>(1, rows > 16 ? std::min(grain, kMostGroups) : grain);
  int64_t count = 0;
  auto* jobs = context.scratch.Take<Job>(groups);
  for (uint32_t j = 0; j < a.terms; ++j) {
    const int64_t n = (a.term[j].weight.shape[a.in.rank - 2] + kGroupRows - 1) / kGroupRows;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t g = 0; g < n; g += grain) jobs[count++] = {j, b, g, std::min(n, g + grain)};
    }
  }
  GroupScratch* scratch = TakeGroupScratch(context);
  return context.ForEach(count, [&](int64_t index, uint32_t worker) {
    const Job& job = jobs[index];
    const rsn_tensor& weight = a.term[job.term].weight;
    const Matrix m = Matrix::Of(weight, job.batch);
    const bool quantized = QuantizesActivations(weight.dtype);
    const int64_t block = TokenBlock(width, quantized);
    for (int64_t t = 0; t < rows; t += block) {
      const int64_t tokens = std::min(block, rows - t);
      const void* const* x = acts[quantized].row(job.batch * rows + t);
      for (int64_t g = job.group; g < job.end; ++g) {
        MultiplyGroup(context.kernels(), m, g, x, tokens, scratch[worker]);
        Emit(a, job, g, t, tokens, scratch[worker].sums);
      }
    }
  });
}

}  // namespace raison::cpu
