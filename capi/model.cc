// The noun "model": load and free.
#include "capi/handles.h"
#include "capi/structs.h"
#include "capi/text.h"
#include "core/file/checkpoint.h"
#include "core/model/builtin.h"

namespace raison::capi {
namespace {

// More threads than any machine has: a mistake, and each costs a stack.
constexpr int32_t kMaxThreads = 1024;

rsn_status CheckEnum(const char* name, int32_t value, int32_t last) {
  if (value >= 0 && value <= last) return RSN_OK;
  return FailWith(RSN_ERR_ARGUMENT, name, " = ", value, ": wanted 0..", last);
}

rsn_status ReadOptions(const rsn_model_options* options, bool from_memory, ModelOptions* out) {
  rsn_model_options o;
  RSN_CAPI_RETURN_IF_ERROR(ReadStruct("rsn_model_options", options, &o));
  RSN_CAPI_RETURN_IF_ERROR(CheckEnum("kv_type", o.kv_type, RSN_KV_BF16));
  RSN_CAPI_RETURN_IF_ERROR(CheckEnum("load", o.load, RSN_LOAD_HEADER));
  if (o.threads != RSN_UNSET && (o.threads < 1 || o.threads > kMaxThreads)) {
    return FailWith(RSN_ERR_ARGUMENT, "threads = ", o.threads, ": wanted 1..", kMaxThreads);
  }
  if (o.reserved != 0) return Fail(RSN_ERR_ARGUMENT, "rsn_model_options.reserved is not 0");
  std::string_view device, experts, backend_path, chat_template;
  RSN_CAPI_RETURN_IF_ERROR(ReadOptionalText("device", o.device, o.device_size, &device));
  RSN_CAPI_RETURN_IF_ERROR(ReadOptionalText("experts", o.experts, o.experts_size, &experts));
  RSN_CAPI_RETURN_IF_ERROR(
      ReadOptionalText("backend_path", o.backend_path, o.backend_path_size, &backend_path));
  RSN_CAPI_RETURN_IF_ERROR(
      ReadOptionalText("chat_template", o.chat_template, o.chat_template_size, &chat_template));
  RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("chat_template", chat_template));
  out->device = std::string(device);
  out->experts = std::string(experts);
  out->backend_path = std::string(backend_path);
  out->threads = o.threads == RSN_UNSET ? 0 : static_cast<uint32_t>(o.threads);
  out->context_length = o.context_length;
  out->kv_type = o.kv_type == RSN_KV_F32    ? DType::kF32
                 : o.kv_type == RSN_KV_BF16 ? DType::kBF16
                                            : DType::kF16;
  out->kv_bytes = o.kv_bytes;
  out->load = o.load == RSN_LOAD_COPY && !from_memory ? LoadMode::kCopy : LoadMode::kMap;
  out->header_only = o.load == RSN_LOAD_HEADER;
  out->repack = o.repack != 0;
  out->exact = o.exact != 0;
  out->chat_template = std::string(chat_template);
  if (o.progress != nullptr) {
    out->progress = [call = o.progress, data = o.progress_data](uint64_t done, uint64_t total) {
      return call(done, total, data) == 0;
    };
  }
  if (o.log != nullptr) {
    out->log = [call = o.log, data = o.log_data, mutex = std::make_shared<std::mutex>()](
                   uint32_t level, const std::string& text) {
      std::lock_guard lock(*mutex);
      call(static_cast<int32_t>(level), text.c_str(), text.size(), data);
    };
  }
  return RSN_OK;
}

rsn_status Finish(absl::StatusOr<std::shared_ptr<Model>> model,
                  std::shared_ptr<LoadedModel> loaded, rsn_model** out) {
  if (!model.ok()) return Fail(model.status(), Doing::kLoading);
  loaded->model = *std::move(model);
  loaded->summary = Summarize(*loaded->model);
  loaded->devices = loaded->model->placement().Name();
  auto handle = std::make_unique<rsn_model>();
  handle->loaded = std::move(loaded);
  *out = handle.release();
  return RSN_OK;
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_model_load(rsn_model** out, const char* path, size_t path_size,
                          const rsn_model_options* options) {
  return Guard([&]() -> rsn_status {
    if (out == nullptr) return Fail(RSN_ERR_ARGUMENT, "out: NULL");
    *out = nullptr;
    std::string_view given;
    RSN_CAPI_RETURN_IF_ERROR(ReadOptionalText("path", path, path_size, &given));
    if (given.find('\0') != std::string_view::npos) {
      return Fail(RSN_ERR_ARGUMENT, "path: holds a NUL byte");
    }
    raison::ModelOptions own;
    RSN_CAPI_RETURN_IF_ERROR(ReadOptions(options, /*from_memory=*/false, &own));
    std::string file(given);
    if (path == nullptr) {
      auto found = raison::FindBuiltinModel();
      if (!found.ok()) return Fail(found.status(), Doing::kLoading);
      file = *std::move(found);
    } else if (file.empty()) {
      return Fail(RSN_ERR_NOT_FOUND, "path: empty; NULL is the built-in model");
    }
    return Finish(raison::Model::Load(file, own), std::make_shared<LoadedModel>(), out);
  });
}

rsn_status rsn_model_load_memory(rsn_model** out, const void* bytes, size_t size,
                                 const rsn_model_options* options) {
  return Guard([&]() -> rsn_status {
    if (out == nullptr) return Fail(RSN_ERR_ARGUMENT, "out: NULL");
    *out = nullptr;
    if (bytes == nullptr) return Fail(RSN_ERR_ARGUMENT, "bytes: NULL");
    if (size > PTRDIFF_MAX) return FailWith(RSN_ERR_ARGUMENT, "size = ", size);
    raison::ModelOptions own;
    RSN_CAPI_RETURN_IF_ERROR(ReadOptions(options, /*from_memory=*/true, &own));
    auto loaded = std::make_shared<LoadedModel>();
    absl::Span<const std::byte> gguf(static_cast<const std::byte*>(bytes), size);
    rsn_model_options given;
    RSN_CAPI_RETURN_IF_ERROR(ReadStruct("rsn_model_options", options, &given));
    if (given.load == RSN_LOAD_COPY) {
      loaded->bytes.assign(gguf.begin(), gguf.end());
      gguf = absl::MakeConstSpan(loaded->bytes);
    }
    return Finish(raison::Model::LoadMemory(gguf, own), std::move(loaded), out);
  });
}

void rsn_model_free(rsn_model* model) {
  if (model == nullptr || !MayFree(&model->header, kModelMagic)) return;
  Guard([&]() -> rsn_status {
    delete model;
    return RSN_OK;
  });
}

}  // extern "C"
