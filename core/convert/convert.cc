#include "core/convert/convert.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "core/base/os/files.h"
#include "core/convert/tensors.h"
#include "core/convert/vocabulary.h"
#include "core/file/checkpoint.h"
#include "core/file/gguf_writer.h"
#include "core/model/config.h"
#include "core/model/tensor_check.h"

namespace raison {
namespace {

// general.file_type of the presets, informative.
uint32_t FileType(DType type) {
  switch (type) {
    case DType::kF16: return 1;
    case DType::kQ4_0: return 2;
    case DType::kQ4_1: return 3;
    case DType::kQ8_0: return 7;
    case DType::kQ5_0: return 8;
    case DType::kQ5_1: return 9;
    case DType::kQ4_K: return 15;
    case DType::kQ5_K: return 17;
    case DType::kQ6_K: return 18;
    case DType::kBF16: return 32;
    default: return 0;
  }
}

class KeyWriter {
 public:
  KeyWriter(const Config& config, const ConvertOptions& options, GgufWriter& out)
      : c_(config), options_(options), out_(out) {
    arch_ = c_.architecture == Architecture::kDeepseek ? "deepseek2."
            : c_.architecture == Architecture::kQwen2  ? "qwen2."
                                                       : "llama.";
  }

  void General(const Checkpoint& in) {
    out_.AddString("general.architecture", arch_.substr(0, arch_.size() - 1));
    out_.AddString("general.type", "model");
    out_.AddString("general.name", options_.name.empty() ? c_.name : options_.name);
    out_.AddUint32("general.file_type", FileType(options_.type));
    out_.AddUint32("general.quantization_version", 2);
    const RecommendedSampling s = ReadRecommendedSampling(in);
    if (!std::isnan(s.temperature)) out_.AddFloat32("general.sampling.temp", s.temperature);
    if (!std::isnan(s.top_p)) out_.AddFloat32("general.sampling.top_p", s.top_p);
    if (!std::isnan(s.min_p)) out_.AddFloat32("general.sampling.min_p", s.min_p);
    if (!std::isnan(s.repetition_penalty)) {
      out_.AddFloat32("general.sampling.penalty_repeat", s.repetition_penalty);
    }
    if (s.top_k >= 0) out_.AddUint32("general.sampling.top_k", static_cast<uint32_t>(s.top_k));
  }

  void Sizes() {
    const uint32_t mtp = options_.keep_mtp ? c_.num_nextn_predict_layers : 0;
    Uint("block_count", c_.num_hidden_layers + mtp);
    if (mtp > 0) Uint("nextn_predict_layers", mtp);
    Uint("context_length", c_.max_position_embeddings);
    Uint("embedding_length", c_.hidden_size);
    Uint("feed_forward_length", c_.intermediate_size);
    Uint("vocab_size", c_.vocab_size);
    Uint("attention.head_count", c_.num_attention_heads);
    Float("attention.layer_norm_rms_epsilon", c_.rms_norm_eps);
    if (c_.IsMla()) {
      Mla();
    } else {
      Uint("attention.head_count_kv", c_.num_key_value_heads);
      Uint("attention.key_length", c_.head_dim);
      Uint("attention.value_length", c_.head_dim);
    }
    if (c_.moe.n_routed_experts > 0) Moe();
  }

  void Rope() {
    const RopeConfig& rope = c_.rope;
    Uint("rope.dimension_count", rope.dimension);
    Float("rope.freq_base", rope.rope_theta);
    if (rope.scaling == "linear") {
      out_.AddString(arch_ + "rope.scaling.type", "linear");
      Float("rope.scaling.factor", rope.linear_factor);
    } else if (rope.scaling == "yarn") {
      Yarn(rope);
    }
  }

 private:
  void Uint(const char* key, uint32_t value) { out_.AddUint32(arch_ + key, value); }
  void Float(const char* key, double value) {
    out_.AddFloat32(arch_ + key, static_cast<float>(value));
  }

  // The plain lengths describe attention over the latent, the _mla ones the model's heads.
  void Mla() {
    const MlaConfig& m = c_.mla;
    Uint("attention.head_count_kv", 1);
    Uint("attention.key_length", m.kv_lora_rank + m.qk_rope_head_dim);
    Uint("attention.value_length", m.kv_lora_rank);
    Uint("attention.key_length_mla", m.qk_nope_head_dim + m.qk_rope_head_dim);
    Uint("attention.value_length_mla", m.v_head_dim);
    if (m.q_lora_rank > 0) Uint("attention.q_lora_rank", m.q_lora_rank);
    Uint("attention.kv_lora_rank", m.kv_lora_rank);
  }

  void Moe() {
    const MoeConfig& m = c_.moe;
    Uint("expert_count", m.n_routed_experts);
    Uint("expert_used_count", m.num_experts_per_tok);
    Uint("expert_shared_count", m.n_shared_experts);
    Uint("expert_feed_forward_length", m.moe_intermediate_size);
    Uint("leading_dense_block_count", m.first_k_dense_replace);
    Uint("expert_group_count", m.n_group);
    Uint("expert_group_used_count", m.topk_group);
    Uint("expert_gating_func", m.scoring_func == ScoringFunction::kSigmoid ? 2 : 1);
    Float("expert_weights_scale", m.routed_scaling_factor);
    out_.AddBool(arch_ + "expert_weights_norm", m.norm_topk_prob);
    if (m.masked_groups_are_zero) out_.AddBool("raison.masked_groups_are_zero", true);
  }

  void Yarn(const RopeConfig& rope) {
    const YarnScaling& y = rope.yarn;
    out_.AddString(arch_ + "rope.scaling.type", "yarn");
    Float("rope.scaling.factor", y.factor);
    Uint("rope.scaling.original_context_length",
         static_cast<uint32_t>(y.original_max_position_embeddings));
    Float("rope.scaling.yarn_beta_fast", y.beta_fast);
    Float("rope.scaling.yarn_beta_slow", y.beta_slow);
    if (!y.truncate) out_.AddBool("raison.rope_yarn_truncate", false);
    const double usual = y.factor <= 1 ? 1 : 0.1 * std::log(y.factor) + 1;
    if (c_.IsMla()) {
      Float("rope.scaling.yarn_log_multiplier", 0.1 * y.mscale_all_dim);
      if (rope.magnitude != 1) {
        out_.AddFloat32("raison.rope_magnitude", static_cast<float>(rope.magnitude));
      }
    } else if (rope.magnitude != usual) {
      Float("rope.scaling.yarn_attn_factor", rope.magnitude / usual);
    }
  }

  const Config& c_;
  const ConvertOptions& options_;
  GgufWriter& out_;
  std::string arch_;
};

void AddChatTemplates(const Checkpoint& in, GgufWriter& out) {
  std::vector<std::string> names;
  for (const auto& [name, text] : in.chat_templates()) {
    if (name == "default") {
      out.AddString("tokenizer.chat_template", text);
      continue;
    }
    std::string key = name;
    for (char& c : key) c = absl::ascii_isalnum(static_cast<unsigned char>(c)) ? c : '_';
    out.AddString("tokenizer.chat_template." + key, text);
    names.push_back(std::move(key));
  }
  if (!names.empty()) out.AddStrings("tokenizer.chat_templates", names);
}

}  // namespace

absl::StatusOr<DType> ParseConvertType(std::string_view name) {
  const std::string upper = absl::AsciiStrToUpper(name);
  for (const DType type :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
        DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    if (upper == Traits(type).name) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", name.substr(0, 40), "' is no type to convert to; known are f32, f16, bf16, "
                   "q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k and q6_k"));
}

absl::Status ConvertToGguf(const Checkpoint& in, const ConvertOptions& options) {
  if (in.format() != Checkpoint::Format::kHuggingFace) {
    return absl::UnimplementedError(
        absl::StrCat(in.path(), ": is a GGUF file already; convert reads Hugging Face folders"));
  }
  RSN_ASSIGN_OR_RETURN(const Config config, ReadConfig(in));
  RSN_RETURN_IF_ERROR(CheckTensors(config, in));
  if (config.IsMla() && !config.rope.interleaved) {
    return absl::UnimplementedError(absl::StrCat(
        in.path(), ": rope_interleave false cannot be expressed in a GGUF file"));
  }
  GgufWriter header;
  KeyWriter keys(config, options, header);
  keys.General(in);
  keys.Sizes();
  keys.Rope();
  RSN_RETURN_IF_ERROR(AddVocabulary(in, config.vocab_size, header));
  AddChatTemplates(in, header);
  const std::vector<OutTensor> plan = PlanTensors(config, in, options);
  for (const OutTensor& tensor : plan) header.AddTensor(tensor.name, tensor.dtype, tensor.shape);

  ThreadPool pool(options.threads);
  RSN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(options.out_path));
  const std::string head = header.Header();
  const uint64_t total = head.size() + header.data_bytes();
  RSN_RETURN_IF_ERROR(file.Write(head.data(), head.size()));
  const auto write = [&](const std::byte* data, size_t size) -> absl::Status {
    RSN_RETURN_IF_ERROR(file.Write(data, size));
    if (options.progress && !options.progress(file.written(), total)) {
      return absl::CancelledError("the conversion was cancelled");
    }
    return absl::OkStatus();
  };
  for (size_t i = 0; i < plan.size(); ++i) {
    const OutTensor& tensor = plan[i];
    RSN_RETURN_IF_ERROR(ProduceTensor(config, tensor, pool, write));
    constexpr char kZeros[GgufWriter::kAlignment] = {};
    const uint64_t pad = GgufWriter::Padded(file.written()) - file.written();
    RSN_RETURN_IF_ERROR(file.Write(kZeros, pad));
    const bool again = i + 1 < plan.size() && plan[i + 1].source == tensor.source;
    if (tensor.source != nullptr && !again) in.Release(*tensor.source);
  }
  return file.Commit();
}

}  // namespace raison
