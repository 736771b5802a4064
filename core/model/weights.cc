#include "core/model/weights.h"

#include <cstring>

#include "core/base/dequantize.h"
#include "core/base/half.h"
#include "core/base/os/scratch_pages.h"
#include "core/file/checkpoint.h"

namespace raison {
namespace {

using Bytes = std::vector<std::byte>;

std::vector<float> ToFloats(const StoredTensor& stored) {
  std::vector<float> out(static_cast<size_t>(stored.elements()));
  float* to = out.data();
  const size_t each = out.size() / stored.parts.size();
  for (const auto& part : stored.parts) {
    DequantizeRow(stored.dtype, part.data(), each, to);
    to += each;
  }
  return out;
}

absl::Span<const std::byte> AsBytes(const std::vector<float>& v) {
  return {reinterpret_cast<const std::byte*>(v.data()), v.size() * sizeof(float)};
}

class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const Config& config, const Placement& placement,
         const WeightOptions& options)
      : checkpoint_(checkpoint), c_(config), placement_(placement), options_(options) {
    for (const StoredTensor& t : checkpoint.tensors()) total_ += t.bytes();
  }

  absl::StatusOr<Weights> Load() {
    RSN_RETURN_IF_ERROR(Ends());
    for (const auto& device : placement_.devices) RSN_RETURN_IF_ERROR(RopeFrequencies(*device));
    w_.layers.resize(c_.num_hidden_layers);
    for (uint32_t l = 0; l < c_.num_hidden_layers; ++l) RSN_RETURN_IF_ERROR(Layer(l));
    // Tensors that nobody needs (the prediction block) were counted too: the end is the whole.
    RSN_RETURN_IF_ERROR(Progress(total_ - std::min(done_, total_)));
    return std::move(w_);
  }

 private:
  absl::StatusOr<const StoredTensor*> Find(const std::string& name) {
    const StoredTensor* stored = checkpoint_.Find(name);
    if (stored == nullptr) {
      return absl::NotFoundError(absl::StrCat(checkpoint_.path(), ": tensor ", name, " is missing"));
    }
    return stored;
  }

  absl::Status Progress(uint64_t bytes) {
    done_ += bytes;
    if (options_.progress && !options_.progress(std::min(done_, total_), total_)) {
      return absl::CancelledError("loading was cancelled");
    }
    return absl::OkStatus();
  }

  absl::Status Keep(const Tensor& description, absl::Span<const std::byte> bytes, uint32_t flags,
                    Tensor* out, bool* referenced = nullptr, const Device::WeightRead& read = {}) {
    RSN_ASSIGN_OR_RETURN(Device::Weight weight,
                         device_->NewWeight(description, bytes, flags, read));
    Keep(std::move(weight), out, referenced);
    return absl::OkStatus();
  }

  void Keep(Device::Weight weight, Tensor* out, bool* referenced = nullptr) {
    w_.buffers.push_back(std::move(weight.buffer));
    *out = weight.tensor;
    if (referenced != nullptr) *referenced = weight.referenced;
  }

  // Bytes after which a matrix repeats and the device can go on by itself; 0: it needs them all.
  // What the checkpoint says is looked at: no device may come to other weights than those that are
  // there.
  uint64_t Period(const StoredTensor& stored) const {
    const int64_t elements = checkpoint_.repeat_elements();
    if (elements == 0 || elements >= stored.elements() ||
        elements % Traits(stored.dtype).block != 0 || stored.parts.size() != 1 ||
        !device_->RepeatsWeights()) {
      return 0;
    }
    const size_t period = RowBytes(stored.dtype, static_cast<size_t>(elements));
    const absl::Span<const std::byte> bytes = stored.parts[0];
    const bool repeats =
        std::memcmp(bytes.data(), bytes.data() + period, bytes.size() - period) == 0;
    return repeats ? period : 0;
  }

  static Tensor Describe(DType dtype, const std::vector<int64_t>& shape) {
    switch (shape.size()) {
      case 1:
        return DenseTensor(nullptr, 0, dtype, {shape[0]});
      case 2:
        return DenseTensor(nullptr, 0, dtype, {shape[0], shape[1]});
      default:
        return DenseTensor(nullptr, 0, dtype, {shape[0], shape[1], shape[2]});
    }
  }

  // A matrix or a stack of matrices in the file's own type. What the device has read is given back
  // to the system at once: a repacked tensor is never in memory twice as a whole. `last`: nobody
  // will read the file's bytes again.
  absl::Status Matrix(const std::string& name, Tensor* out, bool plain = false, bool last = true) {
    RSN_ASSIGN_OR_RETURN(const StoredTensor* stored, Find(name));
    return Matrix(*stored, out, plain, last);
  }

  absl::Status Matrix(const StoredTensor& stored, Tensor* out, bool plain = false,
                      bool last = true) {
    const uint32_t repack = options_.repack && !plain ? uint32_t{RSN_WEIGHT_MAY_REPACK} : 0u;
    const Tensor description = Describe(stored.dtype, stored.shape);
    const uint64_t before = done_;
    bool referenced = false;
    if (const uint64_t period = Period(stored); period != 0) {
      RSN_ASSIGN_OR_RETURN(
          Device::Weight weight,
          device_->NewRepeatedWeight(description, stored.parts[0], period, repack));
      Keep(std::move(weight), out);
    } else if (stored.parts.size() == 1) {
      const auto read = [&](absl::Span<const std::byte> part) {
        if (last) checkpoint_.Release(part);
        return Progress(part.size());
      };
      RSN_RETURN_IF_ERROR(Keep(description, stored.parts[0], RSN_WEIGHT_MAY_REFERENCE | repack,
                               out, &referenced, read));
    } else {  // experts that the container keeps apart
      RSN_ASSIGN_OR_RETURN(const auto joined, ScratchPages::New(stored.bytes()));
      std::byte* to = joined->bytes().data();
      for (const auto& part : stored.parts) {
        std::memcpy(to, part.data(), part.size());
        to += part.size();
        if (last) checkpoint_.Release(part);
        RSN_RETURN_IF_ERROR(Progress(0));  // only whether to go on: what counts is made below
      }
      const auto read = [&](absl::Span<const std::byte> part) {
        joined->Release(part);
        return Progress(part.size());
      };
      RSN_RETURN_IF_ERROR(Keep(description, joined->bytes(), repack, out, nullptr, read));
    }
    if (!referenced && last) checkpoint_.Release(stored);
    return Progress(stored.bytes() - std::min(done_ - before, stored.bytes()));
  }

  // Whether `device_` gathers rows of the matrix as it keeps it: asked with the first rows.
  absl::StatusOr<bool> Gathers(const StoredTensor& stored) {
    constexpr int64_t kRows = 16;
    if (stored.parts.size() != 1) return false;
    const int64_t rows = std::min(stored.shape[0], kRows), width = stored.shape[1];
    RSN_ASSIGN_OR_RETURN(
        const Device::Weight first,
        device_->NewWeight(
            Describe(stored.dtype, {rows, width}),
            stored.parts[0].subspan(
                0, static_cast<size_t>(rows) * RowBytes(stored.dtype, static_cast<size_t>(width))),
            options_.repack ? RSN_WEIGHT_MAY_REPACK : 0));
    const rsn_embed args{.struct_size = sizeof args,
                         .reserved = 0,
                         .table = first.tensor,
                         .tokens = DenseTensor(nullptr, 0, DType::kI32, {1}),
                         .out = DenseTensor(nullptr, 0, DType::kF32, {1, width})};
    return device_->Supports(RSN_OP_EMBED, &args);
  }

  // The embedding and the head. A tied pair is one matrix, kept once where one device holds both
  // ends and gathers rows from its own layout.
  absl::Status Ends() {
    RSN_ASSIGN_OR_RETURN(const StoredTensor* embedding, Find("token_embd.weight"));
    Device& first = placement_.DeviceOf(placement_.layers.front());
    Device& last = placement_.DeviceOf(placement_.layers.back());
    device_ = &last;
    RSN_RETURN_IF_ERROR(Vector("output_norm.weight", &w_.output_norm));
    if (checkpoint_.Find("output.weight") != nullptr && !c_.tie_word_embeddings) {
      RSN_RETURN_IF_ERROR(Matrix("output.weight", &w_.head));
      device_ = &first;
      return Matrix("token_embd.weight", &w_.token_embedding, /*plain=*/true);
    }
    bool once = false;
    if (&first == &last) {
      RSN_ASSIGN_OR_RETURN(once, Gathers(*embedding));
    }
    RSN_RETURN_IF_ERROR(Matrix("token_embd.weight", &w_.head, /*plain=*/false, /*last=*/once));
    w_.token_embedding = w_.head;
    if (once) return absl::OkStatus();
    device_ = &first;
    return Matrix("token_embd.weight", &w_.token_embedding, /*plain=*/true);
  }

  // Norms, biases and the router: f32 on the device whatever the file's type.
  absl::Status Vector(const std::string& name, Tensor* out) {
    RSN_ASSIGN_OR_RETURN(const StoredTensor* stored, Find(name));
    RSN_RETURN_IF_ERROR(
        Keep(Describe(DType::kF32, stored->shape), AsBytes(ToFloats(*stored)), 0, out));
    checkpoint_.Release(*stored);
    return Progress(stored->bytes());
  }

  absl::Status OptionalVector(const std::string& name, Tensor* out) {
    return checkpoint_.Find(name) == nullptr ? absl::OkStatus() : Vector(name, out);
  }

  absl::Status RopeFrequencies(Device& device) {
    std::vector<float> pairs;  // (pairs, 2)
    for (double f : c_.rope.frequencies) {
      const float hi = static_cast<float>(f);
      pairs.push_back(hi);
      pairs.push_back(static_cast<float>(f - hi));
    }
    device_ = &device;
    return Keep(Describe(DType::kF32, {static_cast<int64_t>(c_.rope.frequencies.size()), 2}),
                AsBytes(pairs), 0, &w_.rope_frequencies.emplace_back());
  }

  absl::Status Layer(uint32_t l) {
    const std::string b = absl::StrCat("blk.", l, ".");
    LayerWeights& w = w_.layers[l];
    device_ = &placement_.DeviceOf(placement_.layers[l]);
    RSN_RETURN_IF_ERROR(Vector(b + "attn_norm.weight", &w.attention_norm));
    RSN_RETURN_IF_ERROR(Vector(b + "ffn_norm.weight", &w.ffn_norm));
    RSN_RETURN_IF_ERROR(c_.IsMla() ? Mla(b, &w.mla) : Attention(b, &w.attention));
    return c_.IsMoeLayer(l) ? Moe(l, b, &w.moe) : Ffn(b, "", &w.ffn);
  }

  absl::Status Attention(const std::string& b, AttentionWeights* w) {
    RSN_RETURN_IF_ERROR(Matrix(b + "attn_q.weight", &w->wq));
    RSN_RETURN_IF_ERROR(Matrix(b + "attn_k.weight", &w->wk));
    RSN_RETURN_IF_ERROR(Matrix(b + "attn_v.weight", &w->wv));
    RSN_RETURN_IF_ERROR(OptionalVector(b + "attn_q.bias", &w->bq));
    RSN_RETURN_IF_ERROR(OptionalVector(b + "attn_k.bias", &w->bk));
    RSN_RETURN_IF_ERROR(OptionalVector(b + "attn_v.bias", &w->bv));
    return Matrix(b + "attn_output.weight", &w->wo);
  }

  absl::Status Mla(const std::string& b, MlaWeights* w) {
    if (c_.mla.q_lora_rank > 0) {
      RSN_RETURN_IF_ERROR(Matrix(b + "attn_q_a.weight", &w->wq_a));
      RSN_RETURN_IF_ERROR(Vector(b + "attn_q_a_norm.weight", &w->q_norm));
      RSN_RETURN_IF_ERROR(Matrix(b + "attn_q_b.weight", &w->wq_b));
    } else {
      RSN_RETURN_IF_ERROR(Matrix(b + "attn_q.weight", &w->wq));
    }
    RSN_RETURN_IF_ERROR(Matrix(b + "attn_kv_a_mqa.weight", &w->wkv_a));
    RSN_RETURN_IF_ERROR(Vector(b + "attn_kv_a_norm.weight", &w->kv_norm));
    if (checkpoint_.Find(b + "attn_k_b.weight") != nullptr) {
      RSN_RETURN_IF_ERROR(HeadMatrix(b + "attn_k_b.weight", c_.mla.kv_lora_rank,
                                     c_.mla.qk_nope_head_dim, &w->w_k));
      RSN_RETURN_IF_ERROR(
          HeadMatrix(b + "attn_v_b.weight", c_.mla.v_head_dim, c_.mla.kv_lora_rank, &w->w_v));
    } else {
      RSN_RETURN_IF_ERROR(SplitKvB(b + "attn_kv_b.weight", w));
    }
    return Matrix(b + "attn_output.weight", &w->wo);
  }

  // A stack of one matrix per head; some files write it as a plain matrix with the same bytes.
  absl::Status HeadMatrix(const std::string& name, int64_t out_dim, int64_t in_dim, Tensor* out) {
    RSN_ASSIGN_OR_RETURN(const StoredTensor* stored, Find(name));
    bool referenced = false;
    RSN_RETURN_IF_ERROR(Keep(Describe(stored->dtype, {c_.num_attention_heads, out_dim, in_dim}),
                             stored->parts[0], RSN_WEIGHT_MAY_REFERENCE, out, &referenced));
    if (!referenced) checkpoint_.Release(*stored);
    return Progress(stored->bytes());
  }

  // Splits the joined kv_b (heads * (nope + value), latent): the value rows keep their bytes, the key
  // rows are transposed per head.
  absl::Status SplitKvB(const std::string& name, MlaWeights* w) {
    RSN_ASSIGN_OR_RETURN(const StoredTensor* stored, Find(name));
    const int64_t heads = c_.num_attention_heads, nope = c_.mla.qk_nope_head_dim,
                  value = c_.mla.v_head_dim, latent = c_.mla.kv_lora_rank;
    const size_t row_bytes = RowBytes(stored->dtype, static_cast<size_t>(latent));
    const std::byte* bytes = stored->parts[0].data();

    Bytes values;
    values.reserve(static_cast<size_t>(heads * value) * row_bytes);
    for (int64_t h = 0; h < heads; ++h) {
      const std::byte* at = bytes + static_cast<size_t>(h * (nope + value) + nope) * row_bytes;
      values.insert(values.end(), at, at + static_cast<size_t>(value) * row_bytes);
    }
    RSN_RETURN_IF_ERROR(
        Keep(Describe(stored->dtype, {heads, value, latent}), values, 0, &w->w_v));

    const DType key_type = SplitKeyType(stored->dtype);
    Bytes keys(static_cast<size_t>(heads * latent) * RowBytes(key_type, static_cast<size_t>(nope)));
    std::vector<float> row(static_cast<size_t>(latent));
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t j = 0; j < nope; ++j) {
        DequantizeRow(stored->dtype,
                      bytes + static_cast<size_t>(h * (nope + value) + j) * row_bytes, row.size(),
                      row.data());
        for (int64_t c = 0; c < latent; ++c) {
          const size_t at = static_cast<size_t>((h * latent + c) * nope + j);
          const float x = row[static_cast<size_t>(c)];
          if (key_type == DType::kF32) {
            std::memcpy(&keys[at * 4], &x, 4);
          } else {
            const uint16_t half = key_type == DType::kBF16 ? F32ToBF16(x) : F32ToF16(x);
            std::memcpy(&keys[at * 2], &half, 2);
          }
        }
      }
    }
    RSN_RETURN_IF_ERROR(Keep(Describe(key_type, {heads, latent, nope}), keys, 0, &w->w_k));
    checkpoint_.Release(*stored);
    return Progress(stored->bytes());
  }

  absl::Status Ffn(const std::string& b, const std::string& suffix, FfnWeights* w) {
    RSN_RETURN_IF_ERROR(Matrix(absl::StrCat(b, "ffn_gate", suffix, ".weight"), &w->gate));
    RSN_RETURN_IF_ERROR(Matrix(absl::StrCat(b, "ffn_up", suffix, ".weight"), &w->up));
    return Matrix(absl::StrCat(b, "ffn_down", suffix, ".weight"), &w->down);
  }

  absl::Status Moe(uint32_t l, const std::string& b, MoeWeights* w) {
    RSN_RETURN_IF_ERROR(Vector(b + "ffn_gate_inp.weight", &w->router));
    RSN_RETURN_IF_ERROR(OptionalVector(b + "exp_probs_b.bias", &w->bias));
    if (c_.moe.n_shared_experts > 0) RSN_RETURN_IF_ERROR(Ffn(b, "_shexp", &w->shared));
    for (const ExpertPart& part : placement_.experts) {
      device_ = &placement_.DeviceOf(placement_.ExpertDevice(l, part));
      FfnWeights& stacks = w->experts.emplace_back();
      RSN_RETURN_IF_ERROR(Experts(b + "ffn_gate_exps.weight", part, &stacks.gate));
      RSN_RETURN_IF_ERROR(Experts(b + "ffn_up_exps.weight", part, &stacks.up));
      RSN_RETURN_IF_ERROR(Experts(b + "ffn_down_exps.weight", part, &stacks.down));
    }
    return absl::OkStatus();
  }

  // A part of a stack: in the file its experts lie next to each other, or each by itself.
  absl::Status Experts(const std::string& name, const ExpertPart& part, Tensor* out) {
    RSN_ASSIGN_OR_RETURN(const StoredTensor* stored, Find(name));
    StoredTensor experts = *stored;
    experts.shape[0] = part.count;
    if (stored->parts.size() == 1) {
      const size_t each = stored->parts[0].size() / static_cast<size_t>(stored->shape[0]);
      experts.parts[0] = stored->parts[0].subspan(part.first * each, part.count * each);
    } else {
      const auto first = stored->parts.begin() + part.first;
      experts.parts.assign(first, first + part.count);
    }
    return Matrix(experts, out);
  }

  const Checkpoint& checkpoint_;
  const Config& c_;
  const Placement& placement_;
  Device* device_ = nullptr;  // of the tensors that are loaded now
  const WeightOptions& options_;
  Weights w_;
  uint64_t done_ = 0, total_ = 0;
};

}  // namespace

absl::StatusOr<Weights> LoadWeights(const Checkpoint& checkpoint, const Config& config,
                                    const Placement& placement,
                                    const WeightOptions& options) {
  return Loader(checkpoint, config, placement, options).Load();
}

}  // namespace raison
