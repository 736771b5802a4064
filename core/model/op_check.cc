#include "core/model/op_check.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "core/file/checkpoint.h"
#include "core/model/model.h"

namespace raison {
namespace {

Tensor F32(std::initializer_list<int64_t> shape) {
  return DenseTensor(nullptr, 0, DType::kF32, shape);
}
Tensor I32(int64_t n) { return DenseTensor(nullptr, 0, DType::kI32, {n}); }

// Of a step of `rows` rows, the operations in the order of Transformer. Keeps the first refusal.
class Questions {
 public:
  Questions(const OpCheck& check, const Device& device, int64_t rows)
      : checkpoint_(check.checkpoint),
        c_(check.config),
        check_(check),
        device_(device),
        limits_(LargestStep(check.config)),
        rows_(rows),
        sequences_(std::min<int64_t>(rows, limits_.sequences)),
        hidden_(check.config.hidden_size),
        heads_(check.config.num_attention_heads) {}

  const absl::Status& status() const { return status_; }

  void Embedding() {
    const StoredTensor& table = *checkpoint_.Find("token_embd.weight");
    Ask(rsn_embed{.table = Weight(table), .tokens = I32(rows_), .out = X()}, Describe(table));
  }

  void Layer(uint32_t layer) {
    block_ = absl::StrCat("blk.", layer, ".");
    const std::string of = absl::StrCat("layer ", layer);
    RopeTable(of);
    Norm(X(), block_ + "attn_norm.weight");
    c_.IsMla() ? LatentAttention(of) : Attention(of);
    Norm(X(), block_ + "ffn_norm.weight");
    if (!c_.IsMoeLayer(layer)) return Ffn("", of);
    Route(of);
    if (c_.moe.n_shared_experts > 0) Ffn("_shexp", of);
  }

  void Experts(uint32_t layer, uint32_t count) {
    block_ = absl::StrCat("blk.", layer, ".");
    const StoredTensor& gate = *checkpoint_.Find(block_ + "ffn_gate_exps.weight");
    const StoredTensor& up = *checkpoint_.Find(block_ + "ffn_up_exps.weight");
    const StoredTensor& down = *checkpoint_.Find(block_ + "ffn_down_exps.weight");
    const auto part = [count](const StoredTensor& stack) {
      return DenseTensor(nullptr, 0, stack.dtype, {count, stack.shape[1], stack.shape[2]});
    };
    Ask(rsn_moe_experts{.accumulate = 1,
                        .in = X(),
                        .ids = Ids(),
                        .weights = F32({rows_, c_.moe.num_experts_per_tok}),
                        .slots = I32(c_.moe.n_routed_experts),
                        .gate = part(gate),
                        .up = part(up),
                        .down = part(down),
                        .out = X()},
        absl::StrCat(Describe(gate), ", ", Describe(up), " and ", Describe(down)));
  }

  void Output() {
    const int64_t rows = std::min<int64_t>(rows_, limits_.logit_rows), vocabulary = c_.vocab_size;
    const int64_t top = std::min<int64_t>(kTopCandidates, vocabulary);
    const Tensor last = F32({rows, hidden_}), logits = F32({rows, vocabulary});
    const std::string of = absl::StrCat("the output (", vocabulary, " logits)");
    Ask(rsn_gather_rows{.in = X(), .index = I32(rows), .out = last}, of);
    Norm(last, "output_norm.weight");
    const bool tied = c_.tie_word_embeddings || checkpoint_.Find("output.weight") == nullptr;
    Product(last, {tied ? "token_embd.weight" : "output.weight"}, {logits});
    Ask(rsn_reduce_logits{.top = static_cast<uint32_t>(top),
                          .logits = logits,
                          .adjust_begin = I32(rows + 1),
                          .adjust_id = I32(limits_.adjustments),
                          .adjust_divisor = F32({limits_.adjustments}),
                          .adjust_add = F32({limits_.adjustments}),
                          .records = F32({rows, sizeof(rsn_logit_record) / 4}),
                          .ids = DenseTensor(nullptr, 0, DType::kI32, {rows, top}),
                          .values = F32({rows, top}),
                          .raw = F32({rows, top})},
        of);
  }

 private:
  template <typename Args>
  void Ask(const Args& args, const std::string& operands) {
    if (!status_.ok() || device_.Supports(args)) return;
    status_ = absl::UnimplementedError(
        absl::StrCat(device_.name(), " has no ", Op<Args>::kName, " for ", operands));
  }

  static std::string Describe(const StoredTensor& t) {
    return absl::StrCat("tensor ", t.name, " (", Traits(t.dtype).name, ", ",
                        absl::StrJoin(t.shape, " x "), ")");
  }
  std::string DescribeCache(const std::string& of) const {
    return absl::StrCat("the cache of ", of, " (kv_type ", Traits(check_.cache.dtype).name, ", ",
                        check_.cache.heads, " x ", check_.cache.width, " a token, pages of ",
                        kPageTokens, ")");
  }

  static Tensor Weight(const StoredTensor& t) {
    return t.shape.size() == 2
               ? DenseTensor(nullptr, 0, t.dtype, {t.shape[0], t.shape[1]})
               : DenseTensor(nullptr, 0, t.dtype, {t.shape[0], t.shape[1], t.shape[2]});
  }
  // The residual stream, and what is normalised of it.
  Tensor X() const { return F32({rows_, hidden_}); }
  Tensor Ids() const {
    return DenseTensor(nullptr, 0, DType::kI32, {rows_, c_.moe.num_experts_per_tok});
  }
  Tensor Cache(int64_t heads, int64_t width) const {
    const KvGeometry& g = check_.cache;
    const uint64_t page_bytes = g.BytesPerToken() * kPageTokens;
    const int64_t pages = static_cast<int64_t>(std::max<uint64_t>(1, g.bytes / page_bytes));
    return DenseTensor(nullptr, 0, g.dtype, {pages, heads, kPageTokens, width});
  }
  rsn_ragged Ragged() const {
    return {.row_begin = I32(sequences_ + 1),
            .kv_length = I32(sequences_),
            .page_begin = I32(sequences_),
            .pages = I32(limits_.pages),
            .page_tokens = kPageTokens};
  }

  void Norm(const Tensor& in, const std::string& weight) {
    Ask(rsn_rms_norm{.epsilon = c_.rms_norm_eps,
                     .in = in,
                     .weight = F32({in.shape[in.rank - 1]}),
                     .out = in},
        absl::StrCat("tensor ", weight));
  }

  // Products of one input. A refusal names the weight that is refused alone.
  void Product(const Tensor& in, const std::vector<std::string>& names,
               const std::vector<Tensor>& out, bool accumulate = false) {
    rsn_matmul joined{
        .terms = static_cast<uint32_t>(names.size()), .accumulate = accumulate, .in = in};
    std::vector<std::string> described;
    for (size_t i = 0; i < names.size(); ++i) {
      const StoredTensor& stored = *checkpoint_.Find(names[i]);
      joined.term[i] = {.weight = Weight(stored), .out = out[i]};
      described.push_back(Describe(stored));
      const std::string bias =
          absl::StrCat(absl::string_view(names[i]).substr(0, names[i].rfind('.')), ".bias");
      if (checkpoint_.Find(bias) != nullptr) joined.term[i].bias = F32({stored.shape[0]});
    }
    for (uint32_t i = 0; i < joined.terms && joined.terms > 1; ++i) {
      rsn_matmul single = joined;
      single.terms = 1;
      single.term[0] = joined.term[i];
      Ask(single, described[i]);
    }
    Ask(joined, absl::StrJoin(described, ", "));
  }

  void RopeTable(const std::string& of) {
    const int64_t pairs = static_cast<int64_t>(c_.rope.frequencies.size());
    Ask(rsn_rope_table{.magnitude = static_cast<float>(c_.rope.magnitude),
                       .positions = I32(rows_),
                       .frequencies = F32({pairs, 2}),
                       .out = Rotations()},
        of);
  }
  Tensor Rotations() const { return F32({rows_, c_.rope.dimension / 2, 2}); }
  void Rope(const Tensor& x, const std::string& of) {
    Ask(rsn_rope{.interleaved = c_.rope.interleaved, .table = Rotations(), .x = x},
        absl::StrCat("heads of ", x.shape[2], " (", of, ")"));
  }

  void WriteCache(const Tensor& in, const Tensor& cache, const std::string& of) {
    Ask(rsn_kv_write{.in = in, .slots = I32(rows_), .cache = cache}, DescribeCache(of));
    Ask(rsn_kv_copy_page{.cache = cache, .from = I32(1), .to = I32(1)}, DescribeCache(of));
  }

  void Attention(const std::string& of) {
    const int64_t kv_heads = c_.num_key_value_heads, width = c_.head_dim;
    const Tensor flat_q = F32({rows_, heads_ * width}), flat_k = F32({rows_, kv_heads * width});
    const Tensor q = Heads(flat_q, heads_), k = Heads(flat_k, kv_heads);
    const Tensor cache = Cache(kv_heads, width);
    Product(X(), {block_ + "attn_q.weight", block_ + "attn_k.weight", block_ + "attn_v.weight"},
            {flat_q, flat_k, flat_k});
    Rope(Columns(q, 0, c_.rope.dimension), of);
    Rope(Columns(k, 0, c_.rope.dimension), of);
    WriteCache(k, cache, of);
    Ask(rsn_attention{.scale = c_.attention_scale,
                      .q = q,
                      .k_cache = cache,
                      .v_cache = cache,
                      .out = q,
                      .ragged = Ragged()},
        DescribeCache(of));
    Product(flat_q, {block_ + "attn_output.weight"}, {X()}, /*accumulate=*/true);
  }

  void LatentAttention(const std::string& of) {
    const MlaConfig& m = c_.mla;
    const int64_t latent = m.kv_lora_rank, rope = m.qk_rope_head_dim;
    const Tensor flat_q = F32({rows_, heads_ * (int64_t{m.qk_nope_head_dim} + rope)});
    const Tensor q = Heads(flat_q, heads_), kv = F32({rows_, latent + rope});
    const Tensor attended = F32({rows_, heads_ * m.v_head_dim});
    const std::string wkv_a = block_ + "attn_kv_a_mqa.weight";
    if (m.q_lora_rank > 0) {
      const Tensor q_latent = F32({rows_, m.q_lora_rank});
      Product(X(), {block_ + "attn_q_a.weight", wkv_a}, {q_latent, kv});
      Norm(q_latent, block_ + "attn_q_a_norm.weight");
      Product(q_latent, {block_ + "attn_q_b.weight"}, {flat_q});
    } else {
      Product(X(), {block_ + "attn_q.weight", wkv_a}, {flat_q, kv});
    }
    Norm(Columns(kv, 0, latent), block_ + "attn_kv_a_norm.weight");
    const Tensor q_rope = Columns(q, m.qk_nope_head_dim, rope);
    Rope(q_rope, of);
    Rope(Columns(Heads(kv, 1), latent, rope), of);
    const Tensor cache = Cache(1, latent + rope);
    WriteCache(Heads(kv, 1), cache, of);
    const rsn_mla_attention mla{.struct_size = sizeof mla,
                                .scale = c_.attention_scale,
                                .form = check_.exact ? 1u : 0u,
                                .q_nope = Columns(q, 0, m.qk_nope_head_dim),
                                .q_rope = q_rope,
                                .w_k = KeyWeight(),
                                .w_v = ValueWeight(),
                                .cache = cache,
                                .out = Heads(attended, heads_),
                                .ragged = Ragged()};
    if (!device_.Supports(mla)) ComposedLatentAttention(mla, of);
    Product(attended, {block_ + "attn_output.weight"}, {X()}, /*accumulate=*/true);
  }

  void ComposedLatentAttention(const rsn_mla_attention& mla, const std::string& of) {
    const int64_t latent = c_.mla.kv_lora_rank, rope = c_.mla.qk_rope_head_dim;
    const Tensor query = F32({rows_, heads_, latent + rope}), out = F32({rows_, heads_, latent});
    const auto product = [&](const Tensor& in, const Tensor& weight, const Tensor& to,
                             const char* name) {
      Ask(rsn_matmul{.terms = 1, .in = in, .term = {{.weight = weight, .out = to}}},
          absl::StrCat("the heads of ", KvTensor(name).name, " (",
                       Traits(static_cast<DType>(weight.dtype)).name, ")"));
    };
    product(mla.q_nope, mla.w_k, Columns(query, 0, latent), "attn_k_b.weight");
    Ask(rsn_kv_write{.in = mla.q_rope,
                     .slots = I32(rows_),
                     .cache = OneTokenPages(Columns(query, latent, rope))},
        absl::StrCat("the queries of ", of));
    Tensor values = mla.cache;
    values.shape[3] = latent;
    Ask(rsn_attention{.scale = mla.scale,
                      .q = query,
                      .k_cache = mla.cache,
                      .v_cache = values,
                      .out = out,
                      .ragged = mla.ragged},
        DescribeCache(of));
    product(out, mla.w_v, mla.out, "attn_v_b.weight");
  }

  // The tensor of that name, or the one that has both parts and is split at load.
  const StoredTensor& KvTensor(const char* name) const {
    const StoredTensor* own = checkpoint_.Find(block_ + name);
    return own != nullptr ? *own : *checkpoint_.Find(block_ + "attn_kv_b.weight");
  }
  Tensor KeyWeight() const {
    const StoredTensor& stored = KvTensor("attn_k_b.weight");
    const bool split = checkpoint_.Find(block_ + "attn_k_b.weight") == nullptr;
    return DenseTensor(nullptr, 0, split ? SplitKeyType(stored.dtype) : stored.dtype,
                       {heads_, c_.mla.kv_lora_rank, c_.mla.qk_nope_head_dim});
  }
  Tensor ValueWeight() const {
    return DenseTensor(nullptr, 0, KvTensor("attn_v_b.weight").dtype,
                       {heads_, c_.mla.v_head_dim, c_.mla.kv_lora_rank});
  }

  void Ffn(const std::string& suffix, const std::string& of) {
    const std::string b = block_ + "ffn_";
    const std::string gate = absl::StrCat(b, "gate", suffix, ".weight"),
                      up = absl::StrCat(b, "up", suffix, ".weight"),
                      down = absl::StrCat(b, "down", suffix, ".weight");
    const int64_t width = checkpoint_.Find(gate)->shape[0];
    const Tensor inner = Columns(F32({rows_, WidestFeedForward(c_)}), 0, width);
    Product(X(), {gate, up}, {inner, inner});
    Ask(rsn_silu_mul{.gate = inner, .up = inner, .out = inner}, of);
    Product(inner, {down}, {X()}, /*accumulate=*/true);
  }

  void Route(const std::string& of) {
    const MoeConfig& m = c_.moe;
    const int64_t experts = m.n_routed_experts;
    const Tensor logits = F32({rows_, experts});
    Ask(
        rsn_matmul{
            .terms = 1, .in = X(), .term = {{.weight = F32({experts, hidden_}), .out = logits}}},
        absl::StrCat("the router of ", of, " (F32)"));
    const bool greedy = m.topk_method == TopkMethod::kGreedy;
    rsn_moe_route route{.scoring = m.scoring_func == ScoringFunction::kSigmoid,
                        .groups = greedy ? 1 : m.n_group,
                        .groups_used = greedy ? 1 : m.topk_group,
                        .group_rule = m.topk_method == TopkMethod::kNoauxTc,
                        .masked_are_zero = m.masked_groups_are_zero,
                        .normalize = m.norm_topk_prob,
                        .scale = m.routed_scaling_factor,
                        .logits = logits,
                        .ids = Ids(),
                        .weights = F32({rows_, m.num_experts_per_tok})};
    if (checkpoint_.Find(block_ + "exp_probs_b.bias") != nullptr) route.bias = F32({experts});
    Ask(route, absl::StrCat(m.num_experts_per_tok, " of ", experts, " experts (", of, ")"));
  }

  const Checkpoint& checkpoint_;
  const Config& c_;
  const OpCheck& check_;
  const Device& device_;
  const StepLimits limits_;
  const int64_t rows_, sequences_, hidden_, heads_;
  std::string block_;  // "blk.3."
  absl::Status status_;
};

// Of a step of one token and of the largest.
template <typename Part>
absl::Status AskFor(const OpCheck& check, const Device& device, const Part& part) {
  for (const int64_t rows : {int64_t{1}, int64_t{LargestStep(check.config).rows}}) {
    Questions questions(check, device, rows);
    part(questions);
    RSN_RETURN_IF_ERROR(questions.status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status OpCheck::Embedding(const Device& device) const {
  return AskFor(*this, device, [](Questions& q) { q.Embedding(); });
}

absl::Status OpCheck::Layer(const Device& device, uint32_t layer) const {
  return AskFor(*this, device, [=](Questions& q) { q.Layer(layer); });
}

absl::Status OpCheck::Experts(const Device& device, uint32_t layer, uint32_t count) const {
  return AskFor(*this, device, [=](Questions& q) { q.Experts(layer, count); });
}

absl::Status OpCheck::Output(const Device& device) const {
  return AskFor(*this, device, [](Questions& q) { q.Output(); });
}

}  // namespace raison
