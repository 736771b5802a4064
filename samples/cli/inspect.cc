// raison inspect: what a file holds and what it needs. Reads headers only, never the weights.
#include <map>
#include <nlohmann/json.hpp>

#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/model_arguments.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TypeShare {
  uint64_t tensors = 0, bytes = 0;
};

std::map<std::string, TypeShare> TypeShares(const Model& model, uint64_t tensors) {
  std::map<std::string, TypeShare> shares;
  for (uint64_t i = 0; i < tensors; ++i) {
    const TensorInfo tensor = model.Tensor(i);
    TypeShare& share = shares[tensor.type];
    ++share.tensors;
    share.bytes += tensor.bytes;
  }
  return shares;
}

std::string Shape(const std::vector<uint64_t>& shape) {
  std::string out;
  for (uint64_t n : shape) out += (out.empty() ? "" : " x ") + std::to_string(n);
  return out;
}

std::string Row(const char* name, const std::string& value) {
  return Format("%-14s", name) + value + "\n";
}

std::string TokenName(const Model& model, int32_t token) {
  return token < 0 ? "none" : std::to_string(token) + " " + Harmless(model.TokenText(token));
}

std::string Experts(const ModelInfo& info) {
  if (info.experts == 0) return "none: every layer is dense";
  return Format("%u a layer, %u used and %u shared; %u leading layers are dense", info.experts,
                info.experts_used, info.experts_shared, info.dense_layers);
}

std::string Devices(const Json& plan) {
  std::string names;
  for (const Json& part : plan["devices"]) {
    names += (names.empty() ? "" : ", ") + part["device"].get<std::string>();
  }
  return Harmless(names + " (" + plan["chosen"].get<std::string>() + ")");
}

std::string Describe(const Model& model, const ModelInfo& info, const Json& plan) {
  std::string out;
  out += Row("name", info.name.empty() ? "(none)" : Harmless(info.name));
  out += Row("file", Harmless(info.path) + " (" + Bytes(info.file_bytes) + ")");
  out += Row("architecture", info.architecture);
  out += Row("parameters", Count(info.parameters) +
                               (info.active_parameters == info.parameters
                                    ? ""
                                    : ", of which a token meets " + Count(info.active_parameters)));
  out += Row("layers", Format("%u, width %u, %u heads, %u for keys and values", info.layers,
                              info.hidden, info.heads, info.kv_heads));
  out += Row("experts", Experts(info));
  out += Row("vocabulary", Format("%u tokens", info.vocabulary));
  out += Row("context", Format("%u tokens", info.context_length));
  for (const auto& [type, share] : TypeShares(model, info.tensors)) {
    out += Row("weights",
               Format("%-6s %5llu tensors  %s", type.c_str(),
                      static_cast<unsigned long long>(share.tensors), Bytes(share.bytes).c_str()));
  }
  out += Row("thinking", info.think_begin_token < 0
                             ? "no tokens of its own for it"
                             : TokenName(model, info.think_begin_token) + " ... " +
                                   TokenName(model, info.think_end_token));
  out +=
      Row("begin, end", TokenName(model, info.bos_token) + ", " + TokenName(model, info.eos_token));
  out +=
      Row("template", info.chat_template.empty() ? "none: give one with --chat-template"
                                                 : Format("%zu bytes", info.chat_template.size()));
  out +=
      Row("sampling", Format("temperature %.2f, top-p %.2f, top-k %d, min-p %.2f (%s)",
                             static_cast<double>(info.temperature), static_cast<double>(info.top_p),
                             info.top_k, static_cast<double>(info.min_p),
                             info.sampling_from_file ? "from the file" : "defaults"));
  out += Row("device", Devices(plan));
  const uint64_t context = plan["context_length"], sessions = plan["sessions"];
  const uint64_t weights = plan["weight_bytes"], cache = plan["kv_bytes"];
  const uint64_t work = plan["work_bytes_estimate"], total = plan["total_bytes"];
  out += Row(
      "memory",
      Format("%s for %llu x %llu tokens of context: weights %s, cache %s (%llu bytes a "
             "token), work about %s",
             Bytes(total).c_str(), static_cast<unsigned long long>(sessions),
             static_cast<unsigned long long>(context), Bytes(weights).c_str(), Bytes(cache).c_str(),
             static_cast<unsigned long long>(info.kv_bytes_per_token), Bytes(work).c_str()));
  return out;
}

Json ToJson(const Model& model, const ModelInfo& info, const Json& plan, bool tensors) {
  Json json = {{"name", info.name},
               {"path", info.path},
               {"architecture", info.architecture},
               {"type", info.type},
               {"parameters", info.parameters},
               {"active_parameters", info.active_parameters},
               {"file_bytes", info.file_bytes},
               {"layers", info.layers},
               {"hidden", info.hidden},
               {"heads", info.heads},
               {"kv_heads", info.kv_heads},
               {"experts", info.experts},
               {"experts_used", info.experts_used},
               {"experts_shared", info.experts_shared},
               {"dense_layers", info.dense_layers},
               {"vocabulary", info.vocabulary},
               {"context_length", info.context_length},
               {"kv_bytes_per_token", info.kv_bytes_per_token},
               {"bos_token", info.bos_token},
               {"eos_token", info.eos_token},
               {"think_begin_token", info.think_begin_token},
               {"think_end_token", info.think_end_token},
               {"chat_template", info.chat_template.empty() ? Json() : Json(info.chat_template)},
               {"plan", plan}};
  for (const auto& [type, share] : TypeShares(model, info.tensors)) {
    json["types"][type] = {{"tensors", share.tensors}, {"bytes", share.bytes}};
  }
  if (!tensors) return json;
  json["tensors"] = Json::array();
  for (uint64_t i = 0; i < info.tensors; ++i) {
    const TensorInfo tensor = model.Tensor(i);
    json["tensors"].push_back({{"name", tensor.name},
                               {"type", tensor.type},
                               {"shape", tensor.shape},
                               {"bytes", tensor.bytes}});
  }
  return json;
}

}  // namespace

int Inspect(const Words& words) {
  ModelArguments model_arguments;
  bool json = false, plan_only = false, tensors = false;
  int32_t sessions = 1;
  Words paths;
  Arguments arguments("inspect", "[OPTIONS] [PATH]",
                      "Says what a model file holds: architecture, sizes, element types, experts, "
                      "and the memory that it needs at a context length. Reads the header only. "
                      "Without PATH: the model inside.");
  arguments.Positional("PATH", &paths, 1);
  arguments.Section("Options");
  arguments.Flag("--plan", &plan_only, "only what lies where, and the bytes that it takes");
  arguments.Integer("--sessions", "N", &sessions, "conversations at the same time, for the memory",
                    1, 1 << 20);
  arguments.Flag("--tensors", &tensors, "every tensor with its type and shape");
  arguments.Flag("--json", &json, "all of it as one JSON object");
  model_arguments.AddPlacement(arguments);
  arguments.Example("raison inspect r1-7b.gguf --context 16384", "does it fit?");
  arguments.Example("raison inspect --plan r1.gguf --device cuda:0 --experts cpu",
                    "what would lie on the card?");
  arguments.Example("raison inspect --plan r1.gguf --device cuda:0 --experts own,cpu",
                    "and how many of the experts besides?");
  arguments.Example("raison inspect --json | jq .plan", "the model inside, for a program");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  if (!paths.empty()) {
    if (!model_arguments.model.empty()) throw UsageError("PATH and --model name two models");
    model_arguments.model = paths[0];
    if (paths[0].empty()) throw UsageError("PATH is empty");
  }
  const Model model = LoadModel(model_arguments, RSN_LOAD_HEADER);
  const uint32_t context = static_cast<uint32_t>(model_arguments.context);
  const uint32_t many = static_cast<uint32_t>(sessions);
  if (plan_only) {
    Print(json ? model.Plan(RSN_FORMAT_JSON, context, many) + "\n"
               : model.Plan(RSN_FORMAT_TEXT, context, many));
    return kOk;
  }
  const ModelInfo info = model.Info();
  const Json plan = Json::parse(model.Plan(RSN_FORMAT_JSON, context, many));
  std::string out;
  if (json) {
    out = ToJson(model, info, plan, tensors).dump(2, ' ', false, Json::error_handler_t::replace) +
          "\n";
  } else {
    out = Describe(model, info, plan);
    for (uint64_t i = 0; tensors && i < info.tensors; ++i) {
      const TensorInfo tensor = model.Tensor(i);
      out += Format("%-6s %12llu  ", tensor.type.c_str(),
                    static_cast<unsigned long long>(tensor.bytes)) +
             Harmless(tensor.name) + "  " + Shape(tensor.shape) + "\n";
    }
  }
  Print(out);
  return kOk;
}

}  // namespace raison::cli
