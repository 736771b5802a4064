#include "core/model/config/read_config.h"

#include <cmath>
#include <limits>

#include "core/file/json.h"

namespace raison {
namespace {

absl::Status CheckMoe(const MoeConfig& m, const std::string& file) {
  const auto bad = [&](std::string_view text) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", text));
  };
  const uint32_t experts = m.n_routed_experts;
  if (m.n_group < 1 || experts % m.n_group != 0) {
    return bad(absl::StrCat("n_group ", m.n_group, " does not divide n_routed_experts ", experts));
  }
  const uint32_t group = experts / m.n_group;
  if (m.topk_group < 1 || m.topk_group > m.n_group) {
    return bad(absl::StrCat("topk_group ", m.topk_group, " is not in 1..", m.n_group));
  }
  if (m.num_experts_per_tok < 1 || m.num_experts_per_tok > m.topk_group * group) {
    return bad(absl::StrCat("num_experts_per_tok ", m.num_experts_per_tok, " is not in 1..",
                            m.topk_group * group, ", the experts of the groups kept"));
  }
  const bool noaux = m.topk_method == TopkMethod::kNoauxTc;
  if (noaux && m.n_group > 1 && group < 2) {
    return bad("topk_method noaux_tc needs at least two experts in a group");
  }
  if (noaux != (m.scoring_func == ScoringFunction::kSigmoid)) {
    return bad("topk_method and scoring_func contradict each other: noaux_tc goes with sigmoid");
  }
  if (!noaux && m.norm_topk_prob) {
    return bad("norm_topk_prob with softmax scores has no agreed meaning and is not supported");
  }
  if (m.topk_method == TopkMethod::kGreedy && m.n_group != 1) {
    return bad("topk_method greedy with more than one group is not supported");
  }
  if (!std::isfinite(m.routed_scaling_factor) || m.routed_scaling_factor <= 0) {
    return bad(absl::StrCat("routed_scaling_factor is ", m.routed_scaling_factor));
  }
  return absl::OkStatus();
}

float InRange(double value, double low, double high) {
  return value >= low && value <= high ? static_cast<float>(value)
                                       : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace

absl::Status CheckConfig(const Config& c, const std::string& file) {
  const auto bad = [&](std::string_view text) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", text));
  };
  if (c.num_key_value_heads == 0 || c.num_attention_heads % c.num_key_value_heads != 0) {
    return bad(absl::StrCat("num_key_value_heads ", c.num_key_value_heads, " does not divide ",
                            c.num_attention_heads, " heads"));
  }
  if (!(c.rms_norm_eps > 0 && c.rms_norm_eps < 1)) {
    return bad(absl::StrCat("rms_norm_eps is ", c.rms_norm_eps));
  }
  const RopeConfig& rope = c.rope;
  if (rope.dimension < 2 || rope.dimension % 2 != 0) {
    return bad(absl::StrCat("the rotated dimension is ", rope.dimension, ", an even number is needed"));
  }
  if (!(rope.rope_theta > 1 && rope.rope_theta < 1e15)) {
    return bad(absl::StrCat("rope_theta is ", rope.rope_theta));
  }
  for (const double f : rope.frequencies) {
    if (!std::isfinite(f) || f < 0) return bad("the rotary scaling gives no finite frequencies");
  }
  if (!std::isfinite(rope.magnitude) || rope.magnitude <= 0 || !std::isfinite(c.attention_scale) ||
      c.attention_scale <= 0) {
    return bad("the rotary scaling gives no finite attention scale");
  }
  const bool mla = c.architecture == Architecture::kDeepseek;
  if (!mla && rope.dimension != c.head_dim) {
    return bad(absl::StrCat("rotating ", rope.dimension, " of ", c.head_dim,
                            " head dimensions is not supported"));
  }
  if (mla && rope.dimension != c.mla.qk_rope_head_dim) {
    return bad(absl::StrCat("the rotated dimension ", rope.dimension, " is not qk_rope_head_dim ",
                            c.mla.qk_rope_head_dim));
  }
  return c.moe.n_routed_experts > 0 ? CheckMoe(c.moe, file) : absl::OkStatus();
}

absl::StatusOr<Config> ReadConfig(const Checkpoint& checkpoint) {
  const bool gguf = checkpoint.format() == Checkpoint::Format::kGguf;
  RSN_ASSIGN_OR_RETURN(
      Config config, gguf ? ReadGgufConfig(checkpoint) : ReadHuggingFaceConfig(checkpoint));
  RSN_RETURN_IF_ERROR(CheckConfig(config, checkpoint.path()));
  return config;
}

RecommendedSampling ReadRecommendedSampling(const Checkpoint& checkpoint) {
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  RecommendedSampling result{kNone, kNone, kNone, kNone, -1};
  const auto set = [&](auto number, auto integer, const char* const (&names)[5]) {
    // A value outside its range is no recommendation; the session's own default stands.
    result.temperature = InRange(number(names[0]), 0, 100);
    result.top_p = InRange(number(names[1]), 0, 1);
    result.min_p = InRange(number(names[2]), 0, 1);
    result.repetition_penalty = InRange(number(names[3]), 1e-3, 100);
    result.top_k = integer(names[4]);
  };
  if (const GgufMetadata* meta = checkpoint.gguf()) {
    set([&](const char* key) { return meta->GetNumber(key).value_or(kNone); },
        [&](const char* key) {
          const double top_k = meta->GetNumber(key).value_or(-1);
          return top_k >= 0 && top_k <= kMaxVocabulary ? static_cast<int32_t>(top_k) : -1;
        },
        {"general.sampling.temp", "general.sampling.top_p", "general.sampling.min_p",
         "general.sampling.penalty_repeat", "general.sampling.top_k"});
  } else if (checkpoint.generation_config_json() != nullptr) {
    const JsonKeys keys(*checkpoint.generation_config_json(), "generation_config.json");
    set([&](const char* key) { return keys.GetNumber(key).value_or(kNone); },
        [&](const char* key) {
          return static_cast<int32_t>(keys.GetInt(key, 0, kMaxVocabulary).value_or(-1));
        },
        {"temperature", "top_p", "min_p", "repetition_penalty", "top_k"});
  }
  return result;
}

}  // namespace raison
