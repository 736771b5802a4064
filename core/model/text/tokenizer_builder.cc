#include "core/model/text/tokenizer_builder.h"

#include <algorithm>
#include <array>

#include "core/model/text/byte_alphabet.h"
#include "core/model/text/normalize.h"
#include "core/model/text/utf8.h"

namespace raison {
namespace {

// Texts of tokens that end a turn, whatever ids the file names: many files name only one of them.
constexpr std::array<std::string_view, 22> kEndTexts = {
    "<|eot_id|>",    "<|im_end|>",  "<|end|>",      "<|return|>",
    "<|call|>",      "<|flush|>",   "<|calls|>",    "<end_of_turn>",
    "<|endoftext|>", "</s>",        "<|eom_id|>",   "<EOT>",
    "_<EOT>",        "[EOT]",       "[EOS]",        "<|end_of_text|>",
    "<eos>",         "<turn|>",     "<|tool_response>", "<end_of_utterance>",
    "[e~[",          "<｜end▁of▁sentence｜>",
};

}  // namespace

bool EndsGeneration(std::string_view text) {
  return std::find(kEndTexts.begin(), kEndTexts.end(), text) != kEndTexts.end();
}

bool LooksLikeControl(std::string_view text) {
  const auto between = [&](std::string_view left, std::string_view right) {
    return text.size() > left.size() + right.size() && text.starts_with(left) &&
           text.ends_with(right);
  };
  // Harmony's structure tokens are printed: the reader of the stream needs them.
  if (text == "<|channel|>" || text == "<|message|>" || text == "<|start|>" ||
      text == "<|constrain|>") {
    return false;
  }
  return between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">") ||
         text == "<pad>" || text == "<mask>";
}

TokenizerBuilder::TokenizerBuilder(size_t vocab_size) : tokenizer_(new Tokenizer) {
  tokenizer_->bytes_.resize(vocab_size);
  tokenizer_->roles_.resize(vocab_size, MergeRole::kNone);
  tokenizer_->flags_.resize(vocab_size, 0);
}

void TokenizerBuilder::SetToken(size_t id, std::string_view text) {
  std::optional<std::string> bytes = BytesFromAlphabet(text);
  tokenizer_->roles_[id] = bytes.has_value() ? MergeRole::kFull : MergeRole::kNone;
  tokenizer_->bytes_[id] = bytes.has_value() ? *std::move(bytes) : std::string(text);
}

void TokenizerBuilder::SetUnused(size_t id) {
  tokenizer_->roles_[id] = MergeRole::kNone;
  tokenizer_->bytes_[id].clear();
}

absl::Status TokenizerBuilder::SetAdded(const AddedToken& token, bool control) {
  const size_t id = static_cast<size_t>(token.id);
  // Its text counts as written. Merges may still lead to it where it reads alike in the alphabet.
  if (tokenizer_->roles_[id] == MergeRole::kFull) {
    tokenizer_->roles_[id] = tokenizer_->bytes_[id] == token.text ? MergeRole::kMergesOnly
                                                                  : MergeRole::kNone;
  }
  tokenizer_->bytes_[id] = token.text;
  tokenizer_->flags_[id] |= Tokenizer::kAdded | (control ? Tokenizer::kControl : 0);
  tokenizer_->added_.push_back(token.id);
  if (!token.normalized) return tokenizer_->matcher_.Add(token);
  // It is searched in normalised text, so in its own normal form.
  AddedToken searched = token;
  std::string buffer;
  if (ValidUtf8Prefix(token.text) == token.text.size()) {
    searched.text = std::string(NormalizeNfc(token.text, &buffer));
  }
  return tokenizer_->normalized_matcher_.Add(searched);
}

void TokenizerBuilder::BeginMerges(bool ignore_merges, std::optional<int32_t> unknown,
                                   bool fuse_unknown) {
  tokenizer_->bpe_ = std::make_unique<Bpe>(Bpe::Vocab{.tokens = &tokenizer_->bytes_,
                                                      .roles = &tokenizer_->roles_,
                                                      .ignore_merges = ignore_merges,
                                                      .unknown = unknown.value_or(-1),
                                                      .fuse_unknown = fuse_unknown});
}

bool TokenizerBuilder::AddMerge(std::string_view left, std::string_view right) {
  const std::optional<std::string> a = BytesFromAlphabet(left), b = BytesFromAlphabet(right);
  return a.has_value() && b.has_value() && tokenizer_->bpe_->AddMerge(*a, *b);
}

absl::Status TokenizerBuilder::SetPreTokenizer(const std::vector<SplitRule>& rules, bool nfc) {
  RSN_ASSIGN_OR_RETURN(tokenizer_->pre_, PreTokenizer::Create(rules));
  tokenizer_->nfc_ = nfc;
  return absl::OkStatus();
}

void TokenizerBuilder::SetSpecialIds(std::optional<int32_t> bos, std::optional<int32_t> eos,
                                     std::optional<int32_t> padding,
                                     std::optional<int32_t> unknown) {
  tokenizer_->bos_ = bos;
  tokenizer_->eos_ = eos;
  tokenizer_->padding_ = padding;
  tokenizer_->unknown_ = unknown;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerBuilder::Finish(
    const std::vector<int32_t>& end_ids) {
  Tokenizer& t = *tokenizer_;
  std::sort(t.added_.begin(), t.added_.end());
  t.added_.erase(std::unique(t.added_.begin(), t.added_.end()), t.added_.end());
  std::vector<int32_t> ends = end_ids;
  if (t.eos_.has_value()) ends.push_back(*t.eos_);
  bool has_return = false, has_call = false, has_calls = false, has_flush = false,
       has_tool_response = false;
  for (const int32_t id : t.added_) {
    const std::string& text = t.bytes_[id];
    if (!EndsGeneration(text)) continue;
    ends.push_back(id);
    has_return |= text == "<|return|>";
    has_call |= text == "<|call|>";
    has_calls |= text == "<|calls|>";
    has_flush |= text == "<|flush|>";
    has_tool_response |= text == "<|tool_response>";
  }
  for (const int32_t id : ends) {
    if (id < 0 || id >= t.vocab_size()) continue;  // an id of rows without a token
    const std::string& text = t.bytes_[id];
    // gpt-oss: <|end|> closes one message of an answer, not the answer.
    if (text == "<|end|>" && ((has_return && has_call) || (has_calls && has_flush))) continue;
    if (text == "</s>" && has_tool_response) continue;
    t.flags_[id] |= Tokenizer::kEndOfGeneration;
  }
  for (int32_t id = 0; id < t.vocab_size(); ++id) {
    if (t.IsEndOfGeneration(id)) t.end_ids_.push_back(id);
  }
  return std::move(tokenizer_);
}

}  // namespace raison
