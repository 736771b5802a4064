// Config from GGUF metadata.
#include <cmath>
#include <cstring>

#include "core/base/os/files.h"
#include "core/model/config/read_config.h"
#include "core/model/config/rope.h"

namespace raison {
namespace {

// ARCH.* keys that change the mathematics; 0, false and absent pass.
constexpr const char* kForeign[] = {
    "logit_scale", "residual_scale", "embedding_scale", "attention.scale",
    "attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window",
    "attention.clamp_kqv", "attention.max_alibi_bias", "attention.temperature_scale",
    "attention.temperature_length", "attention.indexer.top_k", "attention.shared_kv_layers",
    "pooling_type", "swiglu_clamp_exp", "swiglu_clamp_shexp", "rope.scaling.alpha",
    "moe_latent_size", "experts_per_group"};

class Keys {
 public:
  Keys(const GgufMetadata& meta, std::string arch) : meta_(meta), arch_(std::move(arch)) {}

  const GgufMetadata& meta() const { return meta_; }
  std::string operator()(const char* key) const { return absl::StrCat(arch_, ".", key); }
  bool Has(const char* key) const { return meta_.Has((*this)(key)); }
  template <typename... A>
  auto Int(const char* key, A... args) const { return meta_.GetInt((*this)(key), args...); }
  template <typename... A>
  auto Number(const char* key, A... args) const { return meta_.GetNumber((*this)(key), args...); }
  absl::Status Refuse(const char* key, std::string_view wanted) const {
    const std::string full = (*this)(key);
    const GgufValue* found = meta_.Find(full);
    // A default can be what does not fit: the key itself need not be there.
    if (found == nullptr) {
      return absl::UnimplementedError(
          absl::StrCat(meta_.file(), ": the key '", full, "' is absent, wanted ", wanted));
    }
    return absl::UnimplementedError(meta_.Wrong(full, *found, wanted).message());
  }

 private:
  const GgufMetadata& meta_;
  std::string arch_;
};

absl::Status RefuseForeign(const Keys& keys) {
  const GgufMetadata& meta = keys.meta();
  for (const char* key : kForeign) {
    const GgufValue* value = meta.Find(keys(key));
    if (value == nullptr) continue;
    const bool off = value->type != GgufType::kString && value->type != GgufType::kArray &&
                     value->integer == 0 && value->number == 0;
    if (!off) return keys.Refuse(key, "none: this option is not supported");
  }
  RSN_ASSIGN_OR_RETURN(const bool causal, meta.GetBool(keys("attention.causal"), true));
  if (!causal) return keys.Refuse("attention.causal", "true");
  RSN_ASSIGN_OR_RETURN(const std::string type, meta.GetString("general.type", "model"));
  if (type != "model") {
    return absl::UnimplementedError(
        absl::StrCat(meta.file(), ": general.type is ", type.substr(0, 40), ", not a model"));
  }
  return absl::OkStatus();
}

// Blocks changed their layout once; files of the old one say so.
absl::Status CheckQuantization(const GgufMetadata& meta, const Checkpoint& checkpoint) {
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    if (IsQuantized(tensor.dtype)) return meta.GetInt("general.quantization_version", 2, 2, 2).status();
  }
  return absl::OkStatus();
}

absl::Status ReadSizes(const Keys& keys, const Checkpoint& checkpoint, Config& c) {
  const GgufMetadata& meta = keys.meta();
  RSN_ASSIGN_OR_RETURN(const int64_t blocks, keys.Int("block_count", 1, kMaxBlocks));
  RSN_ASSIGN_OR_RETURN(c.num_nextn_predict_layers,
                       keys.Int("nextn_predict_layers", 0, blocks - 1, 0));
  c.num_hidden_layers = static_cast<uint32_t>(blocks) - c.num_nextn_predict_layers;
  RSN_ASSIGN_OR_RETURN(c.hidden_size, keys.Int("embedding_length", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.max_position_embeddings, keys.Int("context_length", 1, kMaxContext));
  RSN_ASSIGN_OR_RETURN(c.intermediate_size,
                       meta.GetPerBlockInt(keys("feed_forward_length"), blocks, 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.num_attention_heads,
                       meta.GetPerBlockInt(keys("attention.head_count"), blocks, 1, kMaxHeads));
  c.num_key_value_heads = c.num_attention_heads;
  if (keys.Has("attention.head_count_kv")) {
    RSN_ASSIGN_OR_RETURN(
        c.num_key_value_heads,
        meta.GetPerBlockInt(keys("attention.head_count_kv"), blocks, 1, kMaxHeads));
  }
  RSN_ASSIGN_OR_RETURN(const double eps, keys.Number("attention.layer_norm_rms_epsilon"));
  c.rms_norm_eps = static_cast<float>(eps);
  // The rows of the embedding are the vocabulary: the token list may be shorter, never longer.
  const StoredTensor* embedding = checkpoint.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2 ||
      embedding->shape[0] > kMaxVocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat(meta.file(), ": token_embd.weight is missing or no matrix of a vocabulary"));
  }
  c.vocab_size = static_cast<uint32_t>(embedding->shape[0]);
  RSN_RETURN_IF_ERROR(keys.Int("vocab_size", c.vocab_size, c.vocab_size, c.vocab_size).status());
  c.tie_word_embeddings = checkpoint.Find("output.weight") == nullptr;
  return absl::OkStatus();
}

absl::Status ReadDense(const Keys& keys, Config& c) {
  RSN_ASSIGN_OR_RETURN(const int64_t experts, keys.Int("expert_count", 0, kMaxExperts, 0));
  if (experts > 0) return keys.Refuse("expert_count", "0: experts in this architecture are not supported");
  if (!keys.Has("attention.key_length") && c.hidden_size % c.num_attention_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        keys.meta().file(), ": ", keys("attention.head_count"), " ", c.num_attention_heads,
        " does not divide ", keys("embedding_length"), " ", c.hidden_size));
  }
  RSN_ASSIGN_OR_RETURN(c.head_dim, keys.Int("attention.key_length", 1, kMaxWidth,
                                            c.hidden_size / c.num_attention_heads));
  RSN_RETURN_IF_ERROR(
      keys.Int("attention.value_length", c.head_dim, c.head_dim, c.head_dim).status());
  c.attention_bias = c.architecture == Architecture::kQwen2;
  c.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim)));
  // The converter permutes the rows of q and k for llama only.
  c.rope.interleaved = c.architecture == Architecture::kLlama;
  RSN_ASSIGN_OR_RETURN(c.rope.dimension,
                       keys.Int("rope.dimension_count", 2, kMaxWidth, c.head_dim));
  return absl::OkStatus();
}

absl::Status ReadMla(const Keys& keys, const Checkpoint& checkpoint, Config& c) {
  MlaConfig& mla = c.mla;
  RSN_ASSIGN_OR_RETURN(mla.q_lora_rank, keys.Int("attention.q_lora_rank", 0, kMaxWidth, 0));
  // Some V2-Lite files carry the key of V2 and the tensors of no compression.
  if (checkpoint.Find("blk.0.attn_q.weight") != nullptr) mla.q_lora_rank = 0;
  RSN_ASSIGN_OR_RETURN(mla.kv_lora_rank, keys.Int("attention.kv_lora_rank", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(mla.qk_rope_head_dim, keys.Int("rope.dimension_count", 2, kMaxWidth));
  // In files with the _mla keys the plain ones describe the latent, as one shared head.
  const bool split = keys.Has("attention.key_length_mla");
  const char* key = split ? "attention.key_length_mla" : "attention.key_length";
  const char* value = split ? "attention.value_length_mla" : "attention.value_length";
  RSN_ASSIGN_OR_RETURN(c.head_dim, keys.Int(key, mla.qk_rope_head_dim + 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(mla.v_head_dim, keys.Int(value, 1, kMaxWidth));
  mla.qk_nope_head_dim = c.head_dim - mla.qk_rope_head_dim;
  c.num_key_value_heads = c.num_attention_heads;
  c.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim)));
  c.rope.interleaved = true;
  c.rope.dimension = mla.qk_rope_head_dim;
  return absl::OkStatus();
}

absl::Status ReadGroups(const Keys& keys, Config& c) {
  MoeConfig& m = c.moe;
  const bool sigmoid = m.scoring_func == ScoringFunction::kSigmoid;
  int64_t groups = 1, kept = 1;
  if (!keys.Has("expert_group_count")) {
    // Files made before late 2025 leave the keys out; the models need their groups all the same.
    if (sigmoid && m.n_routed_experts == 256) groups = 8, kept = 4;
    if (!sigmoid && m.n_routed_experts == 160) groups = 8, kept = 3;
    if (groups > 1) {
      c.notes.push_back(absl::StrCat("the file has no ", keys("expert_group_count"), "; with ",
                                     m.n_routed_experts, " experts the model's own ", groups,
                                     " groups are used, of which ", kept, " are kept"));
    }
  }
  RSN_ASSIGN_OR_RETURN(m.n_group, keys.Int("expert_group_count", 0, kMaxExperts, groups));
  RSN_ASSIGN_OR_RETURN(m.topk_group, keys.Int("expert_group_used_count", 0, kMaxExperts, kept));
  if (m.n_group == 0) m.n_group = 1;
  if (m.topk_group == 0) m.topk_group = 1;
  if (sigmoid) {
    m.topk_method = TopkMethod::kNoauxTc;
  } else {
    m.topk_method = m.n_group > 1 ? TopkMethod::kGroupLimitedGreedy : TopkMethod::kGreedy;
  }
  return absl::OkStatus();
}

absl::Status ReadMoe(const Keys& keys, Config& c) {
  MoeConfig& m = c.moe;
  RSN_ASSIGN_OR_RETURN(m.n_routed_experts, keys.Int("expert_count", 0, kMaxExperts, 0));
  if (m.n_routed_experts == 0) return absl::OkStatus();
  RSN_ASSIGN_OR_RETURN(m.num_experts_per_tok, keys.Int("expert_used_count", 1, kMaxExperts));
  RSN_ASSIGN_OR_RETURN(m.n_shared_experts, keys.Int("expert_shared_count", 0, kMaxExperts, 0));
  RSN_ASSIGN_OR_RETURN(m.moe_intermediate_size,
                       keys.Int("expert_feed_forward_length", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(m.first_k_dense_replace,
                       keys.Int("leading_dense_block_count", 0, kMaxBlocks, 0));
  RSN_ASSIGN_OR_RETURN(m.norm_topk_prob, keys.meta().GetBool(keys("expert_weights_norm"), false));
  RSN_ASSIGN_OR_RETURN(const double scale, keys.Number("expert_weights_scale", 1.0));
  m.routed_scaling_factor = scale == 0 ? 1 : static_cast<float>(scale);
  RSN_ASSIGN_OR_RETURN(const int64_t gating, keys.Int("expert_gating_func", 0, 255, 1));
  if (gating > 2) return keys.Refuse("expert_gating_func", "1 (softmax) or 2 (sigmoid)");
  m.scoring_func = gating == 2 ? ScoringFunction::kSigmoid : ScoringFunction::kSoftmax;
  RSN_ASSIGN_OR_RETURN(m.masked_groups_are_zero,
                       keys.meta().GetBool("raison.masked_groups_are_zero", false));
  return ReadGroups(keys, c);
}

absl::Status ReadYarn(const Keys& keys, double factor, Config& c) {
  YarnScaling yarn{.factor = factor};
  RSN_ASSIGN_OR_RETURN(
      yarn.original_max_position_embeddings,
      keys.Number("rope.scaling.original_context_length", c.max_position_embeddings));
  RSN_ASSIGN_OR_RETURN(yarn.beta_fast, keys.Number("rope.scaling.yarn_beta_fast", 32.0));
  RSN_ASSIGN_OR_RETURN(yarn.beta_slow, keys.Number("rope.scaling.yarn_beta_slow", 1.0));
  RSN_ASSIGN_OR_RETURN(const double ext, keys.Number("rope.scaling.yarn_ext_factor", 1.0));
  if (ext != 1 && ext != -1) return keys.Refuse("rope.scaling.yarn_ext_factor", "1");
  RSN_ASSIGN_OR_RETURN(yarn.truncate, keys.meta().GetBool("raison.rope_yarn_truncate", true));
  if (yarn.original_max_position_embeddings <= 0 || yarn.beta_fast <= 0 || yarn.beta_slow <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.meta().file(), ": a value of ", keys("rope.scaling"), " is not positive"));
  }
  RSN_ASSIGN_OR_RETURN(const double yarn_attn, keys.Number("rope.scaling.yarn_attn_factor", 1.0));
  RSN_ASSIGN_OR_RETURN(const double attn, keys.Number("rope.scaling.attn_factor", 1.0));
  double magnitude = YarnMscale(factor, 1) * yarn_attn * attn;
  if (c.IsMla()) {
    // Stored as 0.1 * mscale_all_dim. Without it other engines scale in a way of their own.
    RSN_ASSIGN_OR_RETURN(const double log_mul, keys.Number("rope.scaling.yarn_log_multiplier"));
    yarn.mscale_all_dim = 10 * log_mul;
    const double m = YarnMscale(factor, yarn.mscale_all_dim);
    c.attention_scale = static_cast<float>(c.attention_scale * m * m);
    RSN_ASSIGN_OR_RETURN(magnitude, keys.meta().GetNumber("raison.rope_magnitude", 1.0));
  }
  yarn.attention_factor = magnitude;
  ApplyYarn(c.rope, yarn);
  return absl::OkStatus();
}

// Divisors of the frequencies, how files carry llama3 scaling.
absl::Status ReadRopeFreqs(const StoredTensor& tensor, const std::string& file, Config& c) {
  const size_t n = c.rope.frequencies.size();
  if (tensor.dtype != DType::kF32 || tensor.shape != std::vector<int64_t>{static_cast<int64_t>(n)}) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": rope_freqs.weight is not F32 with ", n, " entries"));
  }
  for (size_t i = 0; i < n; ++i) {
    float divisor;
    std::memcpy(&divisor, tensor.parts[0].data() + 4 * i, 4);
    if (!std::isfinite(divisor) || divisor <= 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": rope_freqs.weight[", i, "] is ", divisor));
    }
    c.rope.frequencies[i] /= divisor;
  }
  c.rope.scaling = "llama3";
  return absl::OkStatus();
}

absl::Status ReadRope(const Keys& keys, const Checkpoint& checkpoint, Config& c) {
  RSN_ASSIGN_OR_RETURN(c.rope.rope_theta, keys.Number("rope.freq_base", 1e4));
  if (!(c.rope.rope_theta > 1) || c.rope.dimension % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.meta().file(), ": ", keys("rope.freq_base"), " ", c.rope.rope_theta,
                     " or ", keys("rope.dimension_count"), " ", c.rope.dimension, " is unusable"));
  }
  SetPlainFrequencies(c.rope);
  const StoredTensor* freqs = checkpoint.Find("rope_freqs.weight");
  RSN_ASSIGN_OR_RETURN(
      const std::string type,
      keys.meta().GetString(keys("rope.scaling.type"), keys.Has("rope.scaling.factor") ||
                                                               keys.Has("rope.scale_linear")
                                                           ? "linear"
                                                           : "none"));
  const char* key = keys.Has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  RSN_ASSIGN_OR_RETURN(double factor, keys.Number(key, 1.0));
  if (factor == 0) factor = 1;
  if (factor < 0) return keys.Refuse(key, "a positive number");
  // Llama 3.1 and its distilled models; their files carried no scaling before July 2024.
  if (freqs == nullptr && c.architecture == Architecture::kLlama && c.rope.rope_theta == 500000 &&
      c.max_position_embeddings > 8192) {
    c.notes.push_back("the file has no rope_freqs.weight: answers beyond 8192 tokens will be wrong");
  }
  const bool scaled = type == "yarn" || (type == "linear" && factor != 1);
  if (freqs != nullptr) {
    if (scaled || c.IsMla()) {
      return absl::UnimplementedError(
          absl::StrCat(keys.meta().file(), ": rope_freqs.weight together with rope scaling ", type,
                       " or MLA is not supported"));
    }
    return ReadRopeFreqs(*freqs, keys.meta().file(), c);
  }
  if (type == "yarn") return ReadYarn(keys, factor, c);
  if (type == "none" || !scaled) {
    if (type != "none" && type != "linear") {
      return keys.Refuse("rope.scaling.type", "none, linear or yarn");
    }
    return absl::OkStatus();
  }
  if (c.IsMla()) return keys.Refuse("rope.scaling.type", "none or yarn");
  ApplyLinear(c.rope, factor);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> ReadGgufConfig(const Checkpoint& checkpoint) {
  const GgufMetadata& meta = *checkpoint.gguf();
  RSN_ASSIGN_OR_RETURN(const std::string_view arch, meta.GetString("general.architecture"));
  Config c;
  c.model_type = std::string(arch.substr(0, 60));
  if (arch == "deepseek2") {
    c.architecture = Architecture::kDeepseek;
  } else if (arch == "llama" || arch == "qwen2") {
    c.architecture = arch == "llama" ? Architecture::kLlama : Architecture::kQwen2;
  } else {
    return absl::UnimplementedError(
        absl::StrCat(meta.file(), ": general.architecture is '", c.model_type,
                     "'; supported are deepseek2, llama and qwen2"));
  }
  const Keys keys(meta, std::string(arch));
  RSN_ASSIGN_OR_RETURN(const std::string name,
                       meta.GetString("general.name", BaseName(checkpoint.path())));
  c.name = name.substr(0, 200);
  RSN_RETURN_IF_ERROR(RefuseForeign(keys));
  RSN_RETURN_IF_ERROR(CheckQuantization(meta, checkpoint));
  RSN_RETURN_IF_ERROR(ReadSizes(keys, checkpoint, c));
  if (c.architecture == Architecture::kDeepseek) {
    RSN_RETURN_IF_ERROR(ReadMla(keys, checkpoint, c));
    RSN_RETURN_IF_ERROR(ReadMoe(keys, c));
    const bool sigmoid = c.moe.scoring_func == ScoringFunction::kSigmoid;
    c.model_type = c.moe.n_routed_experts > 0 && !sigmoid ? "deepseek_v2" : "deepseek_v3";
  } else {
    RSN_RETURN_IF_ERROR(ReadDense(keys, c));
  }
  RSN_RETURN_IF_ERROR(ReadRope(keys, checkpoint, c));
  return c;
}

}  // namespace raison
