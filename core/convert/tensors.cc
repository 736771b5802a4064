#include "core/convert/tensors.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "core/base/dequantize.h"
#include "core/base/quantize.h"

namespace raison {
namespace {

constexpr size_t kPiece = size_t{4} << 20;  // bytes produced at a time

// -1 for tensors outside of blocks.
int BlockOf(std::string_view name) {
  int block = -1;
  if (!absl::StartsWith(name, "blk.")) return -1;
  const std::string_view rest = name.substr(4);
  return absl::SimpleAtoi(rest.substr(0, rest.find('.')), &block) ? block : -1;
}

bool Contains(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return absl::StrContains(name, part); });
}

// The blocks that presets give more bits: the first and last eighth, and every third between.
bool More(int block, int blocks) {
  return block < blocks / 8 || block >= 7 * blocks / 8 || (block - blocks / 8) % 3 == 2;
}

// A type whose block does not divide the row is replaced by a finer one.
DType Fallback(DType type, int64_t row) {
  if (row % Traits(type).block == 0) return type;
  if (row % 32 != 0) return DType::kF16;
  switch (type) {
    case DType::kQ4_K: return DType::kQ5_0;
    case DType::kQ5_K: return DType::kQ5_1;
    default: return DType::kQ8_0;
  }
}

DType TypeOf(const OutTensor& tensor, DType preset, int blocks, bool tied) {
  const std::string& name = tensor.name;
  if (tensor.shape.size() < 2 || !absl::EndsWith(name, ".weight") ||
      absl::EndsWith(name, "_norm.weight") || absl::StrContains(name, "ffn_gate_inp")) {
    return DType::kF32;
  }
  DType type = preset;
  const bool k_quant = preset == DType::kQ4_K || preset == DType::kQ5_K;
  const int block = BlockOf(name);
  const bool head = name == "output.weight" || (tied && name == "token_embd.weight") ||
                    Contains(name, {"shared_head_head"});
  if (head && (k_quant || preset == DType::kQ4_0)) {
    type = DType::kQ6_K;
  } else if (k_quant && block >= 0 && More(block, blocks) &&
             Contains(name, {"attn_v.", "attn_kv_b.", "ffn_down"})) {
    type = DType::kQ6_K;
  }
  return Fallback(type, tensor.shape.back());
}

OutTensor Plain(const StoredTensor& source) {
  return {.name = source.name, .shape = source.shape, .source = &source};
}

// W[row] of part `row / rows_of_part`, as f32.
void SourceRow(const StoredTensor& source, int64_t row, float* out) {
  const size_t n = static_cast<size_t>(source.shape.back());
  const size_t bytes = RowBytes(source.dtype, n);
  const int64_t rows = static_cast<int64_t>(source.parts[0].size() / bytes);
  const auto& part = source.parts[static_cast<size_t>(row / rows)];
  DequantizeRow(source.dtype, part.data() + static_cast<size_t>(row % rows) * bytes, n, out);
}

class RowMaker {
 public:
  RowMaker(const Config& config, const OutTensor& tensor) : c_(config), t_(tensor) {
    if (t_.rows != OutTensor::Rows::kKeyUp) return;
    // Columns are wanted: the whole matrix is widened once.
    const StoredTensor& source = *t_.source;
    matrix_.resize(static_cast<size_t>(source.elements()));  // (heads * (nope + v), rank)
    for (int64_t r = 0; r < source.shape[0]; ++r) {
      SourceRow(source, r, matrix_.data() + r * source.shape[1]);
    }
  }

  void Make(int64_t row, float* out) const {
    const int64_t nope = c_.mla.qk_nope_head_dim, v = c_.mla.v_head_dim, rank = c_.mla.kv_lora_rank;
    switch (t_.rows) {
      case OutTensor::Rows::kAsTheyAre: return SourceRow(*t_.source, row, out);
      case OutTensor::Rows::kConstants:
        std::copy(t_.constants.begin(), t_.constants.end(), out);
        return;
      case OutTensor::Rows::kPermuted: {
        const int64_t d = c_.head_dim, at = row % d;
        return SourceRow(*t_.source, row - at + at % 2 * (d / 2) + at / 2, out);
      }
      case OutTensor::Rows::kValueUp:
        return SourceRow(*t_.source, row / v * (nope + v) + nope + row % v, out);
      case OutTensor::Rows::kKeyUp: {
        const float* head = matrix_.data() + row / rank * (nope + v) * rank;  // (nope + v, rank)
        for (int64_t j = 0; j < nope; ++j) out[j] = head[j * rank + row % rank];
        return;
      }
    }
  }

 private:
  const Config& c_;
  const OutTensor& t_;
  std::vector<float> matrix_;
};

}  // namespace

std::vector<OutTensor> PlanTensors(const Config& c, const Checkpoint& in,
                                   const ConvertOptions& options) {
  std::vector<OutTensor> plan;
  const int trunk = static_cast<int>(c.num_hidden_layers);
  const bool permute = c.architecture == Architecture::kLlama;
  for (const StoredTensor& source : in.tensors()) {
    const int block = BlockOf(source.name);
    if (block >= trunk && !options.keep_mtp) continue;
    if (source.name == "output.weight" && c.tie_word_embeddings) continue;
    OutTensor tensor = Plain(source);
    if (permute && Contains(source.name, {".attn_q.", ".attn_k."})) {
      tensor.rows = OutTensor::Rows::kPermuted;
    }
    if (absl::EndsWith(source.name, ".attn_kv_b.weight")) {
      const int64_t heads = c.num_attention_heads, rank = c.mla.kv_lora_rank;
      const std::string prefix = source.name.substr(0, source.name.size() - 11);  // "kv_b.weight"
      tensor.rows = OutTensor::Rows::kKeyUp;
      tensor.name = absl::StrCat(prefix, "k_b.weight");
      tensor.shape = {heads, rank, c.mla.qk_nope_head_dim};
      plan.push_back(tensor);
      tensor.rows = OutTensor::Rows::kValueUp;
      tensor.name = absl::StrCat(prefix, "v_b.weight");
      tensor.shape = {heads, c.mla.v_head_dim, rank};
    }
    plan.push_back(std::move(tensor));
  }
  if (c.rope.scaling == "llama3") {
    OutTensor freqs{.name = "rope_freqs.weight", .rows = OutTensor::Rows::kConstants};
    for (size_t i = 0; i < c.rope.frequencies.size(); ++i) {
      const double plain =
          std::pow(c.rope.rope_theta, -2.0 * static_cast<double>(i) / c.rope.dimension);
      freqs.constants.push_back(static_cast<float>(plain / c.rope.frequencies[i]));
    }
    freqs.shape = {static_cast<int64_t>(freqs.constants.size())};
    plan.push_back(std::move(freqs));
  }
  const int blocks = trunk + (options.keep_mtp ? static_cast<int>(c.num_nextn_predict_layers) : 0);
  for (OutTensor& tensor : plan) {
    tensor.dtype = TypeOf(tensor, options.type, blocks, c.tie_word_embeddings);
  }
  // Blocks in order, embedding and head first: files read front to back.
  std::stable_sort(plan.begin(), plan.end(), [](const OutTensor& a, const OutTensor& b) {
    return BlockOf(a.name) < BlockOf(b.name);
  });
  return plan;
}

absl::Status ProduceTensor(const Config& config, const OutTensor& tensor, ThreadPool& pool,
                           const std::function<absl::Status(const std::byte*, size_t)>& write) {
  const size_t n = static_cast<size_t>(tensor.shape.back());
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
  const size_t bytes = RowBytes(tensor.dtype, n);
  const int64_t at_once = static_cast<int64_t>(std::max<size_t>(1, kPiece / bytes));
  const RowMaker maker(config, tensor);
  std::vector<float> work(n * pool.size());  // (threads, n)
  std::vector<std::byte> out;
  // A 1-D bias of q or k is permuted by elements: its rows are single weights.
  const bool bias = tensor.shape.size() == 1 && tensor.rows == OutTensor::Rows::kPermuted;
  if (bias) {
    std::vector<float> row(n);
    SourceRow(*tensor.source, 0, work.data());
    const size_t d = config.head_dim;
    for (size_t i = 0; i < n; ++i) row[i] = work[i - i % d + i % d % 2 * (d / 2) + i % d / 2];
    return write(reinterpret_cast<const std::byte*>(row.data()), n * sizeof(float));
  }
  for (int64_t from = 0; from < rows; from += at_once) {
    const int64_t to = std::min(rows, from + at_once);
    out.resize(static_cast<size_t>(to - from) * bytes);
    const bool done =
        pool.ParallelFor(static_cast<uint32_t>(to - from), [&](uint32_t i, uint32_t worker) {
          float* row = work.data() + worker * n;
          maker.Make(from + i, row);
          QuantizeRow(tensor.dtype, row, n, out.data() + i * bytes);
        });
    if (!done) return absl::ResourceExhaustedError("no memory while converting " + tensor.name);
    RSN_RETURN_IF_ERROR(write(out.data(), out.size()));
  }
  return absl::OkStatus();
}

}  // namespace raison
