// The noun "model": tokens and templates.
#include "capi/tokens.h"

#include "capi/generate_options.h"
#include "capi/text.h"
#include "core/session/prompt.h"

namespace raison::capi {

rsn_status ReadTokenizeFlags(const Tokenizer& tokenizer, uint32_t flags, EncodeOptions* out) {
  if ((flags & ~uint32_t{RSN_TOKENIZE_SPECIAL | RSN_TOKENIZE_BOS}) != 0) {
    return FailWith(RSN_ERR_ARGUMENT, "flags = ", flags, ": has bits that are no RSN_TOKENIZE_*");
  }
  out->parse_special = (flags & RSN_TOKENIZE_SPECIAL) != 0;
  out->add_bos = (flags & RSN_TOKENIZE_BOS) != 0 && tokenizer.adds_bos();
  return RSN_OK;
}

namespace {

rsn_status CheckModel(const rsn_model* model) {
  return CheckHeader("model", model == nullptr ? nullptr : &model->header, kModelMagic);
}

rsn_status CheckToken(const Model& model, int32_t token) {
  if (token >= 0 && static_cast<uint32_t>(token) < model.config().vocab_size) return RSN_OK;
  return FailWith(RSN_ERR_ARGUMENT, "token ", token, " is outside the vocabulary of ",
                  model.config().vocab_size);
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_model_tokenize(const rsn_model* model, const char* text, size_t text_size,
                              uint32_t flags, int32_t* tokens, size_t capacity, size_t* count) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(tokens, capacity, count));
    std::string_view given;
    RSN_CAPI_RETURN_IF_ERROR(ReadText("text", text, text_size, &given));
    const raison::Tokenizer& tokenizer = model->loaded->model->tokenizer();
    raison::EncodeOptions options;
    RSN_CAPI_RETURN_IF_ERROR(ReadTokenizeFlags(tokenizer, flags, &options));
    const auto ids = tokenizer.Encode(given, options);
    if (!ids.ok()) return Fail(ids.status(), Doing::kReading);
    return WriteArray(ids->data(), ids->size(), tokens, capacity, count);
  });
}

rsn_status rsn_model_detokenize(const rsn_model* model, const int32_t* tokens, size_t count,
                                uint32_t flags, char* text, size_t capacity, size_t* text_size) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(text, capacity, text_size));
    if (tokens == nullptr && count > 0) return Fail(RSN_ERR_ARGUMENT, "tokens: NULL");
    if (count > PTRDIFF_MAX / sizeof(int32_t)) return FailWith(RSN_ERR_ARGUMENT, "count = ", count);
    if ((flags & ~uint32_t{RSN_DETOKENIZE_SPECIAL}) != 0) {
      return FailWith(RSN_ERR_ARGUMENT, "flags = ", flags,
                      ": has bits that are no RSN_DETOKENIZE_*");
    }
    const raison::Model& own = *model->loaded->model;
    for (size_t i = 0; i < count; ++i) RSN_CAPI_RETURN_IF_ERROR(CheckToken(own, tokens[i]));
    const std::string bytes = own.tokenizer().DecodeBytes(
        std::vector<int32_t>(tokens, tokens + count), (flags & RSN_DETOKENIZE_SPECIAL) == 0);
    return WriteArray(bytes.data(), bytes.size(), text, capacity, text_size);
  });
}

rsn_status rsn_model_token_text(const rsn_model* model, int32_t token, const char** text,
                                size_t* text_size) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    if (text == nullptr || text_size == nullptr) {
      return Fail(RSN_ERR_ARGUMENT, "text or text_size: NULL");
    }
    RSN_CAPI_RETURN_IF_ERROR(CheckToken(*model->loaded->model, token));
    LendText(model->loaded->model->tokenizer().TokenBytes(token), text, text_size);
    return RSN_OK;
  });
}

rsn_status rsn_model_render(const rsn_model* model, const rsn_messages* messages,
                            const rsn_generate_options* options, char* text, size_t capacity,
                            size_t* text_size) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckModel(model));
    RSN_CAPI_RETURN_IF_ERROR(CheckHeader(
        "messages", messages == nullptr ? nullptr : &messages->header, kMessagesMagic));
    RSN_CAPI_RETURN_IF_ERROR(CheckArray(text, capacity, text_size));
    raison::GenerateOptions own;
    RSN_CAPI_RETURN_IF_ERROR(ReadGenerateOptions(options, &own));
    const auto& chat_template = model->loaded->model->chat_template();
    if (!chat_template.ok()) return Fail(chat_template.status(), Doing::kTemplating);
    const auto prompt = raison::RenderMessages(**chat_template, messages->list, own);
    if (!prompt.ok()) return Fail(prompt.status(), Doing::kTemplating);
    return WriteArray(prompt->text.data(), prompt->text.size(), text, capacity, text_size);
  });
}

}  // extern "C"
