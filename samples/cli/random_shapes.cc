#include "samples/cli/random_shapes.h"

#include <algorithm>

#include "core/convert/convert.h"
#include "samples/cli/errors.h"
#include "samples/cli/random_model.h"

namespace raison::cli {
namespace {

using Fill = RandomTensor::Fill;

// Numbers from the models' config.json.
struct Dense {
  const char* name;
  const char* architecture;
  uint32_t layers, hidden, ffn, heads, kv_heads, head, vocabulary;
  float theta;
};
constexpr Dense kDense[] = {
    {"qwen2-1.5b", "qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 1e6f},
    {"qwen2-7b", "qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 1e6f},
    {"llama-8b", "llama", 32, 4096, 14336, 32, 8, 128, 128256, 5e5f},
};

struct Latent {
  const char* name;
  uint32_t layers, dense, hidden, ffn, heads, q_rank, kv_rank, rope, nope, value;
  uint32_t experts, used, shared, expert_ffn, groups, groups_used, gating, vocabulary, context;
  float scale;
  bool norm;
  float yarn_log;  // rope.scaling.yarn_log_multiplier; 0: no YaRN
};
constexpr Latent kLatent[] = {
    {"v2-lite", 27, 1, 2048, 10944, 16, 0, 512,    64,     128,  128,   64,
     6,         2,  1408, 1, 1, 1, 102400, 163840, 1.0f, false, 0.0707f},
    // R1 and V3; `--layers 5` has the three dense ones and two with experts.
    {"r1", 61, 3, 7168, 18432, 128, 1536, 512,    64,     128,  128,  256,
     8,    1,  2048, 8, 4, 2, 129280, 163840, 2.5f, true, 0.1f},
    {"petit", 8, 1, 256, 512, 8, 128, 64,   16,   32,   32,   16,
     4,       1, 128, 4,   2, 2,   2048, 2048, 2.5f, true, 0},
};

class TensorList {
 public:
  TensorList(DType type, std::vector<RandomTensor>* to) : type_(type), to_(to) {}

  // (rows, columns) or (experts, rows, columns).
  void Matrix(const std::string& name, std::vector<int64_t> shape) {
    Matrix(name, std::move(shape), type_);
  }
  void Matrix(const std::string& name, std::vector<int64_t> shape, DType type) {
    // Rows without whole blocks get the type that quantisers fall back to.
    if (shape.back() % Traits(type).block != 0) type = DType::kQ8_0;
    if (shape.back() % Traits(type).block != 0) type = DType::kF16;
    to_->push_back({name, type, std::move(shape)});
  }
  void Float(const std::string& name, std::vector<int64_t> shape, Fill fill) {
    to_->push_back({name, DType::kF32, std::move(shape), fill});
  }
  // The mixes of the "M" kinds: the output in six bits.
  DType Output() const {
    return type_ == DType::kQ4_K || type_ == DType::kQ5_K ? DType::kQ6_K : type_;
  }
  // V2-Lite's rows of 1,408 and 10,944 have no super-blocks: five bits in blocks of 32.
  DType Odd() const {
    return type_ == DType::kQ4_K || type_ == DType::kQ5_K ? DType::kQ5_0 : type_;
  }
  // What absorbed attention multiplies stays at eight bits.
  DType AtLeastEight() const {
    return type_ == DType::kF16 || type_ == DType::kBF16 || type_ == DType::kF32 ? type_
                                                                                 : DType::kQ8_0;
  }

 private:
  DType type_;
  std::vector<RandomTensor>* to_;
};

void AddEnds(uint32_t hidden, uint32_t vocabulary, TensorList* list) {
  list->Matrix("token_embd.weight", {vocabulary, hidden});
  list->Float("output_norm.weight", {hidden}, Fill::kOnes);
  list->Matrix("output.weight", {vocabulary, hidden}, list->Output());
}

RandomShape MakeDense(const Dense& d, DType type, uint32_t layers) {
  RandomShape shape;
  shape.architecture = d.architecture;
  shape.pre_tokenizer = shape.architecture == "qwen2" ? "qwen2" : "llama-bpe";
  shape.vocabulary = d.vocabulary;
  layers = layers == 0 ? d.layers : layers;
  shape.numbers = {{"block_count", layers},           {"context_length", 32768},
                   {"embedding_length", d.hidden},    {"feed_forward_length", d.ffn},
                   {"attention.head_count", d.heads}, {"attention.head_count_kv", d.kv_heads}};
  shape.reals = {{"rope.freq_base", d.theta}, {"attention.layer_norm_rms_epsilon", 1e-6f}};
  TensorList list(type, &shape.tensors);
  AddEnds(d.hidden, d.vocabulary, &list);
  const int64_t hidden = d.hidden, q = d.heads * d.head, kv = d.kv_heads * d.head, ffn = d.ffn;
  for (uint32_t i = 0; i < layers; ++i) {
    const std::string b = "blk." + std::to_string(i) + ".";
    list.Float(b + "attn_norm.weight", {hidden}, Fill::kOnes);
    list.Float(b + "ffn_norm.weight", {hidden}, Fill::kOnes);
    list.Matrix(b + "attn_q.weight", {q, hidden});
    list.Matrix(b + "attn_k.weight", {kv, hidden});
    list.Matrix(b + "attn_v.weight", {kv, hidden});
    list.Matrix(b + "attn_output.weight", {hidden, q});
    list.Matrix(b + "ffn_gate.weight", {ffn, hidden});
    list.Matrix(b + "ffn_up.weight", {ffn, hidden});
    list.Matrix(b + "ffn_down.weight", {hidden, ffn});
    if (shape.architecture != "qwen2") continue;
    list.Float(b + "attn_q.bias", {q}, Fill::kZeros);
    list.Float(b + "attn_k.bias", {kv}, Fill::kZeros);
    list.Float(b + "attn_v.bias", {kv}, Fill::kZeros);
  }
  return shape;
}

void AddLatentAttention(const Latent& m, const std::string& b, TensorList* list) {
  const int64_t hidden = m.hidden, heads = m.heads, q = heads * (m.nope + m.rope);
  if (m.q_rank == 0) {
    list->Matrix(b + "attn_q.weight", {q, hidden});
  } else {
    list->Matrix(b + "attn_q_a.weight", {m.q_rank, hidden});
    list->Float(b + "attn_q_a_norm.weight", {m.q_rank}, Fill::kOnes);
    list->Matrix(b + "attn_q_b.weight", {q, m.q_rank});
  }
  list->Matrix(b + "attn_kv_a_mqa.weight", {m.kv_rank + m.rope, hidden});
  list->Float(b + "attn_kv_a_norm.weight", {m.kv_rank}, Fill::kOnes);
  list->Matrix(b + "attn_k_b.weight", {heads, m.kv_rank, m.nope}, list->AtLeastEight());
  list->Matrix(b + "attn_v_b.weight", {heads, m.value, m.kv_rank}, list->AtLeastEight());
  list->Matrix(b + "attn_output.weight", {hidden, heads * m.value});
}

void AddExperts(const Latent& m, const std::string& b, TensorList* list) {
  const int64_t hidden = m.hidden, experts = m.experts, ffn = m.expert_ffn;
  const int64_t shared = ffn * m.shared;
  list->Float(b + "ffn_gate_inp.weight", {experts, hidden}, Fill::kRandom);
  if (m.gating == 2) list->Float(b + "exp_probs_b.bias", {experts}, Fill::kZeros);
  list->Matrix(b + "ffn_gate_exps.weight", {experts, ffn, hidden});
  list->Matrix(b + "ffn_up_exps.weight", {experts, ffn, hidden});
  list->Matrix(b + "ffn_down_exps.weight", {experts, hidden, ffn}, list->Odd());
  list->Matrix(b + "ffn_gate_shexp.weight", {shared, hidden});
  list->Matrix(b + "ffn_up_shexp.weight", {shared, hidden});
  list->Matrix(b + "ffn_down_shexp.weight", {hidden, shared});
}

RandomShape MakeLatent(const Latent& m, DType type, uint32_t layers) {
  RandomShape shape;
  shape.architecture = "deepseek2";
  shape.pre_tokenizer = "deepseek-llm";
  shape.vocabulary = m.vocabulary;
  layers = layers == 0 ? m.layers : layers;
  shape.numbers = {{"block_count", layers},
                   {"context_length", m.context},
                   {"embedding_length", m.hidden},
                   {"feed_forward_length", m.ffn},
                   {"vocab_size", m.vocabulary},
                   {"attention.head_count", m.heads},
                   {"attention.head_count_kv", 1},
                   {"attention.key_length", m.kv_rank + m.rope},
                   {"attention.value_length", m.kv_rank},
                   {"attention.key_length_mla", m.nope + m.rope},
                   {"attention.value_length_mla", m.value},
                   {"attention.kv_lora_rank", m.kv_rank},
                   {"expert_count", m.experts},
                   {"expert_used_count", m.used},
                   {"expert_shared_count", m.shared},
                   {"expert_feed_forward_length", m.expert_ffn},
                   {"expert_gating_func", m.gating},
                   {"leading_dense_block_count", std::min(layers, m.dense)},
                   {"rope.dimension_count", m.rope}};
  if (m.q_rank != 0) shape.numbers.push_back({"attention.q_lora_rank", m.q_rank});
  if (m.groups > 1) {
    shape.numbers.push_back({"expert_group_count", m.groups});
    shape.numbers.push_back({"expert_group_used_count", m.groups_used});
  }
  shape.reals = {{"rope.freq_base", 1e4f},
                 {"attention.layer_norm_rms_epsilon", 1e-6f},
                 {"expert_weights_scale", m.scale}};
  shape.switches = {{"expert_weights_norm", m.norm}};
  if (m.yarn_log != 0) {
    shape.rope_scaling = "yarn";
    shape.numbers.push_back({"rope.scaling.original_context_length", 4096});
    shape.reals.push_back({"rope.scaling.factor", 40.0f});
    shape.reals.push_back({"rope.scaling.yarn_log_multiplier", m.yarn_log});
  }
  TensorList list(type, &shape.tensors);
  AddEnds(m.hidden, m.vocabulary, &list);
  const int64_t hidden = m.hidden, ffn = m.ffn;
  for (uint32_t i = 0; i < layers; ++i) {
    const std::string b = "blk." + std::to_string(i) + ".";
    list.Float(b + "attn_norm.weight", {hidden}, Fill::kOnes);
    list.Float(b + "ffn_norm.weight", {hidden}, Fill::kOnes);
    AddLatentAttention(m, b, &list);
    if (i >= m.dense) {
      AddExperts(m, b, &list);
      continue;
    }
    list.Matrix(b + "ffn_gate.weight", {ffn, hidden});
    list.Matrix(b + "ffn_up.weight", {ffn, hidden});
    list.Matrix(b + "ffn_down.weight", {hidden, ffn}, list.Odd());
  }
  return shape;
}

// One code point for each byte, as byte-level BPE writes them: printable ones stand for themselves,
// the others for code points from 256 on.
std::vector<std::string> ByteAlphabet() {
  std::vector<std::string> letters;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const uint32_t c = itself ? byte : next++;
    std::string letter;
    if (c < 0x80) {
      letter = static_cast<char>(c);
    } else {
      letter = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    }
    letters.push_back(std::move(letter));
  }
  return letters;
}

}  // namespace

std::vector<std::string> RandomModelShapes() {
  std::vector<std::string> names;
  for (const Dense& d : kDense) names.push_back(d.name);
  for (const Latent& m : kLatent) names.push_back(m.name);
  return names;
}

RandomShape MakeRandomShape(const std::string& name, const std::string& type, uint32_t layers) {
  const auto dtype = ParseConvertType(type);
  if (!dtype.ok()) throw UsageError("--type: " + std::string(dtype.status().message()));
  RandomShape shape;
  for (const Dense& d : kDense) {
    if (name == d.name) shape = MakeDense(d, *dtype, layers);
  }
  for (const Latent& m : kLatent) {
    if (name == m.name) shape = MakeLatent(m, *dtype, layers);
  }
  if (shape.tensors.empty()) {
    std::string known;
    for (const std::string& one : RandomModelShapes()) known += (known.empty() ? "" : ", ") + one;
    throw UsageError("--shape: there is no \"" + name + "\"; known: " + known);
  }
  shape.name = name;
  return shape;
}

void WriteRandomHeader(const RandomShape& shape, GgufWriter* writer) {
  const std::string& a = shape.architecture;
  writer->AddString("general.architecture", a);
  writer->AddString("general.name", "random " + shape.name);
  for (const auto& [key, value] : shape.numbers) writer->AddUint32(a + "." + key, value);
  for (const auto& [key, value] : shape.reals) writer->AddFloat32(a + "." + key, value);
  for (const auto& [key, value] : shape.switches) writer->AddBool(a + "." + key, value);
  if (!shape.rope_scaling.empty()) writer->AddString(a + ".rope.scaling.type", shape.rope_scaling);

  const std::vector<std::string> letters = ByteAlphabet();
  std::vector<std::string> tokens = letters;
  for (uint32_t i = 256; i + 1 < shape.vocabulary; ++i) {
    tokens.push_back(letters[i / 256 % 256] + letters[i % 256] + "x" + std::to_string(i));
  }
  tokens.push_back("<|end|>");
  std::vector<int32_t> kinds(tokens.size(), 1);  // normal
  kinds.back() = 3;                              // control
  const std::string merge = letters['a'] + " " + letters['b'];
  writer->AddString("tokenizer.ggml.model", "gpt2");
  writer->AddString("tokenizer.ggml.pre", shape.pre_tokenizer);
  writer->AddStrings("tokenizer.ggml.tokens", tokens);
  writer->AddInt32s("tokenizer.ggml.token_type", kinds);
  writer->AddStrings("tokenizer.ggml.merges", {&merge, 1});
  writer->AddUint32("tokenizer.ggml.bos_token_id", shape.vocabulary - 1);
  writer->AddUint32("tokenizer.ggml.eos_token_id", shape.vocabulary - 1);
  writer->AddBool("tokenizer.ggml.add_bos_token", false);
}

}  // namespace raison::cli
