#include "core/model/vocabulary.h"

#include <nlohmann/json.hpp>

#include "core/file/checkpoint.h"

namespace raison {
namespace {

absl::StatusOr<std::unique_ptr<Tokenizer>> FromGguf(const GgufMetadata& gguf) {
  GgufVocab vocab;
  RSN_ASSIGN_OR_RETURN(vocab.model, gguf.GetString("tokenizer.ggml.model"));
  RSN_ASSIGN_OR_RETURN(vocab.pre, gguf.GetString("tokenizer.ggml.pre", ""));
  RSN_ASSIGN_OR_RETURN(const auto tokens, gguf.GetStrings("tokenizer.ggml.tokens"));
  vocab.tokens.assign(tokens.begin(), tokens.end());
  if (gguf.Has("tokenizer.ggml.token_type")) {
    RSN_ASSIGN_OR_RETURN(const auto types, gguf.GetInts("tokenizer.ggml.token_type"));
    vocab.token_types.assign(types.begin(), types.end());
  }
  if (gguf.Has("tokenizer.ggml.merges")) {
    RSN_ASSIGN_OR_RETURN(const auto merges, gguf.GetStrings("tokenizer.ggml.merges"));
    vocab.merges.assign(merges.begin(), merges.end());
  }
  const auto id = [&](const char* name, std::optional<uint32_t>* out) -> absl::Status {
    const std::string key = absl::StrCat("tokenizer.ggml.", name, "_token_id");
    // -1 (also as the largest u32) means "none".
    RSN_ASSIGN_OR_RETURN(const int64_t value, gguf.GetInt(key, -1, UINT32_MAX, -1));
    if (value >= 0 && value != UINT32_MAX) *out = static_cast<uint32_t>(value);
    return absl::OkStatus();
  };
  RSN_RETURN_IF_ERROR(id("bos", &vocab.bos));
  RSN_RETURN_IF_ERROR(id("eos", &vocab.eos));
  RSN_RETURN_IF_ERROR(id("eot", &vocab.eot));
  RSN_RETURN_IF_ERROR(id("eom", &vocab.eom));
  RSN_RETURN_IF_ERROR(id("unknown", &vocab.unknown));
  RSN_RETURN_IF_ERROR(id("padding", &vocab.padding));
  RSN_RETURN_IF_ERROR(id("fim_pad", &vocab.fim_pad));
  RSN_RETURN_IF_ERROR(id("fim_rep", &vocab.fim_rep));
  RSN_RETURN_IF_ERROR(id("fim_sep", &vocab.fim_sep));
  if (gguf.Has("tokenizer.ggml.add_bos_token")) {
    RSN_ASSIGN_OR_RETURN(vocab.add_bos, gguf.GetBool("tokenizer.ggml.add_bos_token"));
  }
  return Tokenizer::FromGguf(vocab);
}

// A token id or a list of them; anything else is left out (the tokenizer checks the range).
void CollectIds(const nlohmann::json* json, const char* key, std::vector<int32_t>* out) {
  if (json == nullptr || !json->contains(key)) return;
  const nlohmann::json& value = (*json)[key];
  const auto add = [out](const nlohmann::json& v) {
    if (!v.is_number_integer()) return;
    const int64_t id = v.get<int64_t>();
    if (id >= 0 && id <= INT32_MAX) out->push_back(static_cast<int32_t>(id));
  };
  if (value.is_array()) {
    for (const nlohmann::json& v : value) add(v);
  } else {
    add(value);
  }
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromFolder(const Checkpoint& checkpoint) {
  if (checkpoint.tokenizer_json_text().empty()) {
    return absl::NotFoundError(absl::StrCat(checkpoint.path(), ": tokenizer.json is missing"));
  }
  const std::string config = checkpoint.tokenizer_config_json() == nullptr
                                 ? ""
                                 : checkpoint.tokenizer_config_json()->dump(
                                       -1, ' ', false, nlohmann::json::error_handler_t::replace);
  HuggingFaceTokenizer files{.tokenizer_json = checkpoint.tokenizer_json_text(),
                             .tokenizer_config_json = config};
  CollectIds(checkpoint.generation_config_json(), "eos_token_id", &files.eos_ids);
  CollectIds(checkpoint.config_json(), "eos_token_id", &files.eos_ids);
  std::vector<int32_t> bos;
  CollectIds(checkpoint.generation_config_json(), "bos_token_id", &bos);
  CollectIds(checkpoint.config_json(), "bos_token_id", &bos);
  if (!bos.empty()) files.bos_id = bos[0];
  return Tokenizer::FromHuggingFace(files);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const Checkpoint& checkpoint) {
  return NamingFile(checkpoint.path(), checkpoint.format() == Checkpoint::Format::kGguf
                                           ? FromGguf(*checkpoint.gguf())
                                           : FromFolder(checkpoint));
}

}  // namespace raison
