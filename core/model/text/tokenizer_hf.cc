// A Tokenizer from tokenizer.json and tokenizer_config.json of a Hugging Face folder. Components that
// byte-level BPE models do not use are refused by name: a wrong split would change every answer.
#include <algorithm>
#include <utility>

#include "core/model/text/json_text.h"
#include "core/model/text/tokenizer_builder.h"
#include "nlohmann/json.hpp"

namespace raison {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxTokenBytes = 64 * 1024;
// Ids may leave holes (padding), but an id must not make us allocate much more than the file holds.
constexpr int64_t kMaxHoles = 65536;

absl::Status Bad(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: ", field, " ", what));
}

absl::Status Refused(std::string_view field, std::string_view value) {
  return absl::UnimplementedError(absl::StrCat("tokenizer.json: ", field, " \"",
                                               value.substr(0, 80), "\" is not supported"));
}

const Json& Member(const Json& object, const char* name) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto it = object.find(name);
  return it == object.end() ? null : *it;
}

std::string_view Text(const Json& value) {
  const std::string* text = value.get_ptr<const Json::string_t*>();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

bool Flag(const Json& object, const char* name, bool otherwise = false) {
  const Json& value = Member(object, name);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

// A value as a sentence quotes it.
std::string Shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
}

// The id in `value`, or -1.
int64_t Id(const Json& value) {
  if (!value.is_number_integer()) return -1;
  const int64_t id = value.is_number_unsigned() && value.get<uint64_t>() > INT32_MAX
                         ? -1
                         : value.get<int64_t>();
  return id < 0 || id > INT32_MAX ? -1 : id;
}

absl::StatusOr<bool> ReadNormalizer(const Json& normalizer) {
  if (normalizer.is_null()) return false;
  const std::string_view type = Text(Member(normalizer, "type"));
  if (type == "NFC") return true;
  if (type != "Sequence") return Refused("normalizer", type);
  bool nfc = false;
  for (const Json& part : Member(normalizer, "normalizers")) {
    if (Text(Member(part, "type")) != "NFC") {
      return Refused("normalizer", Text(Member(part, "type")));
    }
    nfc = true;
  }
  return nfc;
}

absl::StatusOr<SplitBehavior> ReadBehavior(std::string_view name) {
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return Refused("pre_tokenizer: Split behavior", name);
}

// A string pattern as a regular expression that matches just it.
std::string Quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       (c & 0x80) != 0;
    if (plain) {
      out.push_back(c);
    } else {
      static constexpr char kHex[] = "0123456789ABCDEF";
      absl::StrAppend(&out, "\\x{", std::string(1, kHex[c >> 4]), std::string(1, kHex[c & 15]), "}");
    }
  }
  return out;
}

// One step. `byte_level` is set when the bytes-to-characters step is met, which comes last.
absl::Status ReadStep(const Json& step, std::vector<SplitRule>* rules, bool* byte_level) {
  const std::string_view type = Text(Member(step, "type"));
  if (*byte_level) return Refused("pre_tokenizer: a step behind ByteLevel", type);
  if (type == "ByteLevel") {
    if (Flag(step, "add_prefix_space")) return Refused("pre_tokenizer", "ByteLevel add_prefix_space");
    if (Flag(step, "use_regex", true)) rules->push_back({.pattern = std::string(Gpt2Pattern())});
    *byte_level = true;
    return absl::OkStatus();
  }
  if (type == "Digits") {
    rules->push_back({.pattern = R"(\p{N})",
                      .behavior = Flag(step, "individual_digits") ? SplitBehavior::kIsolated
                                                                  : SplitBehavior::kContiguous});
    return absl::OkStatus();
  }
  if (type == "Punctuation") {
    const Json& behavior = Member(step, "behavior");
    SplitRule rule{.pattern = R"([!-/:-@\[-`{-~\p{P}])"};
    if (!behavior.is_null()) {
      RSN_ASSIGN_OR_RETURN(rule.behavior, ReadBehavior(Text(behavior)));
    }
    rules->push_back(std::move(rule));
    return absl::OkStatus();
  }
  if (type == "Split") {
    SplitRule rule;
    const Json& pattern = Member(step, "pattern");
    const Json &regex = Member(pattern, "Regex"), &text = Member(pattern, "String");
    if (regex.is_string()) {
      RSN_ASSIGN_OR_RETURN(rule.pattern, TranslateOniguruma(Text(regex)));
    } else if (text.is_string()) {
      rule.pattern = Quoted(Text(text));
    } else {
      return Bad("pre_tokenizer: Split", "has no pattern of type Regex or String");
    }
    RSN_ASSIGN_OR_RETURN(rule.behavior, ReadBehavior(Text(Member(step, "behavior"))));
    rule.invert = Flag(step, "invert");
    rules->push_back(std::move(rule));
    return absl::OkStatus();
  }
  return Refused("pre_tokenizer", type);
}

absl::StatusOr<std::vector<SplitRule>> ReadPreTokenizer(const Json& pre) {
  std::vector<SplitRule> rules;
  bool byte_level = false;
  if (Text(Member(pre, "type")) == "Sequence") {
    for (const Json& step : Member(pre, "pretokenizers")) {
      RSN_RETURN_IF_ERROR(ReadStep(step, &rules, &byte_level));
    }
  } else if (!pre.is_null()) {
    RSN_RETURN_IF_ERROR(ReadStep(pre, &rules, &byte_level));
  }
  if (!byte_level) {
    return absl::UnimplementedError(
        "tokenizer.json: pre_tokenizer has no ByteLevel step; only byte-level BPE is supported");
  }
  return rules;
}

// Options of the model that change ids and that no supported family uses.
absl::Status CheckModel(const Json& model) {
  const Json& type = Member(model, "type");
  const bool bpe = type.is_null() ? !Member(model, "merges").is_null() : Text(type) == "BPE";
  if (!bpe) return Refused("model.type", Text(type));
  const Json& dropout = Member(model, "dropout");
  if (dropout.is_number() ? dropout.get<double>() != 0 : !dropout.is_null()) {
    return Refused("model", "dropout");
  }
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = Member(model, name);
    if (!value.is_null() && !(value.is_string() && Text(value).empty())) {
      return Refused("model", name);
    }
  }
  if (Flag(model, "byte_fallback")) return Refused("model", "byte_fallback");
  return absl::OkStatus();
}

struct Token {
  std::string_view text;
  int64_t id;
};

absl::Status ReadMerges(const Json& merges, TokenizerBuilder* builder) {
  if (!merges.is_array()) {
    return Bad("model.merges", absl::StrCat("is not a list but ", Shown(merges)));
  }
  size_t index = 0;
  for (const Json& merge : merges) {
    std::string_view left, right;
    if (merge.is_string()) {
      const std::string_view both = Text(merge);
      const size_t space = both.find(' ');
      if (space != std::string_view::npos) {
        left = both.substr(0, space);
        right = both.substr(space + 1);
      }
    } else if (merge.is_array() && merge.size() == 2) {
      left = Text(merge[0]);
      right = Text(merge[1]);
    }
    if (left.empty() || right.empty()) {
      return Bad(absl::StrCat("model.merges[", index, "]"),
                 absl::StrCat("is not a pair of texts but ", Shown(merge)));
    }
    if (!builder->AddMerge(left, right)) {
      return Bad(absl::StrCat("model.merges[", index, "]"),
                 absl::StrCat("has a part or a result that is not in model.vocab: ", Shown(merge)));
    }
    ++index;
  }
  return absl::OkStatus();
}

// Whether the post-processor puts something in front of the text, and which BOS that is.
std::optional<int32_t> LeadingSpecial(const Json& processor) {
  const std::string_view type = Text(Member(processor, "type"));
  if (type == "Sequence") {
    for (const Json& part : Member(processor, "processors")) {
      if (const auto id = LeadingSpecial(part)) return id;
    }
    return std::nullopt;
  }
  if (type != "TemplateProcessing") return std::nullopt;
  const Json& single = Member(processor, "single");
  if (!single.is_array() || single.empty()) return std::nullopt;
  const std::string_view name = Text(Member(Member(single[0], "SpecialToken"), "id"));
  if (name.empty()) return std::nullopt;
  const Json& ids =
      Member(Member(Member(processor, "special_tokens"), std::string(name).c_str()), "ids");
  if (!ids.is_array() || ids.empty() || Id(ids[0]) < 0) return std::nullopt;
  return static_cast<int32_t>(Id(ids[0]));
}

// `bos_token` and the like are a text or an object with a content.
std::string_view TokenText(const Json& config, const char* name) {
  const Json& value = Member(config, name);
  return Text(value.is_object() ? Member(value, "content") : value);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromHuggingFace(
    const HuggingFaceTokenizer& files) {
  RSN_ASSIGN_OR_RETURN(const Json root, ParseJson(files.tokenizer_json, "tokenizer.json"));
  Json config = Json::object();
  if (!files.tokenizer_config_json.empty()) {
    RSN_ASSIGN_OR_RETURN(config, ParseJson(files.tokenizer_config_json, "tokenizer_config.json"));
  }
  const Json& model = Member(root, "model");
  if (!model.is_object()) return Bad("model", absl::StrCat("is not an object but ", Shown(model)));
  RSN_RETURN_IF_ERROR(CheckModel(model));
  RSN_ASSIGN_OR_RETURN(const bool nfc, ReadNormalizer(Member(root, "normalizer")));
  RSN_ASSIGN_OR_RETURN(const std::vector<SplitRule> rules,
                       ReadPreTokenizer(Member(root, "pre_tokenizer")));

  const Json& vocab = Member(model, "vocab");
  const Json& added = Member(root, "added_tokens");
  if (!vocab.is_object() || vocab.empty()) {
    return Bad("model.vocab", absl::StrCat("is not an object with entries but ", Shown(vocab)));
  }
  if (!added.is_null() && !added.is_array()) {
    return Bad("added_tokens", absl::StrCat("is not a list but ", Shown(added)));
  }
  std::vector<Token> tokens;
  tokens.reserve(vocab.size());
  int64_t top = -1;
  const int64_t limit = static_cast<int64_t>(vocab.size() + added.size()) + kMaxHoles;
  for (const auto& [text, id] : vocab.items()) {
    tokens.push_back({text, Id(id)});
    if (tokens.back().id < 0 || tokens.back().id >= limit || text.size() > kMaxTokenBytes) {
      return Bad("model.vocab", absl::StrCat("has the entry \"", text.substr(0, 80),
                                             "\" with an id or a length out of range"));
    }
    top = std::max(top, tokens.back().id);
  }
  for (size_t i = 0; i < added.size(); ++i) {
    const int64_t id = Id(Member(added[i], "id"));
    if (id < 0 || id >= limit || !Member(added[i], "content").is_string()) {
      return Bad(absl::StrCat("added_tokens[", i, "]"),
                 absl::StrCat("has no content or an id out of range: ", Shown(added[i])));
    }
    top = std::max(top, id);
  }

  TokenizerBuilder builder(static_cast<size_t>(top) + 1);
  for (const Token& token : tokens) builder.SetToken(static_cast<size_t>(token.id), token.text);
  std::optional<int32_t> unknown, bos = files.bos_id, eos, padding;
  const std::string_view bos_text = TokenText(config, "bos_token");
  const std::string_view eos_text = TokenText(config, "eos_token");
  const std::string_view pad_text = TokenText(config, "pad_token");
  const std::string_view unk_text = Text(Member(model, "unk_token"));
  for (size_t i = 0; i < added.size(); ++i) {
    const Json& entry = added[i];
    AddedToken token{.id = static_cast<int32_t>(Id(Member(entry, "id"))),
                     .text = std::string(Text(Member(entry, "content"))),
                     .single_word = Flag(entry, "single_word"),
                     .lstrip = Flag(entry, "lstrip"),
                     .rstrip = Flag(entry, "rstrip"),
                     .normalized = Flag(entry, "normalized"),
                     .special = Flag(entry, "special")};
    if (!token.text.empty() && token.text == bos_text) bos = token.id;
    if (!token.text.empty() && token.text == eos_text) eos = token.id;
    if (!token.text.empty() && token.text == pad_text) padding = token.id;
    // Without a normaliser both searches see the same text, so one automaton finds the longest.
    if (!nfc) token.normalized = false;
    const bool control = token.special || LooksLikeControl(token.text);
    RSN_RETURN_IF_ERROR(builder.SetAdded(token, control));
  }
  // The special tokens may also be plain entries of the vocabulary.
  for (const Token& token : tokens) {
    const int32_t id = static_cast<int32_t>(token.id);
    if (token.text.empty()) continue;
    if (token.text == unk_text) unknown = id;
    if (!bos && token.text == bos_text) bos = id;
    if (!eos && token.text == eos_text) eos = id;
    if (!padding && token.text == pad_text) padding = id;
  }
  if (bos.has_value() && (*bos < 0 || *bos > top)) bos.reset();
  const std::optional<int32_t> leading = LeadingSpecial(Member(root, "post_processor"));
  builder.SetAddsBos(Flag(config, "add_bos_token") ||
                     (leading.has_value() && (!bos.has_value() || *leading == *bos)));
  if (!bos.has_value() && leading.has_value() && *leading <= top) bos = leading;
  builder.SetSpecialIds(bos, eos, padding, unknown);

  builder.BeginMerges(Flag(model, "ignore_merges"), unknown, Flag(model, "fuse_unk"));
  RSN_RETURN_IF_ERROR(ReadMerges(Member(model, "merges"), &builder));
  RSN_RETURN_IF_ERROR(builder.SetPreTokenizer(rules, nfc));
  return builder.Finish(files.eos_ids);
}

}  // namespace raison
