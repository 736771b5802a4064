#include "core/model/summary.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/file/checkpoint.h"
#include "nlohmann/json.hpp"

namespace raison {
namespace {

// "blk.12.ffn_up_exps.weight" is of layer 12; -1 for a tensor of no layer.
int64_t LayerOf(const std::string& name) {
  int64_t layer = -1;
  if (!absl::StartsWith(name, "blk.")) return -1;
  const std::vector<std::string> words = absl::StrSplit(name, absl::MaxSplits('.', 2));
  return words.size() == 3 && absl::SimpleAtoi(words[1], &layer) ? layer : -1;
}

std::string Bytes(uint64_t bytes) {
  if (bytes >= 10ull << 30) return absl::StrFormat("%.1f GiB", bytes / double(1 << 30));
  if (bytes >= 1ull << 20) return absl::StrFormat("%.1f MiB", bytes / double(1 << 20));
  return absl::StrCat(bytes, " bytes");
}

}  // namespace

ModelSummary Summarize(const Model& model) {
  const Config& config = model.config();
  ModelSummary out;
  std::map<DType, uint64_t> by_type;
  double active = 0;
  for (const StoredTensor& tensor : model.checkpoint().tensors()) {
    const uint64_t elements = static_cast<uint64_t>(tensor.elements());
    out.parameters += elements;
    out.weight_bytes += tensor.bytes();
    by_type[tensor.dtype] += elements;
    if (LayerOf(tensor.name) >= static_cast<int64_t>(config.num_hidden_layers)) continue;  // MTP
    const bool routed = config.moe.n_routed_experts > 0 && absl::StrContains(tensor.name, "_exps.");
    active += routed ? static_cast<double>(elements) * config.moe.num_experts_per_tok /
                           config.moe.n_routed_experts
                     : static_cast<double>(elements);
    if (tensor.name == "token_embd.weight") out.embedding_parameters = elements;
  }
  out.active_parameters = static_cast<uint64_t>(active);
  uint64_t most = 0;
  for (const auto& [type, elements] : by_type) {
    if (elements > most) {
      most = elements;
      out.type = std::string(Traits(type).name);
    }
  }
  return out;
}

absl::StatusOr<Plan> MakePlan(const Model& model, const PlanRequest& request) {
  const Config& config = model.config();
  Plan plan;
  Placement placement = model.placement();
  if (placement.devices.empty()) {
    RSN_ASSIGN_OR_RETURN(placement, model.PlaceNow());
  }
  plan.why = placement.why;
  for (uint32_t d = 0; d < placement.devices.size(); ++d) {
    plan.parts.push_back({placement.devices[d]->name(), placement.Contents(d)});
  }
  plan.layers = config.num_hidden_layers;
  plan.context_length =
      request.context_length == 0 ? model.context_length() : request.context_length;
  plan.sessions = request.sessions;
  plan.weight_bytes = Summarize(model).weight_bytes;
  plan.kv_bytes_per_token = model.KvLayout().BytesPerToken();
  // Whole pages, as they are allocated.
  const uint64_t pages = (uint64_t{plan.context_length} + kPageTokens - 1) / kPageTokens;
  plan.kv_bytes = pages * kPageTokens * plan.kv_bytes_per_token * plan.sessions;
  plan.kv_limit = model.kv_bytes();
  // Per row of the largest step: the residual and its copies, the widest of attention and
  // feed-forward, in f32; and the rows of logits.
  const uint64_t rows = kPromptChunk + kStepSequences;
  const uint64_t attention =
      uint64_t{config.num_attention_heads} *
      std::max(config.head_dim, config.mla.kv_lora_rank + config.mla.qk_rope_head_dim);
  const uint64_t widest =
      std::max<uint64_t>(config.intermediate_size, config.moe.moe_intermediate_size);
  plan.work_bytes = 4 * (rows * (4 * uint64_t{config.hidden_size} + 3 * attention + 2 * widest) +
                         uint64_t{kStepLogitRows} * config.vocab_size);
  plan.total_bytes = plan.weight_bytes + plan.kv_bytes + plan.work_bytes;
  return plan;
}

std::string PlanText(const Plan& plan) {
  std::string text;
  for (const Plan::Part& part : plan.parts) {
    absl::StrAppend(&text, part.device, ": ", part.holds, "\n");
  }
  absl::StrAppend(&text, "chosen   ", plan.why, "\n");
  absl::StrAppend(&text, "weights  ", Bytes(plan.weight_bytes), "\n");
  absl::StrAppend(&text, "cache    ", Bytes(plan.kv_bytes), " for ", plan.sessions, " x ",
                  plan.context_length, " tokens at ", plan.kv_bytes_per_token,
                  " bytes a token\n");
  absl::StrAppend(&text, "work     ", Bytes(plan.work_bytes), " (estimate)\n");
  absl::StrAppend(&text, "together ", Bytes(plan.total_bytes), "\n");
  return text;
}

std::string PlanJson(const Plan& plan) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (const Plan::Part& part : plan.parts) {
    devices.push_back({{"device", part.device}, {"holds", part.holds}});
  }
  nlohmann::ordered_json json = {
      {"devices", devices},
      {"chosen", plan.why},
      {"layers", plan.layers},
      {"context_length", plan.context_length},
      {"sessions", plan.sessions},
      {"weight_bytes", plan.weight_bytes},
      {"kv_bytes_per_token", plan.kv_bytes_per_token},
      {"kv_bytes", plan.kv_bytes},
      {"kv_bytes_limit", plan.kv_limit},
      {"work_bytes_estimate", plan.work_bytes},
      {"total_bytes", plan.total_bytes},
  };
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace raison
