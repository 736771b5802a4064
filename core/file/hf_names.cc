#include "core/file/hf_names.h"

#include <charconv>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace raison {
namespace {

struct Rule {
  std::string_view hf, gguf;
};

constexpr Rule kTop[] = {{"model.embed_tokens.weight", "token_embd.weight"},
                         {"model.norm.weight", "output_norm.weight"},
                         {"lm_head.weight", "output.weight"}};

// Below model.layers.N. -> blk.N.
constexpr Rule kLayer[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_a_proj.weight", "attn_q_a.weight"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.q_b_proj.weight", "attn_q_b.weight"},
    {"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"self_attn.kv_b_proj.weight", "attn_kv_b.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},  // stacked by newer writers
    // The multi-token prediction layer.
    {"enorm.weight", "nextn.enorm.weight"},
    {"hnorm.weight", "nextn.hnorm.weight"},
    {"eh_proj.weight", "nextn.eh_proj.weight"},
    {"embed_tokens.weight", "nextn.embed_tokens.weight"},
    {"shared_head.norm.weight", "nextn.shared_head_norm.weight"},
    {"shared_head.head.weight", "nextn.shared_head_head.weight"},
};

constexpr Rule kExpert[] = {{"gate_proj.weight", "ffn_gate_exps.weight"},
                            {"up_proj.weight", "ffn_up_exps.weight"},
                            {"down_proj.weight", "ffn_down_exps.weight"}};

template <size_t N>
std::string_view Lookup(const Rule (&rules)[N], std::string_view name) {
  for (const Rule& rule : rules) {
    if (rule.hf == name) return rule.gguf;
  }
  return {};
}

// Consumes "123." from the front: canonical decimal, below 2^20.
bool ConsumeIndex(std::string_view& text, int64_t& index) {
  const size_t dot = text.find('.');
  if (dot == 0 || dot > 7 || (text[0] == '0' && dot > 1)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dot, index);
  if (error != std::errc() || end != text.data() + dot || index < 0) return false;
  text.remove_prefix(dot + 1);
  return true;
}

}  // namespace

MappedName MapHuggingFaceName(std::string_view name) {
  MappedName result{.gguf = std::string(name)};
  if (name.ends_with(".rotary_emb.inv_freq")) {
    result.ignored = true;
    return result;
  }
  if (const auto top = Lookup(kTop, name); !top.empty()) {
    result.gguf = std::string(top);
    return result;
  }
  int64_t layer = 0;
  std::string_view rest = name;
  if (!absl::ConsumePrefix(&rest, "model.layers.") || !ConsumeIndex(rest, layer)) return result;
  if (rest == "mlp.experts.gate_up_proj") {
    result.gguf = absl::StrCat("blk.", layer, ".ffn_gate_exps.weight");
    result.gguf_second = absl::StrCat("blk.", layer, ".ffn_up_exps.weight");
    return result;
  }
  std::string_view role = Lookup(kLayer, rest);
  int64_t expert = 0;
  if (role.empty() && absl::ConsumePrefix(&rest, "mlp.experts.") && ConsumeIndex(rest, expert)) {
    role = Lookup(kExpert, rest);
    if (!role.empty()) result.expert = expert;
  }
  if (!role.empty()) result.gguf = absl::StrCat("blk.", layer, ".", role);
  return result;
}

}  // namespace raison
