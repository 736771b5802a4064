// A Tokenizer from the tokenizer.* keys of a GGUF file. The file may be hostile: ids, types and merges
// are checked against the token list, whose length the file layer has checked against the file's size.
#include <algorithm>

#include "core/model/text/tokenizer_builder.h"

namespace raison {
namespace {

// tokenizer.ggml.token_type
enum GgufTokenType : int32_t {
  kTypeUndefined = 0,
  kTypeNormal = 1,
  kTypeUnknown = 2,
  kTypeControl = 3,
  kTypeUserDefined = 4,
  kTypeUnused = 5,
  kTypeByte = 6,
};

constexpr size_t kMaxTokens = 4'000'000;      // the largest vocabulary in use has 262,144
constexpr size_t kMaxTokenBytes = 64 * 1024;  // the longest known token has 256 bytes

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufVocab& vocab) {
  if (vocab.model != "gpt2") {
    return absl::UnimplementedError(absl::StrCat(
        "tokenizer.ggml.model is \"", vocab.model.substr(0, 80),
        "\"; only \"gpt2\" (byte-level BPE) is supported"));
  }
  const size_t count = vocab.tokens.size();
  if (count == 0 || count > kMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens has ", count,
                                                   " entries; 1 to ", kMaxTokens,
                                                   " are accepted"));
  }
  if (!vocab.token_types.empty() && vocab.token_types.size() < count) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.token_type has ",
                                                   vocab.token_types.size(), " entries for ", count,
                                                   " tokens"));
  }
  if (vocab.merges.empty()) {
    return absl::InvalidArgumentError("tokenizer.ggml.merges is missing or empty");
  }
  RSN_ASSIGN_OR_RETURN(const NamedPreTokenizer pre, FindPreTokenizer(vocab.pre));

  TokenizerBuilder builder(count);
  for (size_t id = 0; id < count; ++id) {
    const std::string_view text = vocab.tokens[id];
    if (text.size() > kMaxTokenBytes) {
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens[", id, "] has ",
                                                     text.size(), " bytes; at most ",
                                                     kMaxTokenBytes, " are accepted"));
    }
    int32_t type = vocab.token_types.empty() ? kTypeNormal : vocab.token_types[id];
    if (type < kTypeUndefined || type > kTypeByte) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer.ggml.token_type[", id, "] is ", type, "; 0 to 6 are known"));
    }
    // Early converters wrote control tokens as normal ones; then nothing would end an answer.
    if ((type == kTypeNormal || type == kTypeUndefined) && EndsGeneration(text)) type = kTypeControl;
    if (type == kTypeUnused || text.empty()) {
      builder.SetUnused(id);
      continue;
    }
    builder.SetToken(id, text);
    if (type == kTypeControl || type == kTypeUserDefined || type == kTypeUnknown) {
      RSN_RETURN_IF_ERROR(
          builder.SetAdded({.id = static_cast<int32_t>(id), .text = std::string(text)},
                           /*control=*/type != kTypeUserDefined));
    }
  }

  // Each special id is a token, or the file is wrong; UINT32_MAX is how some writers say "none".
  absl::Status status;
  const auto id = [&](std::string_view key, std::optional<uint32_t> value) -> std::optional<int32_t> {
    if (!value.has_value() || *value == UINT32_MAX) return std::nullopt;
    if (*value >= count) {
      status.Update(absl::InvalidArgumentError(absl::StrCat(
          "tokenizer.ggml.", key, " is ", *value, ", but there are ", count, " tokens")));
      return std::nullopt;
    }
    return static_cast<int32_t>(*value);
  };
  const std::optional<int32_t> bos = id("bos_token_id", vocab.bos);
  const std::optional<int32_t> eos = id("eos_token_id", vocab.eos);
  const std::optional<int32_t> padding = id("padding_token_id", vocab.padding);
  const std::optional<int32_t> unknown = id("unknown_token_id", vocab.unknown);
  std::vector<int32_t> ends;
  for (const auto& [key, value] :
       {std::pair{"eot_token_id", vocab.eot}, std::pair{"eom_token_id", vocab.eom},
        std::pair{"fim_pad_token_id", vocab.fim_pad}, std::pair{"fim_rep_token_id", vocab.fim_rep},
        std::pair{"fim_sep_token_id", vocab.fim_sep}}) {
    if (const std::optional<int32_t> end = id(key, value)) ends.push_back(*end);
  }
  RSN_RETURN_IF_ERROR(status);
  builder.SetSpecialIds(bos, eos, padding, unknown);
  builder.SetAddsBos(vocab.add_bos.value_or(pre.add_bos));

  builder.BeginMerges(pre.ignore_merges, std::nullopt, false);
  for (const std::string_view merge : vocab.merges) {
    // The separator is the first space behind the first byte: a part cannot contain a space.
    const size_t space = merge.size() < 3 ? std::string_view::npos : merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) continue;
    // Merges that name unknown tokens are left out, as llama.cpp does: such files exist.
    builder.AddMerge(merge.substr(0, space), merge.substr(space + 1));
  }
  RSN_RETURN_IF_ERROR(builder.SetPreTokenizer(pre.rules, pre.nfc));
  return builder.Finish(ends);
}

}  // namespace raison
