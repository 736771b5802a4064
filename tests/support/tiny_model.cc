#include "tests/support/tiny_model.h"

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/os/process.h"
#include "core/base/quantize.h"
#include "core/file/gguf_writer.h"
#include "tests/support/tiny_vocabulary.h"

#include <nlohmann/json.hpp>

namespace raison::testing {
namespace {

using Json = nlohmann::json;

// Large enough that every branch of the model matters, see architectures: 0.7 / sqrt(in).
constexpr double kGain = 0.7;

struct Sizes {
  int64_t hidden = 64, ffn = 64, heads = 2, kv_heads = 1, head = 32;
  int64_t q_rank = 32, kv_rank = 32, nope = 32, rope = 16, v = 32;
  int64_t rows = kTinyVocabulary;
  int64_t experts = 4, used = 2, expert_ffn = 32, shared = 1;
};

class Random {
 public:
  Random(uint64_t seed, const std::string& name) : state_(seed * 0x9e3779b97f4a7c15u + 1) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
  double Uniform() {  // (0, 1)
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (static_cast<double>(state_ >> 11) + 0.5) * 0x1p-53;
  }
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }

 private:
  uint64_t state_;
};

struct Tensor {
  std::string gguf, hf;        // hf: "%" stands for the expert's number
  std::vector<int64_t> shape;  // outermost first
  std::vector<float> values;
};

class Builder {
 public:
  explicit Builder(const TinyModel& model) : m_(model) {
    const bool mla = IsDeepseek();
    s_.hidden = m_.hidden;
    if (!mla) s_.head = m_.hidden / s_.heads;
    s_.ffn = m_.ffn;
    s_.expert_ffn = m_.expert_ffn;
    if (m_.rows != 0) s_.rows = m_.rows;
    Add("token_embd.weight", "model.embed_tokens.weight", {s_.rows, s_.hidden}, 1.0);
    for (uint32_t layer = 0; layer < m_.layers; ++layer) Layer(layer, mla && layer >= 1);
    if (m_.mtp) {
      Layer(m_.layers, true);
      Add("nextn.enorm.weight", "enorm.weight", {s_.hidden});
      Add("nextn.hnorm.weight", "hnorm.weight", {s_.hidden});
      Add("nextn.eh_proj.weight", "eh_proj.weight", {s_.hidden, 2 * s_.hidden});
      Add("nextn.shared_head_norm.weight", "shared_head.norm.weight", {s_.hidden});
    }
    gguf_prefix_ = hf_prefix_ = "";
    Add("output_norm.weight", "model.norm.weight", {s_.hidden});
    if (!m_.tied) Add("output.weight", "lm_head.weight", {s_.rows, s_.hidden});
  }

  bool IsDeepseek() const {
    return m_.kind == TinyKind::kDeepseekV2 || m_.kind == TinyKind::kDeepseekV3;
  }
  const Sizes& sizes() const { return s_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  // spread 0: matrices by their width, vectors around 1 (norms) or 0 (biases).
  void Add(const std::string& gguf, const std::string& hf, std::vector<int64_t> shape,
           double spread = 0) {
    Tensor t{.gguf = gguf_prefix_ + gguf, .hf = hf_prefix_ + hf, .shape = std::move(shape)};
    size_t count = 1;
    for (const int64_t dim : t.shape) count *= static_cast<size_t>(dim);
    Random random(m_.seed, t.gguf);
    const bool norm = t.gguf.find("norm") != t.gguf.npos;
    const bool bias = t.gguf.find(".bias") != t.gguf.npos;
    if (spread == 0) {
      spread = norm   ? 0.2
               : bias ? 0.3
                      : kGain / std::sqrt(static_cast<double>(t.shape.back()));
    }
    t.values.reserve(count);
    if (count > (size_t{1} << 20)) {  // normal values would take seconds
      for (size_t i = 0; i < count; ++i) {
        t.values.push_back(static_cast<float>(spread * (3.4 * random.Uniform() - 1.7)));
      }
      return tensors_.push_back(std::move(t));
    }
    for (size_t i = 0; i < count; ++i) {
      const double value = gguf == "exp_probs_b.bias" ? 0.3 * random.Uniform()
                                                      : (norm ? 1 : 0) + spread * random.Normal();
      t.values.push_back(static_cast<float>(value));
    }
    tensors_.push_back(std::move(t));
  }

  void Layer(uint32_t layer, bool experts) {
    gguf_prefix_ = absl::StrCat("blk.", layer, ".");
    hf_prefix_ = absl::StrCat("model.layers.", layer, ".");
    const int64_t d = s_.hidden;
    Add("attn_norm.weight", "input_layernorm.weight", {d});
    if (IsDeepseek()) {
      Mla();
    } else {
      Attention();
    }
    Add("ffn_norm.weight", "post_attention_layernorm.weight", {d});
    if (!experts) {
      Add("ffn_gate.weight", "mlp.gate_proj.weight", {s_.ffn, d});
      Add("ffn_up.weight", "mlp.up_proj.weight", {s_.ffn, d});
      Add("ffn_down.weight", "mlp.down_proj.weight", {d, s_.ffn});
      return;
    }
    const int64_t e = s_.experts, f = s_.expert_ffn;
    Add("ffn_gate_inp.weight", "mlp.gate.weight", {e, d}, 3 / std::sqrt(static_cast<double>(d)));
    if (m_.kind == TinyKind::kDeepseekV3) {
      Add("exp_probs_b.bias", "mlp.gate.e_score_correction_bias", {e});
    }
    Add("ffn_gate_exps.weight", "mlp.experts.%.gate_proj.weight", {e, f, d});
    Add("ffn_up_exps.weight", "mlp.experts.%.up_proj.weight", {e, f, d});
    Add("ffn_down_exps.weight", "mlp.experts.%.down_proj.weight", {e, d, f});
    Add("ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight", {f, d});
    Add("ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight", {f, d});
    Add("ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight", {d, f});
  }

  void Attention() {
    const int64_t d = s_.hidden, q = s_.heads * s_.head, kv = s_.kv_heads * s_.head;
    Add("attn_q.weight", "self_attn.q_proj.weight", {q, d});
    Add("attn_k.weight", "self_attn.k_proj.weight", {kv, d});
    Add("attn_v.weight", "self_attn.v_proj.weight", {kv, d});
    if (m_.kind == TinyKind::kQwen2) {
      Add("attn_q.bias", "self_attn.q_proj.bias", {q});
      Add("attn_k.bias", "self_attn.k_proj.bias", {kv});
      Add("attn_v.bias", "self_attn.v_proj.bias", {kv});
    }
    Add("attn_output.weight", "self_attn.o_proj.weight", {d, q});
  }

  void Mla() {
    const int64_t d = s_.hidden, q = s_.heads * (s_.nope + s_.rope);
    if (m_.q_lora) {
      Add("attn_q_a.weight", "self_attn.q_a_proj.weight", {s_.q_rank, d});
      Add("attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", {s_.q_rank});
      Add("attn_q_b.weight", "self_attn.q_b_proj.weight", {q, s_.q_rank});
    } else {
      Add("attn_q.weight", "self_attn.q_proj.weight", {q, d});
    }
    Add("attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight", {s_.kv_rank + s_.rope, d});
    Add("attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", {s_.kv_rank});
    Add("attn_kv_b.weight", "self_attn.kv_b_proj.weight",
        {s_.heads * (s_.nope + s_.v), s_.kv_rank});
    Add("attn_output.weight", "self_attn.o_proj.weight", {d, s_.heads * s_.v});
  }

  const TinyModel& m_;
  Sizes s_;
  std::string gguf_prefix_, hf_prefix_;
  std::vector<Tensor> tensors_;
};

DType TypeFor(const TinyModel& model, const Tensor& t) {
  const bool plain = t.shape.size() < 2 || t.gguf.find("norm") != t.gguf.npos ||
                     t.gguf.find("ffn_gate_inp") != t.gguf.npos ||
                     t.shape.back() % Traits(model.type).block != 0;
  return plain ? DType::kF32 : model.type;
}

std::string Encode(DType type, const std::vector<float>& values, int64_t row) {
  const size_t n = static_cast<size_t>(row), bytes = RowBytes(type, n);
  std::string out(values.size() / n * bytes, '\0');
  for (size_t r = 0; r < values.size() / n; ++r) {
    QuantizeRow(type, values.data() + r * n, n,
                reinterpret_cast<std::byte*>(out.data()) + r * bytes);
  }
  return out;
}

// attn_kv_b (heads * (nope + v), rank) as attn_k_b (heads, rank, nope) and attn_v_b (heads, v, rank).
std::vector<Tensor> SplitKvB(const Sizes& s, const Tensor& joined) {
  const std::string prefix = joined.gguf.substr(0, joined.gguf.size() - 11);
  Tensor k{.gguf = prefix + "k_b.weight", .shape = {s.heads, s.kv_rank, s.nope}};
  Tensor v{.gguf = prefix + "v_b.weight", .shape = {s.heads, s.v, s.kv_rank}};
  for (int64_t h = 0; h < s.heads; ++h) {
    const float* head = joined.values.data() + h * (s.nope + s.v) * s.kv_rank;
    for (int64_t c = 0; c < s.kv_rank; ++c) {
      for (int64_t j = 0; j < s.nope; ++j) k.values.push_back(head[j * s.kv_rank + c]);
    }
    v.values.insert(v.values.end(), head + s.nope * s.kv_rank, head + (s.nope + s.v) * s.kv_rank);
  }
  return {k, v};
}

// q and k of llama: row 2i + j of a head is row j * (d / 2) + i of the folder's.
void Permute(int64_t head, Tensor& t) {
  const std::vector<float> from = t.values;
  const int64_t n = t.shape.back();
  for (int64_t r = 0; r < t.shape[0]; ++r) {
    const int64_t at = r % head, source = r - at + at % 2 * (head / 2) + at / 2;
    std::copy_n(from.begin() + source * n, n, t.values.begin() + r * n);
  }
}

// Llama 3 frequencies, for rope_freqs.weight: factor 8, low 1, high 4, original 64.
constexpr double kFactor = 8, kLow = 1, kHigh = 4, kOriginal = 64, kTheta = 10000;

std::vector<float> RopeDivisors(int64_t dimension) {
  std::vector<float> result;
  for (int64_t i = 0; i < dimension / 2; ++i) {
    const double f = std::pow(kTheta, -2.0 * static_cast<double>(i) / static_cast<double>(dimension));
    const double turns = kOriginal * f / (2 * std::numbers::pi);
    const double t = (turns - kLow) / (kHigh - kLow);
    result.push_back(static_cast<float>(turns > kHigh  ? 1
                                        : turns < kLow ? kFactor
                                                       : 1 / ((1 - t) / kFactor + t)));
  }
  return result;
}

void AddDeepseekKeys(const TinyModel& m, const Sizes& s, GgufWriter& out) {
  const auto u = [&](const char* key, int64_t value) {
    out.AddUint32(absl::StrCat("deepseek2.", key), static_cast<uint32_t>(value));
  };
  if (m.q_lora) u("attention.q_lora_rank", s.q_rank);
  u("attention.kv_lora_rank", s.kv_rank);
  u("attention.head_count_kv", m.joined_kv_b ? s.heads : 1);
  u("attention.key_length", m.joined_kv_b ? s.nope + s.rope : s.kv_rank + s.rope);
  u("attention.value_length", m.joined_kv_b ? s.v : s.kv_rank);
  if (!m.joined_kv_b) u("attention.key_length_mla", s.nope + s.rope);
  if (!m.joined_kv_b) u("attention.value_length_mla", s.v);
  u("rope.dimension_count", s.rope);
  u("leading_dense_block_count", 1);
  u("expert_count", s.experts);
  u("expert_used_count", s.used);
  u("expert_shared_count", s.shared);
  u("expert_feed_forward_length", s.expert_ffn);
  u("expert_group_count", m.groups ? 2 : 1);
  u("expert_group_used_count", 1);
  const bool v3 = m.kind == TinyKind::kDeepseekV3;
  u("expert_gating_func", v3 ? 2 : 1);
  out.AddBool("deepseek2.expert_weights_norm", v3);
  out.AddFloat32("deepseek2.expert_weights_scale", v3 ? 2.5f : 1.0f);
  if (v3) out.AddBool("raison.masked_groups_are_zero", true);
  if (m.mtp) u("nextn_predict_layers", 1);
  if (m.yarn) {
    out.AddString("deepseek2.rope.scaling.type", "yarn");
    out.AddFloat32("deepseek2.rope.scaling.factor", 40);
    u("rope.scaling.original_context_length", 256);
    out.AddFloat32("deepseek2.rope.scaling.yarn_log_multiplier", 0.1f);
  }
}

Json ConfigJson(const TinyModel& m, const Sizes& s) {
  const char* const kNames[][2] = {{"LlamaForCausalLM", "llama"},
                                   {"Qwen2ForCausalLM", "qwen2"},
                                   {"DeepseekV2ForCausalLM", "deepseek_v2"},
                                   {"DeepseekV3ForCausalLM", "deepseek_v3"}};
  const bool v3 = m.kind == TinyKind::kDeepseekV3, v2 = m.kind == TinyKind::kDeepseekV2;
  const auto& name = kNames[static_cast<size_t>(m.kind)];
  Json j = {{"architectures", Json::array({name[0]})}, {"model_type", name[1]},
            {"vocab_size", s.rows}, {"hidden_size", s.hidden},
            {"intermediate_size", s.ffn}, {"num_hidden_layers", m.layers},
            {"num_attention_heads", s.heads}, {"max_position_embeddings", m.context},
            {"rms_norm_eps", 1e-6}, {"rope_theta", kTheta}, {"hidden_act", "silu"},
            {"tie_word_embeddings", m.tied}, {"bos_token_id", 0}, {"eos_token_id", 1}};
  if (!v2 && !v3) {
    j["num_key_value_heads"] = s.kv_heads;
    if (m.llama3_rope) {
      j["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", kFactor},
                           {"low_freq_factor", kLow}, {"high_freq_factor", kHigh},
                           {"original_max_position_embeddings", kOriginal}};
    }
    return j;
  }
  j.update({{"num_key_value_heads", s.heads}, {"kv_lora_rank", s.kv_rank},
            {"q_lora_rank", m.q_lora ? Json(s.q_rank) : Json()}, {"qk_nope_head_dim", s.nope},
            {"qk_rope_head_dim", s.rope}, {"v_head_dim", s.v}, {"n_routed_experts", s.experts},
            {"num_experts_per_tok", s.used}, {"n_shared_experts", s.shared},
            {"moe_intermediate_size", s.expert_ffn}, {"first_k_dense_replace", 1},
            {"n_group", m.groups ? 2 : 1}, {"topk_group", 1}, {"norm_topk_prob", v3},
            {"routed_scaling_factor", v3 ? 2.5 : 1.0},
            {"scoring_func", v3 ? "sigmoid" : "softmax"},
            {"topk_method", v3 ? "noaux_tc" : m.groups ? "group_limited_greedy" : "greedy"}});
  if (v3) j["masked_groups_are_zero"] = true;
  if (m.mtp) j["num_nextn_predict_layers"] = 1;
  if (m.yarn) {
    j["rope_scaling"] = {{"type", "yarn"}, {"factor", 40}, {"mscale", 1.0},
                         {"mscale_all_dim", 1.0}, {"original_max_position_embeddings", 256}};
  }
  return j;
}

void AddSafetensor(const std::string& name, DType type, const std::vector<int64_t>& shape,
                   const std::string& bytes, Json& header, std::string& data) {
  header[name] = {{"dtype", Traits(type).name},
                  {"shape", shape},
                  {"data_offsets", {data.size(), data.size() + bytes.size()}}};
  data += bytes;
}

std::string Safetensors(const Builder& builder, DType type) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const Tensor& t : builder.tensors()) {
    const size_t percent = t.hf.find('%');
    if (percent == t.hf.npos) {
      AddSafetensor(t.hf, type, t.shape, Encode(type, t.values, t.shape.back()), header, data);
      continue;
    }
    const size_t each = t.values.size() / static_cast<size_t>(t.shape[0]);
    for (int64_t e = 0; e < t.shape[0]; ++e) {
      const auto from = t.values.begin() + e * static_cast<int64_t>(each);
      const std::vector<float> part(from, from + static_cast<int64_t>(each));
      AddSafetensor(std::string(t.hf).replace(percent, 1, absl::StrCat(e)), type,
                    {t.shape[1], t.shape[2]}, Encode(type, part, t.shape[2]), header, data);
    }
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + text + data;
}

}  // namespace

std::string MakeTinyGguf(const TinyModel& model) {
  const Builder builder(model);
  const Sizes& s = builder.sizes();
  const std::string arch = builder.IsDeepseek()              ? "deepseek2"
                           : model.kind == TinyKind::kQwen2 ? "qwen2"
                                                             : "llama";
  GgufWriter out;
  out.AddString("general.architecture", arch);
  out.AddString("general.name", "tiny");
  const auto u = [&](const char* key, int64_t value) {
    out.AddUint32(absl::StrCat(arch, ".", key), static_cast<uint32_t>(value));
  };
  u("block_count", model.layers + (model.mtp ? 1 : 0));
  u("context_length", model.context);
  u("embedding_length", s.hidden);
  u("feed_forward_length", s.ffn);
  u("attention.head_count", s.heads);
  out.AddFloat32(arch + ".attention.layer_norm_rms_epsilon", 1e-6f);
  out.AddFloat32(arch + ".rope.freq_base", kTheta);
  if (builder.IsDeepseek()) {
    AddDeepseekKeys(model, s, out);
  } else {
    u("attention.head_count_kv", s.kv_heads);
  }
  AddTinyVocabulary(out);
  if (model.repeat != 0) {
    out.AddUint32("raison.repeat_elements", static_cast<uint32_t>(model.repeat));
  }

  std::vector<Tensor> tensors;
  for (const Tensor& t : builder.tensors()) {
    const bool kv_b = t.gguf.ends_with("attn_kv_b.weight");
    if (kv_b && !model.joined_kv_b) {
      for (Tensor& part : SplitKvB(s, t)) tensors.push_back(std::move(part));
      continue;
    }
    tensors.push_back(t);
    const bool qk = t.gguf.ends_with("attn_q.weight") || t.gguf.ends_with("attn_k.weight");
    if (model.kind == TinyKind::kLlama && qk) Permute(s.head, tensors.back());
  }
  if (model.llama3_rope) {
    tensors.push_back({"rope_freqs.weight", "", {s.head / 2}, RopeDivisors(s.head)});
  }
  std::string data;
  for (Tensor& t : tensors) {
    const size_t repeat = static_cast<size_t>(model.repeat);
    for (size_t i = repeat; repeat != 0 && t.shape.size() > 1 && i < t.values.size(); ++i) {
      t.values[i] = t.values[i - repeat];
    }
    const DType type = TypeFor(model, t);
    out.AddTensor(t.gguf, type, t.shape);
    data += Encode(type, t.values, t.shape.back());
    data.resize(GgufWriter::Padded(data.size()), '\0');
  }
  return out.Header() + data;
}

std::map<std::string, std::string> MakeTinyFolder(const TinyModel& model) {
  const Builder builder(model);
  return {{"config.json", ConfigJson(model, builder.sizes()).dump(1)},
          {"generation_config.json",
           R"({"do_sample": true, "temperature": 0.6, "top_p": 0.95, "eos_token_id": 1})"},
          {"tokenizer.json", TinyTokenizerJson()},
          {"tokenizer_config.json", TinyTokenizerConfigJson()},
          {"model.safetensors", Safetensors(builder, model.type)}};
}

TempFolder::TempFolder() {
  static std::atomic<int> made{0};  // by this process
  const std::filesystem::path name = std::filesystem::temp_directory_path() /
                                     absl::StrCat("raison-test-", ProcessNumber(), "-", ++made);
  std::error_code ignored;
  std::filesystem::remove_all(name, ignored);  // a process of that number that was killed
  if (std::filesystem::create_directory(name, ignored)) path_ = name.string();
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::Write(const std::string& name, const std::string& content) const {
  const std::string file = absl::StrCat(path_, "/", name);
  std::ofstream(file, std::ios::binary) << content;
  return file;
}

void TempFolder::WriteAll(const std::map<std::string, std::string>& files) const {
  for (const auto& [name, content] : files) Write(name, content);
}

}  // namespace raison::testing
