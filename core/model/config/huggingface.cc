// Config from config.json.
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "core/base/os/files.h"
#include "core/file/json.h"
#include "core/model/config/read_config.h"
#include "core/model/config/rope.h"

namespace raison {
namespace {

// Keys of models that wear a known shape but compute something else. null, false and absent pass.
constexpr const char* kForeign[] = {
    "attn_logit_softcapping", "final_logit_softcapping", "clip_qkv", "use_sliding_window",
    "attention_chunk_size", "use_bidirectional_attention", "index_topk", "index_n_heads",
    "attn_temperature_tuning", "attn_temperature_len", "attn_temperature_scale",
    "llama_4_scaling_beta", "no_rope_layers", "embedding_multiplier", "residual_multiplier",
    "attention_multiplier", "logits_scaling", "logit_scale", "scale_emb", "scale_depth",
    "gated_mla", "mla_scale_q_lora", "mla_scale_kv_lora", "hc_mult", "linear_attn_config",
    "is_encoder_decoder", "mlp_bias", "text_config", "vision_config"};

absl::Status RefuseForeign(const JsonKeys& keys) {
  for (const char* key : kForeign) {
    const nlohmann::json* value = keys.Find(key);
    if (value == nullptr || *value == false) continue;
    return absl::UnimplementedError(
        absl::StrCat(keys.Wrong(key, "no value: it changes the mathematics").message(),
                     "; this option is not supported"));
  }
  RSN_ASSIGN_OR_RETURN(const std::string act, keys.GetString("hidden_act", "silu"));
  if (act != "silu") {
    return absl::UnimplementedError(
        keys.Error("hidden_act", absl::StrCat("is ", act, "; only silu is supported")).message());
  }
  if (const nlohmann::json* types = keys.Find("layer_types")) {
    if (!types->is_array()) return keys.Wrong("layer_types", "a list");
    for (const nlohmann::json& type : *types) {
      if (type != "full_attention") return keys.Wrong("layer_types", "full_attention everywhere");
    }
  }
  return absl::OkStatus();
}

// The value of whichever of two names is there; both may be if they agree.
absl::StatusOr<int64_t> GetEither(const JsonKeys& keys, const char* name, const char* other,
                                  int64_t low, int64_t high, int64_t absent) {
  RSN_ASSIGN_OR_RETURN(const int64_t a, keys.GetInt(name, low, high, -1));
  RSN_ASSIGN_OR_RETURN(const int64_t b, keys.GetInt(other, low, high, -1));
  if (a >= 0 && b >= 0 && a != b) return keys.Wrong(name, absl::StrCat("the ", b, " of ", other));
  return a >= 0 ? a : b >= 0 ? b : absent;
}

absl::Status ReadSizes(const JsonKeys& keys, Config& c) {
  RSN_ASSIGN_OR_RETURN(c.vocab_size, keys.GetInt("vocab_size", 1, kMaxVocabulary));
  RSN_ASSIGN_OR_RETURN(c.hidden_size, keys.GetInt("hidden_size", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.intermediate_size, keys.GetInt("intermediate_size", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.num_hidden_layers, keys.GetInt("num_hidden_layers", 1, kMaxBlocks));
  RSN_ASSIGN_OR_RETURN(c.num_attention_heads, keys.GetInt("num_attention_heads", 1, kMaxHeads));
  RSN_ASSIGN_OR_RETURN(
      c.num_key_value_heads,
      keys.GetInt("num_key_value_heads", 1, kMaxHeads, c.num_attention_heads));
  RSN_ASSIGN_OR_RETURN(c.max_position_embeddings,
                       keys.GetInt("max_position_embeddings", 1, kMaxContext));
  RSN_ASSIGN_OR_RETURN(const double eps, keys.GetNumber("rms_norm_eps", 1e-6));
  c.rms_norm_eps = static_cast<float>(eps);
  RSN_ASSIGN_OR_RETURN(c.tie_word_embeddings, keys.GetBool("tie_word_embeddings", false));
  return absl::OkStatus();
}

// A scaling value that must be positive; zero counts as absent where `absent` is given.
absl::StatusOr<double> Positive(const JsonKeys& keys, const char* key) {
  RSN_ASSIGN_OR_RETURN(const double value, keys.GetNumber(key));
  if (value <= 0) return keys.Wrong(key, "a positive number");
  return value;
}
absl::StatusOr<double> Positive(const JsonKeys& keys, const char* key, double absent) {
  RSN_ASSIGN_OR_RETURN(const double value, keys.GetNumber(key, 0));
  if (value < 0) return keys.Wrong(key, "a positive number");
  return value == 0 ? absent : value;
}

absl::Status ReadYarn(const JsonKeys& keys, Config& c) {
  YarnScaling yarn;
  RSN_ASSIGN_OR_RETURN(yarn.original_max_position_embeddings,
                       Positive(keys, "original_max_position_embeddings",
                                c.max_position_embeddings));
  RSN_ASSIGN_OR_RETURN(
      yarn.factor, Positive(keys, "factor",
                            c.max_position_embeddings / yarn.original_max_position_embeddings));
  RSN_ASSIGN_OR_RETURN(yarn.beta_fast, Positive(keys, "beta_fast", 32));
  RSN_ASSIGN_OR_RETURN(yarn.beta_slow, Positive(keys, "beta_slow", 1));
  RSN_ASSIGN_OR_RETURN(yarn.mscale, Positive(keys, "mscale", 0));
  RSN_ASSIGN_OR_RETURN(yarn.mscale_all_dim, Positive(keys, "mscale_all_dim", 0));
  RSN_ASSIGN_OR_RETURN(yarn.truncate, keys.GetBool("truncate", true));
  if (keys.Has("attention_factor")) {
    RSN_ASSIGN_OR_RETURN(yarn.attention_factor, Positive(keys, "attention_factor"));
  }
  ApplyYarn(c.rope, yarn);
  if (c.IsMla() && yarn.mscale_all_dim != 0) {
    const double m = YarnMscale(yarn.factor, yarn.mscale_all_dim);
    c.attention_scale = static_cast<float>(c.attention_scale * m * m);
  }
  return absl::OkStatus();
}

absl::Status ReadScaling(const JsonKeys& keys, Config& c) {
  const char* key = keys.Has("rope_type") ? "rope_type" : "type";
  RSN_ASSIGN_OR_RETURN(const std::string type, keys.GetString(key, "default"));
  if (type == "default") return absl::OkStatus();
  if (type == "yarn") return ReadYarn(keys, c);
  if (type == "linear" && !c.IsMla()) {
    RSN_ASSIGN_OR_RETURN(const double factor, Positive(keys, "factor"));
    ApplyLinear(c.rope, factor);
    return absl::OkStatus();
  }
  if (type == "llama3" && !c.IsMla()) {
    Llama3Scaling s;
    RSN_ASSIGN_OR_RETURN(s.factor, Positive(keys, "factor"));
    RSN_ASSIGN_OR_RETURN(s.low_freq_factor, Positive(keys, "low_freq_factor"));
    RSN_ASSIGN_OR_RETURN(s.high_freq_factor, Positive(keys, "high_freq_factor"));
    RSN_ASSIGN_OR_RETURN(s.original_max_position_embeddings,
                         Positive(keys, "original_max_position_embeddings"));
    if (s.low_freq_factor >= s.high_freq_factor) {
      return keys.Wrong("low_freq_factor", "less than high_freq_factor");
    }
    ApplyLlama3(c.rope, s);
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      keys.Error(key, absl::StrCat("is ", type, "; supported are default, yarn, and for llama and "
                                   "qwen2 also linear and llama3")).message());
}

// rope_parameters (newer files) holds everything; otherwise rope_theta and rope_scaling.
absl::Status ReadRope(const JsonKeys& keys, Config& c) {
  const bool newer = keys.Has("rope_parameters");
  const char* object = newer ? "rope_parameters" : "rope_scaling";
  const nlohmann::json empty = nlohmann::json::object();
  RSN_ASSIGN_OR_RETURN(const JsonKeys scaling, keys.Has(object) ? keys.GetObject(object)
                                                                : JsonKeys(empty, keys.file()));
  if (scaling.Has("full_attention") || scaling.Has("mrope_section")) {
    return absl::UnimplementedError(
        keys.Wrong(object, "one set of values for all layers").message());
  }
  const JsonKeys& theta = scaling.Has("rope_theta") ? scaling : keys;
  RSN_ASSIGN_OR_RETURN(c.rope.rope_theta, theta.GetNumber("rope_theta", 1e4));
  const JsonKeys& partial = scaling.Has("partial_rotary_factor") ? scaling : keys;
  RSN_ASSIGN_OR_RETURN(const double rotated, partial.GetNumber("partial_rotary_factor", 1));
  if (rotated != 1) {
    return absl::UnimplementedError(partial.Wrong("partial_rotary_factor", "1").message());
  }
  if (!(c.rope.rope_theta > 1)) return theta.Wrong("rope_theta", "more than 1");
  SetPlainFrequencies(c.rope);
  return ReadScaling(scaling, c);
}

absl::Status ReadDense(const JsonKeys& keys, Config& c) {
  RSN_ASSIGN_OR_RETURN(
      const int64_t experts,
      GetEither(keys, "num_local_experts", "num_experts", 0, kMaxExperts, 0));
  if (experts > 0) {
    return absl::UnimplementedError(absl::StrCat(
        keys.file(), ": a ", c.model_type, " model with ", experts, " experts is not supported"));
  }
  RSN_ASSIGN_OR_RETURN(
      c.head_dim,
      keys.GetInt("head_dim", 1, kMaxWidth, c.hidden_size / c.num_attention_heads));
  if (!keys.Has("head_dim") && c.hidden_size % c.num_attention_heads != 0) {
    return keys.Wrong("num_attention_heads", "a divisor of hidden_size");
  }
  RSN_ASSIGN_OR_RETURN(const bool bias, keys.GetBool("attention_bias", false));
  if (bias && c.architecture == Architecture::kLlama) {
    return absl::UnimplementedError(keys.Wrong("attention_bias", "false").message());
  }
  c.attention_bias = c.architecture == Architecture::kQwen2;
  c.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim)));
  c.rope.dimension = c.head_dim;
  c.rope.interleaved = false;
  return absl::OkStatus();
}

absl::Status ReadMla(const JsonKeys& keys, Config& c) {
  RSN_ASSIGN_OR_RETURN(c.mla.q_lora_rank, keys.GetInt("q_lora_rank", 0, kMaxWidth, 0));
  RSN_ASSIGN_OR_RETURN(c.mla.kv_lora_rank, keys.GetInt("kv_lora_rank", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.mla.qk_nope_head_dim, keys.GetInt("qk_nope_head_dim", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.mla.qk_rope_head_dim, keys.GetInt("qk_rope_head_dim", 2, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(c.mla.v_head_dim, keys.GetInt("v_head_dim", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(const bool bias, keys.GetBool("attention_bias", false));
  if (bias) return absl::UnimplementedError(keys.Wrong("attention_bias", "false").message());
  RSN_ASSIGN_OR_RETURN(c.rope.interleaved, keys.GetBool("rope_interleave", true));
  c.head_dim = c.mla.qk_nope_head_dim + c.mla.qk_rope_head_dim;
  c.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim)));
  c.rope.dimension = c.mla.qk_rope_head_dim;
  return absl::OkStatus();
}

absl::Status ReadRouting(const JsonKeys& keys, bool v3, MoeConfig& m) {
  RSN_ASSIGN_OR_RETURN(const std::string scoring,
                       keys.GetString("scoring_func", v3 ? "sigmoid" : "softmax"));
  if (scoring != "softmax" && scoring != "sigmoid") {
    return absl::UnimplementedError(keys.Wrong("scoring_func", "softmax or sigmoid").message());
  }
  m.scoring_func = scoring == "sigmoid" ? ScoringFunction::kSigmoid : ScoringFunction::kSoftmax;
  RSN_ASSIGN_OR_RETURN(const std::string method,
                       keys.GetString("topk_method", v3 ? "noaux_tc" : "greedy"));
  RSN_ASSIGN_OR_RETURN(m.n_group, keys.GetInt("n_group", 1, kMaxExperts, 1));
  RSN_ASSIGN_OR_RETURN(m.topk_group, keys.GetInt("topk_group", 1, kMaxExperts, 1));
  if (method == "greedy") {
    m.topk_method = TopkMethod::kGreedy;
    m.n_group = m.topk_group = 1;  // written by some files, used by none
  } else if (method == "group_limited_greedy") {
    m.topk_method = TopkMethod::kGroupLimitedGreedy;
  } else if (method == "noaux_tc") {
    m.topk_method = TopkMethod::kNoauxTc;
  } else {
    return absl::UnimplementedError(
        keys.Wrong("topk_method", "greedy, group_limited_greedy or noaux_tc").message());
  }
  // Released models were served with -inf in masked groups; Hugging Face's class had 0 until
  // transformers 5.x. They differ only where correction biases are negative. A folder that was
  // trained with 0 says so.
  RSN_ASSIGN_OR_RETURN(m.masked_groups_are_zero, keys.GetBool("masked_groups_are_zero", false));
  return absl::OkStatus();
}

absl::Status ReadMoe(const JsonKeys& keys, bool v3, Config& c) {
  MoeConfig& m = c.moe;
  RSN_ASSIGN_OR_RETURN(
      m.n_routed_experts,
      GetEither(keys, "n_routed_experts", "num_local_experts", 0, kMaxExperts, 0));
  if (m.n_routed_experts == 0) return absl::OkStatus();
  RSN_ASSIGN_OR_RETURN(m.num_experts_per_tok, keys.GetInt("num_experts_per_tok", 1, kMaxExperts));
  RSN_ASSIGN_OR_RETURN(m.n_shared_experts, keys.GetInt("n_shared_experts", 0, kMaxExperts, 0));
  RSN_ASSIGN_OR_RETURN(m.moe_intermediate_size,
                       keys.GetInt("moe_intermediate_size", 1, kMaxWidth));
  RSN_ASSIGN_OR_RETURN(m.first_k_dense_replace,
                       keys.GetInt("first_k_dense_replace", 0, kMaxBlocks, v3 ? 3 : 0));
  RSN_ASSIGN_OR_RETURN(m.norm_topk_prob, keys.GetBool("norm_topk_prob", v3));
  RSN_ASSIGN_OR_RETURN(const double scale, keys.GetNumber("routed_scaling_factor", v3 ? 2.5 : 1));
  m.routed_scaling_factor = static_cast<float>(scale);
  if (keys.Has("moe_layer_freq")) {
    RSN_RETURN_IF_ERROR(keys.GetInt("moe_layer_freq", 1, 1).status());
  }
  return ReadRouting(keys, v3, m);
}

}  // namespace

absl::StatusOr<Config> ReadHuggingFaceConfig(const Checkpoint& checkpoint) {
  const JsonKeys keys(*checkpoint.config_json(), JoinPath(checkpoint.path(), "config.json"));
  Config c;
  RSN_ASSIGN_OR_RETURN(c.model_type, keys.GetString("model_type"));
  const bool v3 = c.model_type == "deepseek_v3" || c.model_type == "kimi_k2";
  if (v3 || c.model_type == "deepseek_v2") {
    c.architecture = Architecture::kDeepseek;
  } else if (c.model_type == "llama" || c.model_type == "qwen2") {
    c.architecture = c.model_type == "llama" ? Architecture::kLlama : Architecture::kQwen2;
  } else {
    return absl::UnimplementedError(
        keys.Error("model_type", absl::StrCat("is ", c.model_type,
                                              "; supported are deepseek_v3, deepseek_v2, kimi_k2, "
                                              "llama and qwen2")).message());
  }
  c.name = BaseName(checkpoint.path());
  RSN_RETURN_IF_ERROR(RefuseForeign(keys));
  RSN_RETURN_IF_ERROR(ReadSizes(keys, c));
  if (c.architecture == Architecture::kDeepseek) {
    RSN_RETURN_IF_ERROR(ReadMla(keys, c));
    RSN_RETURN_IF_ERROR(ReadMoe(keys, v3, c));
    RSN_ASSIGN_OR_RETURN(c.num_nextn_predict_layers,
                         keys.GetInt("num_nextn_predict_layers", 0, kMaxBlocks, 0));
    // Folders saved by transformers keep the key and drop the layer.
    const std::string mtp = absl::StrCat("blk.", c.num_hidden_layers, ".nextn.eh_proj.weight");
    if (checkpoint.Find(mtp) == nullptr) c.num_nextn_predict_layers = 0;
  } else {
    RSN_RETURN_IF_ERROR(ReadDense(keys, c));
  }
  RSN_RETURN_IF_ERROR(ReadRope(keys, c));
  return c;
}

}  // namespace raison
