// The noun "model": what it is and what it needs.
#include <cmath>

#include "capi/handles.h"
#include "capi/structs.h"
#include "capi/text.h"
#include "core/file/checkpoint.h"
#include "core/session/options.h"

namespace raison::capi {
namespace {

// More sessions than any machine holds; keeps the plan's products inside 64 bits.
constexpr uint32_t kMaxPlanSessions = 1u << 20;

rsn_status CheckModel(const rsn_model* model) {
  return CheckHeader("model", model == nullptr ? nullptr : &model->header, kModelMagic);
}

int32_t OnlyToken(const std::vector<int32_t>& tag) { return tag.size() == 1 ? tag[0] : -1; }

rsn_status Describe(LoadedModel& loaded, rsn_model_info* out) {
  const Model& model = *loaded.model;
  const Config& config = model.config();
  rsn_model_info info = Defaults<rsn_model_info>();
  info.context_length = config.max_position_embeddings;
  LendText(config.model_type, &info.architecture, &info.architecture_size);
  LendText(config.name, &info.name, &info.name_size);
  LendText(model.checkpoint().path(), &info.path, &info.path_size);
  LendText(loaded.summary.type, &info.type, &info.type_size);
  LendText(loaded.devices, &info.device, &info.device_size);
  if (model.chat_template().ok()) {
    LendText((*model.chat_template())->source(), &info.chat_template, &info.chat_template_size);
  }
  info.parameters = loaded.summary.parameters;
  info.active_parameters = loaded.summary.active_parameters;
  info.file_bytes = model.checkpoint().file_bytes();
  info.weight_bytes = model.weight_bytes();
  info.kv_bytes_per_token = model.KvLayout().BytesPerToken();
  info.kv_bytes_limit = model.kv_bytes();
  if (const auto scheduler = loaded.StartedScheduler(); scheduler != nullptr) {
    info.kv_bytes_used =
        uint64_t{scheduler->cache().pool().used()} * kPageTokens * info.kv_bytes_per_token;
    info.passes = scheduler->passes();
  }
  info.tensors = model.checkpoint().tensors().size();
  info.vocabulary = config.vocab_size;
  info.layers = config.num_hidden_layers;
  info.hidden = config.hidden_size;
  info.heads = config.num_attention_heads;
  info.kv_heads = config.IsMla() ? 1 : config.num_key_value_heads;
  info.experts = config.moe.n_routed_experts;
  info.experts_used = config.moe.num_experts_per_tok;
  info.experts_shared = config.moe.n_shared_experts;
  info.dense_layers =
      info.experts == 0 ? config.num_hidden_layers : config.moe.first_k_dense_replace;
  for (const auto& device : model.placement().devices) {
    info.threads = std::max(info.threads, device->threads());
  }
  const Tokenizer& tokenizer = model.tokenizer();
  info.bos_token = tokenizer.bos().value_or(-1);
  info.eos_token = tokenizer.eos().value_or(-1);
  if (const auto& tags = model.reasoning_tags(); tags.has_value()) {
    info.think_begin_token = OnlyToken(tags->open);
    info.think_end_token = OnlyToken(tags->close);
  }
  const auto resolved =
      Resolve(GenerateOptions(), model, static_cast<int32_t>(model.context_length()));
  if (!resolved.ok()) return Fail(resolved.status(), Doing::kLoading);
  info.temperature = static_cast<float>(resolved->chain.temperature);
  info.top_p = static_cast<float>(resolved->chain.top_p);
  info.min_p = static_cast<float>(resolved->chain.min_p);
  info.repetition_penalty = static_cast<float>(resolved->chain.repetition_penalty);
  info.top_k = resolved->chain.top_k;
  const RecommendedSampling& file = model.recommended_sampling();
  info.sampling_from_file = !std::isnan(file.temperature) || !std::isnan(file.top_p) ||
                            !std::isnan(file.min_p) || !std::isnan(file.repetition_penalty) ||
                            file.top_k >= 0;
  WriteStruct(info, out);
  return RSN_OK;
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_model_describe(const rsn_model* model, rsn_model_info* info) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_model_info", info));
    return Describe(*model->loaded, info);
  });
}

rsn_status rsn_model_tensor(const rsn_model* model, size_t index, rsn_tensor_info* info) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_tensor_info", info));
    const auto& tensors = model->loaded->model->checkpoint().tensors();
    if (index >= tensors.size()) {
      return FailWith(RSN_ERR_ARGUMENT, "tensor ", index, " of ", tensors.size());
    }
    const raison::StoredTensor& tensor = tensors[index];
    rsn_tensor_info value = Defaults<rsn_tensor_info>();
    value.rank = static_cast<uint32_t>(std::min<size_t>(tensor.shape.size(), 4));
    LendText(tensor.name, &value.name, &value.name_size);
    LendText(raison::Traits(tensor.dtype).name, &value.type, &value.type_size);
    for (uint32_t i = 0; i < value.rank; ++i) {
      value.shape[i] = static_cast<uint64_t>(tensor.shape[i]);
    }
    value.bytes = tensor.bytes();
    WriteStruct(value, info);
    return RSN_OK;
  });
}

rsn_status rsn_model_plan(const rsn_model* model, const rsn_plan_options* options, char* text,
                          size_t capacity, size_t* text_size) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(text, capacity, text_size));
    rsn_plan_options own;
    RSN_CAPI_RETURN_IF_ERROR(ReadStruct("rsn_plan_options", options, &own));
    if (own.format != RSN_FORMAT_TEXT && own.format != RSN_FORMAT_JSON) {
      return FailWith(RSN_ERR_ARGUMENT, "format = ", own.format, " is not a RSN_FORMAT_*");
    }
    if (own.sessions == 0 || own.sessions > kMaxPlanSessions) {
      return FailWith(RSN_ERR_ARGUMENT, "sessions = ", own.sessions, ": wanted 1..",
                      kMaxPlanSessions);
    }
    const raison::Model& loaded = *model->loaded->model;
    if (own.context_length > loaded.config().max_position_embeddings) {
      return FailWith(RSN_ERR_ARGUMENT, "context_length = ", own.context_length,
                      " is above the model's own limit of ",
                      loaded.config().max_position_embeddings);
    }
    const auto plan = raison::MakePlan(
        loaded, {.context_length = own.context_length, .sessions = own.sessions});
    if (!plan.ok()) return Fail(plan.status(), Doing::kLoading);
    const std::string written =
        own.format == RSN_FORMAT_JSON ? raison::PlanJson(*plan) : raison::PlanText(*plan);
    return WriteArray(written.data(), written.size(), text, capacity, text_size);
  });
}

}  // extern "C"
