#include "core/convert/vocabulary.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "core/base/os/files.h"
#include "core/file/json.h"

namespace raison {
namespace {

using Json = nlohmann::json;

enum TokenType : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

constexpr size_t kMaxTokenText = size_t{1} << 16;

absl::Status Bad(std::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: ", text));
}

const Json& At(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto it = object.find(key);
  return it == object.end() ? nothing : *it;
}
std::string Text(const Json& value) { return value.is_string() ? value.get<std::string>() : ""; }
bool IsTrue(const Json& value) { return value.is_boolean() && value.get<bool>(); }

// One line per step of the pre-tokenizer, as the files of the known families spell them.
std::vector<std::string> Steps(const Json& pre) {
  std::vector<std::string> steps;
  if (!pre.is_object()) return steps;
  const std::string type = Text(At(pre, "type"));
  if (type == "Sequence") {
    const Json& list = At(pre, "pretokenizers");
    if (!list.is_array()) return steps;
    for (const Json& part : list) {
      // A sequence inside a sequence is not written by any family.
      const bool plain = part.is_object() && Text(At(part, "type")) != "Sequence";
      steps.push_back(plain ? Steps(part).front() : "?");
    }
  } else if (type == "Split") {
    const bool isolated = Text(At(pre, "behavior")) == "Isolated" && !IsTrue(At(pre, "invert"));
    steps.push_back(absl::StrCat(isolated ? "Isolated " : "Other ",
                                 Text(At(At(pre, "pattern"), "Regex"))));
  } else if (type == "Digits") {
    steps.push_back(IsTrue(At(pre, "individual_digits")) ? "Digits" : "DigitRuns");
  } else if (type == "ByteLevel") {
    const Json& regex = At(pre, "use_regex");  // absent: true
    const bool split = !regex.is_boolean() || regex.get<bool>();
    steps.push_back(IsTrue(At(pre, "add_prefix_space")) ? "ByteLevelPrefixed"
                    : split                             ? "ByteLevelSplit"
                                                        : "ByteLevel");
  } else {
    steps.push_back(type.empty() ? "?" : type);
  }
  return steps;
}

constexpr char kLlama3[] =
    R"(Isolated (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2[] =
    R"(Isolated (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kDeepSeekV3[] =
    R"(Isolated [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// U+4E00-9FA5, U+3040-309F, U+30A0-30FF; and U+4E00-9FA5, U+0800-4E00, U+AC00-D7FF.
constexpr char kKana[] =
    "Isolated [\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+";
constexpr char kWideCjk[] =
    "Isolated [\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+";

using StepList = std::vector<std::string>;

bool IsDeepSeekLlm(const StepList& s) {
  return s.size() == 7 && s[0] == R"(Isolated [\r\n])" &&
         absl::StartsWith(s[1], R"(Isolated \s?[A-Za-z)") &&
         absl::StartsWith(s[2], R"(Isolated \s?[!-/:-~)") && s[3] == R"(Isolated \s+$)" &&
         s[4] == kWideCjk && s[5] == "Digits" && s[6] == "ByteLevel";
}

bool HasAddedToken(const Json& tokenizer, std::string_view text) {
  const Json& added = At(tokenizer, "added_tokens");
  return added.is_array() && std::any_of(added.begin(), added.end(), [&](const Json& token) {
           return Text(At(token, "content")) == text;
         });
}

// Texts that converters treat as control tokens even where the file does not call them special.
bool LooksSpecial(std::string_view text) {
  constexpr std::string_view kOpen = "<\xef\xbd\x9c", kClose = "\xef\xbd\x9c>";  // fullwidth bars
  return (absl::StartsWith(text, "<|") && absl::EndsWith(text, "|>")) ||
         (absl::StartsWith(text, kOpen) && absl::EndsWith(text, kClose)) ||
         absl::StartsWith(text, "<unused") || text == "<pad>" || text == "<mask>" ||
         text == "<2mass>" || text == "[@BOS@]";
}

struct Vocabulary {
  std::vector<std::string> tokens;  // (vocab_size)
  std::vector<int32_t> types;       // (vocab_size)
  absl::flat_hash_map<std::string, uint32_t> ids;

  absl::Status Set(const std::string& text, const Json& id, int32_t type) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() >= static_cast<int64_t>(tokens.size()) || text.size() > kMaxTokenText) {
      return Bad(absl::StrCat("the token '", text.substr(0, 80), "' has the id ",
                              id.dump().substr(0, 30), ", but the model has ", tokens.size(),
                              " rows"));
    }
    const size_t i = static_cast<size_t>(id.get<int64_t>());
    tokens[i] = text;
    types[i] = type;
    ids[text] = static_cast<uint32_t>(i);
    return absl::OkStatus();
  }
};

absl::StatusOr<Vocabulary> ReadVocabulary(const Json& tokenizer, uint32_t vocab_size) {
  Vocabulary v;
  for (uint32_t i = 0; i < vocab_size; ++i) v.tokens.push_back(absl::StrCat("[PAD", i, "]"));
  v.types.assign(vocab_size, kUnused);
  const Json& vocab = At(At(tokenizer, "model"), "vocab");
  if (!vocab.is_object()) return Bad("model.vocab is not an object");
  for (const auto& [text, id] : vocab.items()) RSN_RETURN_IF_ERROR(v.Set(text, id, kNormal));
  const Json& added = At(tokenizer, "added_tokens");
  if (!added.is_array() && !added.is_null()) return Bad("added_tokens is not a list");
  for (const Json& token : added) {
    const std::string text = Text(At(token, "content"));
    const bool control = IsTrue(At(token, "special")) || LooksSpecial(text);
    RSN_RETURN_IF_ERROR(v.Set(text, At(token, "id"), control ? kControl : kUserDefined));
  }
  return v;
}

absl::StatusOr<std::vector<std::string>> ReadMerges(const Json& tokenizer) {
  const Json& list = At(At(tokenizer, "model"), "merges");
  if (!list.is_array()) return Bad("model.merges is not a list");
  std::vector<std::string> merges;
  for (const Json& merge : list) {
    if (merge.is_string()) {
      merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      // The separator is a space, so one inside a part is written as the byte alphabet's.
      const auto part = [](const Json& text) {
        return absl::StrReplaceAll(text.get<std::string>(), {{" ", "\xc4\xa0"}});
      };
      merges.push_back(absl::StrCat(part(merge[0]), " ", part(merge[1])));
    } else {
      return Bad(absl::StrCat("model.merges[", merges.size(), "] is neither text nor a pair"));
    }
  }
  return merges;
}

// "bos_token": text, or { "content": text }.
std::optional<uint32_t> SpecialId(const Checkpoint& in, const Vocabulary& v, const char* role) {
  if (in.tokenizer_config_json() != nullptr) {
    const Json& token = At(*in.tokenizer_config_json(), absl::StrCat(role, "_token").c_str());
    const auto it = v.ids.find(Text(token.is_object() ? At(token, "content") : token));
    if (it != v.ids.end()) return it->second;
  }
  for (const Json* file : {in.generation_config_json(), in.config_json()}) {
    if (file == nullptr) continue;
    const Json& value = At(*file, absl::StrCat(role, "_token_id").c_str());
    const Json& id = value.is_array() && !value.empty() ? value[0] : value;
    if (id.is_number_integer() && id.get<int64_t>() >= 0 &&
        id.get<int64_t>() < static_cast<int64_t>(v.tokens.size())) {
      return static_cast<uint32_t>(id.get<int64_t>());
    }
  }
  return std::nullopt;
}

// Further ends of generation_config.json go where GGUF has room for them: end of turn, of message.
void AddStops(const Checkpoint& in, const Vocabulary& v, std::optional<uint32_t> eos,
              GgufWriter& out) {
  if (in.generation_config_json() == nullptr) return;
  const Json& list = At(*in.generation_config_json(), "eos_token_id");
  if (!list.is_array()) return;
  std::vector<const char*> keys = {"tokenizer.ggml.eom_token_id", "tokenizer.ggml.eot_token_id"};
  for (const Json& id : list) {
    const bool known = id.is_number_integer() && id.get<int64_t>() >= 0 &&
                       id.get<int64_t>() < static_cast<int64_t>(v.tokens.size());
    if (!known || id.get<int64_t>() == eos || keys.empty()) continue;
    out.AddUint32(keys.back(), static_cast<uint32_t>(id.get<int64_t>()));
    keys.pop_back();
  }
}

// Whether encoding puts the token first (or last): the config says so, else the post-processor.
bool AddsToken(const Checkpoint& in, const Json& tokenizer, const char* role,
               const std::string& text) {
  if (in.tokenizer_config_json() != nullptr) {
    const Json& flag = At(*in.tokenizer_config_json(), absl::StrCat("add_", role, "_token").c_str());
    if (flag.is_boolean()) return flag.get<bool>();
  }
  const Json& post = At(tokenizer, "post_processor");
  std::vector<const Json*> processors = {&post};
  if (Text(At(post, "type")) == "Sequence" && At(post, "processors").is_array()) {
    processors.clear();
    for (const Json& part : At(post, "processors")) processors.push_back(&part);
  }
  for (const Json* processor : processors) {
    const Json& single = At(*processor, "single");
    if (!single.is_array() || single.empty()) continue;
    const Json& piece = std::string_view(role) == "bos" ? single.front() : single.back();
    if (Text(At(At(piece, "SpecialToken"), "id")) == text) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> PreTokenizerName(const Json& tokenizer) {
  const StepList s = Steps(At(tokenizer, "pre_tokenizer"));
  if (s == StepList{R"(Isolated \p{N}{1,3})", kKana, kDeepSeekV3, "ByteLevel"}) {
    return "deepseek-v3";
  }
  if (s == StepList{kLlama3, "ByteLevel"}) return "llama-bpe";
  if (s == StepList{kQwen2, "ByteLevel"}) {
    // DeepSeek's distilled models use Qwen's splits with their own special tokens.
    const bool deepseek = HasAddedToken(
        tokenizer, "<\xef\xbd\x9c" "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>");
    return deepseek ? "deepseek-r1-qwen" : "qwen2";
  }
  if (s == StepList{"Digits", "ByteLevelSplit"}) return "smollm";
  if (s == StepList{"ByteLevelSplit"}) return "gpt-2";
  if (IsDeepSeekLlm(s)) return "deepseek-llm";
  if (s == StepList{R"(Isolated [\r\n])", R"(Isolated \s?\p{L}+)", R"(Isolated \s?\p{P}+)",
                    kWideCjk, R"(Isolated \p{N})", "ByteLevel"}) {
    return "deepseek-coder";
  }
  std::string shown;
  for (const std::string& step : s) absl::StrAppend(&shown, shown.empty() ? "" : "; ", step);
  return absl::UnimplementedError(absl::StrCat(
      "tokenizer.json: the pre_tokenizer (", shown.substr(0, 300),
      ") is none of deepseek-v3, deepseek-llm, deepseek-coder, llama-bpe, qwen2, smollm, gpt-2"));
}

absl::Status AddVocabulary(const Checkpoint& in, uint32_t vocab_size, GgufWriter& out) {
  if (in.tokenizer_json_text().empty()) {
    return absl::NotFoundError(absl::StrCat(in.path(), ": has no tokenizer.json"));
  }
  RSN_ASSIGN_OR_RETURN(
      const Json tokenizer,
      ParseJsonObject(in.tokenizer_json_text(), JoinPath(in.path(), "tokenizer.json")));
  const Json& model = At(tokenizer, "model");
  if (Text(At(model, "type")) != "BPE" || IsTrue(At(model, "byte_fallback")) ||
      !At(model, "dropout").is_null()) {
    return absl::UnimplementedError("tokenizer.json: only byte-level BPE can be converted");
  }
  RSN_ASSIGN_OR_RETURN(const std::string pre, PreTokenizerName(tokenizer));
  if (IsTrue(At(model, "ignore_merges")) != (pre == "llama-bpe")) {
    return absl::UnimplementedError(absl::StrCat(
        "tokenizer.json: ignore_merges does not fit the pre-tokenizer ", pre, " in a GGUF file"));
  }
  const std::string normalizer = Text(At(At(tokenizer, "normalizer"), "type"));
  const bool nfc = pre == "qwen2" || pre == "deepseek-r1-qwen";
  const bool no_steps = At(At(tokenizer, "normalizer"), "normalizers") == Json::array();
  if (!normalizer.empty() && !no_steps && !(nfc && normalizer == "NFC")) {
    return absl::UnimplementedError(absl::StrCat("tokenizer.json: the normalizer ", normalizer,
                                                 " cannot be expressed in a GGUF file"));
  }
  RSN_ASSIGN_OR_RETURN(const Vocabulary v, ReadVocabulary(tokenizer, vocab_size));
  RSN_ASSIGN_OR_RETURN(const std::vector<std::string> merges, ReadMerges(tokenizer));
  out.AddString("tokenizer.ggml.model", "gpt2");
  out.AddString("tokenizer.ggml.pre", pre);
  out.AddStrings("tokenizer.ggml.tokens", v.tokens);
  out.AddInt32s("tokenizer.ggml.token_type", v.types);
  out.AddStrings("tokenizer.ggml.merges", merges);
  const auto bos = SpecialId(in, v, "bos"), eos = SpecialId(in, v, "eos");
  if (bos) out.AddUint32("tokenizer.ggml.bos_token_id", *bos);
  if (eos) out.AddUint32("tokenizer.ggml.eos_token_id", *eos);
  if (const auto pad = SpecialId(in, v, "pad")) {
    out.AddUint32("tokenizer.ggml.padding_token_id", *pad);
  }
  AddStops(in, v, eos, out);
  out.AddBool("tokenizer.ggml.add_bos_token",
              bos && AddsToken(in, tokenizer, "bos", v.tokens[*bos]));
  out.AddBool("tokenizer.ggml.add_eos_token",
              eos && AddsToken(in, tokenizer, "eos", v.tokens[*eos]));
  return absl::OkStatus();
}

}  // namespace raison
