#include "core/model/tensor_check.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace raison {
namespace {

enum class Role { kMatrix, kVector };  // kVector: norms, biases and the router, never quantised

class Checker {
 public:
  Checker(const Config& config, const Checkpoint& checkpoint) : c_(config), file_(checkpoint) {}

  absl::Status Run() {
    const int64_t d = c_.hidden_size, v = c_.vocab_size;
    Expect("token_embd.weight", Role::kMatrix, {v, d});
    Expect("output_norm.weight", Role::kVector, {d});
    if (!c_.tie_word_embeddings) Expect("output.weight", Role::kMatrix, {v, d});
    for (uint32_t layer = 0; layer < c_.num_hidden_layers && status_.ok(); ++layer) {
      prefix_ = absl::StrCat("blk.", layer, ".");
      Expect("attn_norm.weight", Role::kVector, {d});
      Expect("ffn_norm.weight", Role::kVector, {d});
      if (c_.IsMla()) {
        Mla();
      } else {
        Attention();
      }
      if (c_.IsMoeLayer(layer)) {
        Moe();
      } else {
        const int64_t f = c_.intermediate_size;
        Expect("ffn_gate.weight", Role::kMatrix, {f, d});
        Expect("ffn_up.weight", Role::kMatrix, {f, d});
        Expect("ffn_down.weight", Role::kMatrix, {d, f});
      }
    }
    if (status_.ok()) RefuseExtras();
    return status_;
  }

 private:
  void Fail(std::string_view name, std::string_view text) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(file_.path(), ": the tensor '", name.substr(0, 160), "' ", text));
  }

  bool Has(const char* name) const { return file_.Find(prefix_ + name) != nullptr; }

  void Expect(const char* name, Role role, std::vector<int64_t> shape) {
    if (!status_.ok()) return;
    const std::string full = prefix_ + name;
    const StoredTensor* tensor = file_.Find(full);
    if (tensor == nullptr) return Fail(full, "is missing");
    if (tensor->shape != shape) {
      return Fail(full, absl::StrCat("has the shape (", absl::StrJoin(tensor->shape, ", "),
                                     "), the config asks for (", absl::StrJoin(shape, ", "), ")"));
    }
    const bool plain = tensor->dtype == DType::kF32 || tensor->dtype == DType::kF16 ||
                       tensor->dtype == DType::kBF16;
    const bool allowed = role == Role::kMatrix ? tensor->dtype != DType::kI32 : plain;
    if (!allowed) {
      return Fail(full, absl::StrCat("is ", Traits(tensor->dtype).name,
                                     ", which is not allowed in its place"));
    }
    seen_.insert(tensor->name);
  }

  void Attention() {
    const int64_t d = c_.hidden_size;
    const int64_t q = int64_t{c_.num_attention_heads} * c_.head_dim;
    const int64_t kv = int64_t{c_.num_key_value_heads} * c_.head_dim;
    Expect("attn_q.weight", Role::kMatrix, {q, d});
    Expect("attn_k.weight", Role::kMatrix, {kv, d});
    Expect("attn_v.weight", Role::kMatrix, {kv, d});
    Expect("attn_output.weight", Role::kMatrix, {d, q});
    if (!c_.attention_bias) return;
    Expect("attn_q.bias", Role::kVector, {q});
    Expect("attn_k.bias", Role::kVector, {kv});
    Expect("attn_v.bias", Role::kVector, {kv});
  }

  void Mla() {
    const MlaConfig& m = c_.mla;
    const int64_t d = c_.hidden_size, heads = c_.num_attention_heads, r = m.kv_lora_rank;
    const int64_t nope = m.qk_nope_head_dim, rope = m.qk_rope_head_dim, v = m.v_head_dim;
    const int64_t q = heads * (nope + rope);
    if (m.q_lora_rank > 0) {
      Expect("attn_q_a.weight", Role::kMatrix, {m.q_lora_rank, d});
      Expect("attn_q_a_norm.weight", Role::kVector, {m.q_lora_rank});
      Expect("attn_q_b.weight", Role::kMatrix, {q, m.q_lora_rank});
    } else {
      Expect("attn_q.weight", Role::kMatrix, {q, d});
    }
    Expect("attn_kv_a_mqa.weight", Role::kMatrix, {r + rope, d});
    Expect("attn_kv_a_norm.weight", Role::kVector, {r});
    const bool split = Has("attn_k_b.weight") || Has("attn_v_b.weight");
    if (split) {
      Expect("attn_k_b.weight", Role::kMatrix, {heads, r, nope});
      Expect("attn_v_b.weight", Role::kMatrix, {heads, v, r});
    }
    if (!split || Has("attn_kv_b.weight")) {
      Expect("attn_kv_b.weight", Role::kMatrix, {heads * (nope + v), r});
    }
    Expect("attn_output.weight", Role::kMatrix, {d, heads * v});
  }

  void Moe() {
    const MoeConfig& m = c_.moe;
    const int64_t d = c_.hidden_size, e = m.n_routed_experts, f = m.moe_intermediate_size;
    Expect("ffn_gate_inp.weight", Role::kVector, {e, d});
    if (m.topk_method == TopkMethod::kNoauxTc) Expect("exp_probs_b.bias", Role::kVector, {e});
    Expect("ffn_gate_exps.weight", Role::kMatrix, {e, f, d});
    Expect("ffn_up_exps.weight", Role::kMatrix, {e, f, d});
    Expect("ffn_down_exps.weight", Role::kMatrix, {e, d, f});
    if (m.n_shared_experts == 0) return;
    const int64_t s = m.n_shared_experts * f;
    Expect("ffn_gate_shexp.weight", Role::kMatrix, {s, d});
    Expect("ffn_up_shexp.weight", Role::kMatrix, {s, d});
    Expect("ffn_down_shexp.weight", Role::kMatrix, {d, s});
  }

  // Multi-token prediction blocks are kept for later use; rope_freqs went into the config.
  bool Ignorable(std::string_view name) const {
    if (name == "rope_freqs.weight") return true;
    if (name == "output.weight" && c_.tie_word_embeddings) return true;
    uint32_t block = 0;
    if (!absl::ConsumePrefix(&name, "blk.")) return false;
    const size_t dot = name.find('.');
    if (dot == name.npos || !absl::SimpleAtoi(name.substr(0, dot), &block)) return false;
    return name.substr(dot) == ".attn_rot_embd" ||
           (block >= c_.num_hidden_layers &&
            block < c_.num_hidden_layers + c_.num_nextn_predict_layers);
  }

  void RefuseExtras() {
    for (const StoredTensor& tensor : file_.tensors()) {
      if (!seen_.contains(tensor.name) && !Ignorable(tensor.name)) {
        return Fail(tensor.name, absl::StrCat("does not belong to a ", c_.model_type,
                                              " model with this config"));
      }
    }
  }

  const Config& c_;
  const Checkpoint& file_;
  std::string prefix_;
  absl::Status status_;
  absl::flat_hash_set<std::string_view> seen_;
};

}  // namespace

absl::Status CheckTensors(const Config& config, const Checkpoint& checkpoint) {
  return Checker(config, checkpoint).Run();
}

}  // namespace raison
