#include "core/model/end_to_end/random_checkpoint.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/backend/conformance/data.h"
#include "core/base/quantize.h"
#include "core/file/gguf_writer.h"
#include "core/model/text/byte_alphabet.h"

namespace raison::conformance {
namespace {

// 256 is a super-block: every quantised type has whole rows.
constexpr int64_t kHidden = 256, kFfn = 256, kLayers = 2;
constexpr int64_t kHeads = 4, kKvHeads = 2, kHead = 64;
constexpr int64_t kQueryRank = 256, kLatent = 256, kNope = 32, kRope = 16, kValue = 64;
constexpr int64_t kExperts = 8, kUsed = 2, kGroups = 4, kGroupsUsed = 2;

class Writer {
 public:
  Writer(RandomKind kind, DType type) : kind_(kind), type_(type) {
    architecture_ = kind == RandomKind::kLlama   ? "llama"
                    : kind == RandomKind::kQwen2 ? "qwen2"
                                                 : "deepseek2";
  }

  std::string Make() {
    Keys();
    Vocabulary();
    EmbeddingAndHead();
    Vector("output_norm.weight", kHidden, 1, 0.2f);
    for (int64_t layer = 0; layer < kLayers; ++layer) Layer(layer);
    return out_.Header() + data_;
  }

 private:
  void Number(const char* key, int64_t value) {
    out_.AddUint32(absl::StrCat(architecture_, ".", key), static_cast<uint32_t>(value));
  }

  void Keys() {
    out_.AddString("general.architecture", architecture_);
    out_.AddString("general.name", "random");
    Number("block_count", kLayers);
    Number("context_length", kRandomContext);
    Number("embedding_length", kHidden);
    Number("feed_forward_length", kFfn);
    Number("attention.head_count", kHeads);
    out_.AddFloat32(architecture_ + ".attention.layer_norm_rms_epsilon", 1e-6f);
    out_.AddFloat32(architecture_ + ".rope.freq_base", 10000);
    if (kind_ != RandomKind::kDeepseekV3) return Number("attention.head_count_kv", kKvHeads);
    Number("attention.head_count_kv", 1);
    Number("attention.q_lora_rank", kQueryRank);
    Number("attention.kv_lora_rank", kLatent);
    Number("attention.key_length", kLatent + kRope);
    Number("attention.value_length", kLatent);
    Number("attention.key_length_mla", kNope + kRope);
    Number("attention.value_length_mla", kValue);
    Number("rope.dimension_count", kRope);
    Number("leading_dense_block_count", 1);
    Number("expert_count", kExperts);
    Number("expert_used_count", kUsed);
    Number("expert_shared_count", 1);
    Number("expert_feed_forward_length", kFfn);
    Number("expert_group_count", kGroups);
    Number("expert_group_used_count", kGroupsUsed);
    Number("expert_gating_func", 2);
    out_.AddBool("deepseek2.expert_weights_norm", true);
    out_.AddFloat32("deepseek2.expert_weights_scale", 1.5f);
  }

  void Vocabulary() {
    std::vector<std::string> letters;
    for (int byte = 0; byte < 256; ++byte) {
      letters.push_back(BytesToAlphabet(std::string(1, static_cast<char>(byte))));
    }
    std::vector<std::string> tokens = letters;
    while (tokens.size() + 1 < kRandomVocabulary) {
      tokens.push_back(absl::StrCat(letters[tokens.size() % 256], "x", tokens.size()));
    }
    tokens.push_back("<|end|>");
    std::vector<int32_t> kinds(tokens.size(), 1);  // normal
    kinds.back() = 3;                              // control
    const std::string merge = absl::StrCat(letters['a'], " ", letters['b']);
    out_.AddString("tokenizer.ggml.model", "gpt2");
    out_.AddString("tokenizer.ggml.pre", kind_ == RandomKind::kQwen2   ? "qwen2"
                                         : kind_ == RandomKind::kLlama ? "llama-bpe"
                                                                       : "deepseek-llm");
    out_.AddStrings("tokenizer.ggml.tokens", tokens);
    out_.AddInt32s("tokenizer.ggml.token_type", kinds);
    out_.AddStrings("tokenizer.ggml.merges", {&merge, 1});
    out_.AddUint32("tokenizer.ggml.bos_token_id", kRandomVocabulary - 1);
    out_.AddUint32("tokenizer.ggml.eos_token_id", kRandomVocabulary - 1);
    out_.AddBool("tokenizer.ggml.add_bos_token", false);
  }

  // Logits with a standard deviation of 2 around one that stands out: reading a token, the model
  // says the next one, unless the layers make it say another (in 2 to 5 of 100 rows). Of a
  // head without a favourite the two best lie nearly tied in every 40th row, which then tells of
  // chance and not of the back end; entropies (0.7 to 1 nats) are like those of a language model.
  void EmbeddingAndHead() {
    constexpr float kSpread = 2, kLean = 0.5f;
    const std::vector<int64_t> shape = {kRandomVocabulary, kHidden};
    const std::vector<float> embedding = Draw(shape, 0, 1);
    std::vector<float> head = Draw(shape, 0, kSpread / std::sqrt(float{kHidden}));
    for (size_t i = 0; i < head.size(); ++i) {
      const size_t token_before = (i + head.size() - kHidden) % head.size();
      head[i] += kLean * kSpread / std::sqrt(float{kHidden}) * embedding[token_before];
    }
    Add("token_embd.weight", type_, shape, embedding);
    Add("output.weight", type_, shape, head);
  }

  void Layer(int64_t layer) {
    prefix_ = absl::StrCat("blk.", layer, ".");
    Vector("attn_norm.weight", kHidden, 1, 0.2f);
    if (kind_ == RandomKind::kDeepseekV3) {
      LatentAttention();
    } else {
      Attention();
    }
    Vector("ffn_norm.weight", kHidden, 1, 0.2f);
    if (kind_ == RandomKind::kDeepseekV3 && layer > 0) return Experts();
    Matrix("ffn_gate.weight", {kFfn, kHidden});
    Matrix("ffn_up.weight", {kFfn, kHidden});
    Matrix("ffn_down.weight", {kHidden, kFfn});
  }

  void Attention() {
    for (auto [name, heads] :
         {std::pair{"attn_q", kHeads}, {"attn_k", kKvHeads}, {"attn_v", kKvHeads}}) {
      Matrix(absl::StrCat(name, ".weight"), {heads * kHead, kHidden});
      if (kind_ == RandomKind::kQwen2) Vector(absl::StrCat(name, ".bias"), heads * kHead, 0, 0.3f);
    }
    Matrix("attn_output.weight", {kHidden, kHeads * kHead});
  }

  void LatentAttention() {
    Matrix("attn_q_a.weight", {kQueryRank, kHidden});
    Vector("attn_q_a_norm.weight", kQueryRank, 1, 0.2f);
    Matrix("attn_q_b.weight", {kHeads * (kNope + kRope), kQueryRank});
    Matrix("attn_kv_a_mqa.weight", {kLatent + kRope, kHidden});
    Vector("attn_kv_a_norm.weight", kLatent, 1, 0.2f);
    Matrix("attn_k_b.weight", {kHeads, kLatent, kNope}, 1 / std::sqrt(float{kLatent}));
    Matrix("attn_v_b.weight", {kHeads, kValue, kLatent});
    Matrix("attn_output.weight", {kHidden, kHeads * kValue});
  }

  void Experts() {
    // A router whose scores lie far apart, as a trained one's do.
    Floats("ffn_gate_inp.weight", {kExperts, kHidden}, 0, 3 / std::sqrt(float{kHidden}));
    Vector("exp_probs_b.bias", kExperts, 0.1f, 0.05f);
    Matrix("ffn_gate_exps.weight", {kExperts, kFfn, kHidden});
    Matrix("ffn_up_exps.weight", {kExperts, kFfn, kHidden});
    // Small beside the residual, or the one row in a hundred whose two best experts are nearly tied
    // would say more than all rounding.
    Matrix("ffn_down_exps.weight", {kExperts, kHidden, kFfn}, 0.3f / std::sqrt(float{kFfn}));
    Matrix("ffn_gate_shexp.weight", {kFfn, kHidden});
    Matrix("ffn_up_shexp.weight", {kFfn, kHidden});
    Matrix("ffn_down_shexp.weight", {kHidden, kFfn});
  }

  // spread 0: by the width, so that layers keep the size of what passes through.
  void Matrix(const std::string& name, const std::vector<int64_t>& shape, float spread = 0) {
    if (spread == 0) spread = 1 / std::sqrt(static_cast<float>(shape.back()));
    const bool whole = shape.back() % Traits(type_).block == 0;
    Add(name, whole ? type_ : DType::kQ8_0, shape, Draw(shape, 0, spread));
  }
  void Vector(const std::string& name, int64_t n, float centre, float spread) {
    Floats(name, {n}, centre, spread);
  }
  void Floats(const std::string& name, const std::vector<int64_t>& shape, float centre,
              float spread) {
    Add(name, DType::kF32, shape, Draw(shape, centre, spread));
  }

  std::vector<float> Draw(const std::vector<int64_t>& shape, float centre, float spread) {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    std::vector<float> values = random_.Normals(n, spread);
    for (float& v : values) v += centre;
    return values;
  }

  void Add(const std::string& name, DType type, const std::vector<int64_t>& shape,
           const std::vector<float>& values) {
    out_.AddTensor(prefix_ + name, type, shape);
    const size_t width = static_cast<size_t>(shape.back()), bytes = RowBytes(type, width);
    const size_t rows = values.size() / width;
    size_t at = data_.size();
    data_.resize(GgufWriter::Padded(at + rows * bytes), '\0');
    for (size_t r = 0; r < rows; ++r, at += bytes) {
      QuantizeRow(type, &values[r * width], width, reinterpret_cast<std::byte*>(&data_[at]));
    }
  }

  const RandomKind kind_;
  const DType type_;
  std::string architecture_, prefix_, data_;
  GgufWriter out_;
  Random random_{1};
};

}  // namespace

std::string MakeRandomCheckpoint(RandomKind kind, DType type) { return Writer(kind, type).Make(); }

}  // namespace raison::conformance
