// The blueprint of a model, read from a checkpoint's own header and checked before any weight is
// touched. Fields keep the words of config.json. An architecture, a key or a value that would change
// the mathematics and is not implemented is refused by name; nothing is guessed from a size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace raison {

class Checkpoint;

enum class Architecture { kLlama, kQwen2, kDeepseek };  // kDeepseek: MLA + DeepSeekMoE, V2 and V3

// YaRN as the file states it, for tools; 0 or no value: absent.
struct YarnScaling {
  double factor = 1;
  double original_max_position_embeddings = 0;
  double beta_fast = 32, beta_slow = 1;
  std::optional<double> attention_factor;
  double mscale = 0, mscale_all_dim = 0;
  bool truncate = true;
};

// Angle of pair i at position p: p * frequencies[i]; cos and sin are multiplied by `magnitude`.
struct RopeConfig {
  uint32_t dimension = 0;           // rotated dimensions of a head (qk_rope_head_dim for MLA)
  bool interleaved = false;         // pairs (2i, 2i+1); otherwise (i, i + dimension/2)
  double rope_theta = 1e4;
  std::string scaling = "none";     // none, linear, llama3, yarn: what made `frequencies`
  std::vector<double> frequencies;  // (dimension/2), scaling applied
  double magnitude = 1.0;           // YaRN's factor on cos and sin
  double linear_factor = 1.0;       // for scaling "linear"
  YarnScaling yarn;                 // for scaling "yarn"
};

enum class ScoringFunction { kSoftmax, kSigmoid };
enum class TopkMethod {
  kGreedy,               // top-k of the scores
  kGroupLimitedGreedy,   // V2: a group's score is its largest member
  kNoauxTc,              // V3: a group's score is the sum of its two largest biased scores
};

struct MoeConfig {
  uint32_t n_routed_experts = 0;  // 0: a dense model
  uint32_t num_experts_per_tok = 0;
  uint32_t n_shared_experts = 0;
  uint32_t moe_intermediate_size = 0;
  uint32_t first_k_dense_replace = 0;
  uint32_t n_group = 1;
  uint32_t topk_group = 1;
  TopkMethod topk_method = TopkMethod::kGreedy;
  ScoringFunction scoring_func = ScoringFunction::kSoftmax;
  bool norm_topk_prob = false;
  float routed_scaling_factor = 1.0f;
  // What masked groups score: -inf (the original) or 0 (Hugging Face's class, and so the checkpoints
  // trained with it). They differ only where biases are negative (V3 routing).
  bool masked_groups_are_zero = false;
};

struct MlaConfig {
  uint32_t q_lora_rank = 0;  // 0: no query compression
  uint32_t kv_lora_rank = 0;
  uint32_t qk_nope_head_dim = 0;
  uint32_t qk_rope_head_dim = 0;
  uint32_t v_head_dim = 0;
};

struct Config {
  Architecture architecture = Architecture::kLlama;
  std::string model_type;  // "deepseek_v3", "deepseek_v2", "llama", "qwen2": for people
  std::string name;        // general.name or the folder's name
  uint32_t vocab_size = 0;
  uint32_t hidden_size = 0;
  uint32_t intermediate_size = 0;
  uint32_t num_hidden_layers = 0;  // the trunk; MTP layers are not counted
  uint32_t num_nextn_predict_layers = 0;
  uint32_t num_attention_heads = 0;
  uint32_t num_key_value_heads = 0;
  uint32_t head_dim = 0;
  uint32_t max_position_embeddings = 0;
  float rms_norm_eps = 1e-6f;
  bool tie_word_embeddings = false;
  bool attention_bias = false;  // q, k and v have biases
  float attention_scale = 0;    // on q.k, YaRN's mscale included
  RopeConfig rope;
  MlaConfig mla;  // kv_lora_rank > 0 for Architecture::kDeepseek only
  MoeConfig moe;
  std::vector<std::string> notes;  // what was assumed because the file does not say; for the log

  bool IsMla() const { return mla.kv_lora_rank > 0; }
  bool IsMoeLayer(uint32_t layer) const {
    return moe.n_routed_experts > 0 && layer >= moe.first_k_dense_replace;
  }
  // Values cached per token and layer.
  uint32_t KvWidth() const {
    return IsMla() ? mla.kv_lora_rank + mla.qk_rope_head_dim : 2 * num_key_value_heads * head_dim;
  }
};

absl::StatusOr<Config> ReadConfig(const Checkpoint& checkpoint);

// Recommended sampling of the file (generation_config.json, general.sampling.*); NaN where absent.
struct RecommendedSampling {
  float temperature, top_p, min_p, repetition_penalty;
  int32_t top_k;  // -1 where absent
};
RecommendedSampling ReadRecommendedSampling(const Checkpoint& checkpoint);

}  // namespace raison
