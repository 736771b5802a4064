#include "core/model/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/model/text/normalize.h"
#include "core/model/text/utf8.h"

namespace raison {
namespace {

// Positions are 32-bit inside; and a prompt of this size is a mistake.
constexpr size_t kMaxText = size_t{1} << 30;
// Scratch objects kept for reuse: about 1 MiB each, so a burst of threads does not hold memory.
constexpr size_t kMaxIdle = 16;

struct TagPair {
  std::string_view open, close;
};
// The tags of the families in use; the first pair that the vocabulary or the template knows counts.
constexpr TagPair kTagPairs[] = {
    {"<think>", "</think>"},       {"[THINK]", "[/THINK]"}, {"<mm:think>", "</mm:think>"},
    {"<seed:think>", "</seed:think>"}, {"◁think▷", "◁/think▷"},
};

}  // namespace

struct Tokenizer::Scratch {
  BpeScratch bpe;
  PreTokenizer::Scratch pre;
  std::string normalized;
};

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;

std::unique_ptr<Tokenizer::Scratch> Tokenizer::TakeScratch() const {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Scratch> scratch = std::move(idle_.back());
      idle_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

void Tokenizer::GiveScratch(std::unique_ptr<Scratch> scratch) const {
  absl::MutexLock lock(&mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(scratch));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(std::string_view text,
                                                       const EncodeOptions& options) const {
  if (text.size() > kMaxText) {
    return absl::InvalidArgumentError(
        absl::StrCat("the text has ", text.size(), " bytes; at most ", kMaxText, " are accepted"));
  }
  std::vector<int32_t> out;
  out.reserve(text.size() / 4 + 8);  // English has about four bytes per token
  if (options.add_bos && bos_.has_value()) out.push_back(*bos_);
  std::unique_ptr<Scratch> scratch = TakeScratch();
  // Tokens of white space carry no control meaning and belong to the plain vocabulary.
  const bool whitespace_only = !options.parse_special;
  absl::Status status;
  size_t at = 0;
  while (status.ok() && at < text.size()) {
    const AddedTokenMatcher::Match match =
        matcher_.Find(text, at, options.literal, whitespace_only);
    const size_t end = match.found ? match.begin : text.size();
    if (!options.parse_special || options.literal.empty() || normalized_matcher_.empty()) {
      status = EncodeText(text.substr(at, end - at), options.parse_special, scratch.get(), &out);
    } else {
      // Normalisation moves positions, so tokens found after it count only between literal ranges.
      size_t from = at;
      for (const TextRange& range : options.literal) {
        if (range.end <= from || range.begin >= end) continue;
        const size_t begin = std::max(range.begin, from), stop = std::min(range.end, end);
        status.Update(
            EncodeText(text.substr(from, begin - from), true, scratch.get(), &out));
        status.Update(EncodeText(text.substr(begin, stop - begin), false, scratch.get(), &out));
        from = stop;
      }
      status.Update(EncodeText(text.substr(from, end - from), true, scratch.get(), &out));
    }
    if (match.found) out.push_back(match.id);
    at = match.found ? match.end : text.size();
  }
  GiveScratch(std::move(scratch));
  if (!status.ok()) return status;
  return out;
}

absl::Status Tokenizer::EncodeText(std::string_view text, bool parse_special, Scratch* scratch,
                                   std::vector<int32_t>* out) const {
  while (!text.empty()) {
    const size_t valid = ValidUtf8Prefix(text);
    if (valid > 0) {
      const std::string_view part = text.substr(0, valid);
      std::string_view normal = nfc_ ? NormalizeNfc(part, &scratch->normalized) : part;
      size_t at = 0;
      while (at < normal.size()) {
        const AddedTokenMatcher::Match match =
            normalized_matcher_.Find(normal, at, {}, !parse_special);
        const size_t end = match.found ? match.begin : normal.size();
        RSN_RETURN_IF_ERROR(EncodeNormalized(normal.substr(at, end - at), scratch, out));
        if (match.found) out->push_back(match.id);
        at = match.found ? match.end : normal.size();
      }
      text.remove_prefix(valid);
      continue;
    }
    // A run of bytes that are not UTF-8: a regular expression cannot see it, BPE can.
    size_t invalid = 0;
    while (invalid < text.size()) {
      const Utf8Front front = ReadUtf8(text.substr(invalid));
      if (front.kind == Utf8Front::kValid) break;
      invalid += front.length;
    }
    if (bpe_->HasAll(text.substr(0, invalid))) {
      bpe_->Encode(text.substr(0, invalid), &scratch->bpe, out);
    } else {
      // SmolLM's vocabulary lacks the bytes that UTF-8 never uses: something must stand for them.
      bpe_->Encode(ToValidUtf8(text.substr(0, invalid)), &scratch->bpe, out);
    }
    text.remove_prefix(invalid);
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::EncodeNormalized(std::string_view text, Scratch* scratch,
                                         std::vector<int32_t>* out) const {
  RSN_RETURN_IF_ERROR(pre_.Split(text, &scratch->pre));
  for (const std::string_view word : scratch->pre.pieces) bpe_->Encode(word, &scratch->bpe, out);
  return absl::OkStatus();
}

std::string_view Tokenizer::TokenBytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return bytes_[id];
}

std::string Tokenizer::DecodeBytes(const std::vector<int32_t>& ids, bool skip_control) const {
  std::string out;
  for (const int32_t id : ids) {
    if (!skip_control || !IsControl(id)) out.append(TokenBytes(id));
  }
  return out;
}

std::string Tokenizer::Decode(const std::vector<int32_t>& ids, bool skip_control) const {
  return ToValidUtf8(DecodeBytes(ids, skip_control));
}

std::optional<int32_t> Tokenizer::FindToken(std::string_view text) const {
  for (const int32_t id : added_) {
    if (bytes_[id] == text) return id;
  }
  const int32_t id = bpe_->Find(text);
  if (id < 0) return std::nullopt;
  return id;
}

std::optional<ReasoningTags> Tokenizer::FindReasoningTags(std::string_view chat_template) const {
  const auto added = [&](std::string_view text) -> std::optional<int32_t> {
    const std::optional<int32_t> id = FindToken(text);
    return id.has_value() && IsAdded(*id) ? id : std::nullopt;
  };
  for (const TagPair& pair : kTagPairs) {
    const std::optional<int32_t> open = added(pair.open), close = added(pair.close);
    if (!open.has_value() || !close.has_value()) continue;
    return ReasoningTags{std::string(pair.open), std::string(pair.close), {*open}, {*close}};
  }
  for (const TagPair& pair : kTagPairs) {
    if (chat_template.find(pair.close) == std::string_view::npos) continue;
    // One tag may be a token and the other not, so each is encoded as the template's text would be.
    const EncodeOptions options{.parse_special = true};
    auto open = Encode(pair.open, options), close = Encode(pair.close, options);
    if (!open.ok() || !close.ok() || open->empty() || close->empty()) continue;
    return ReasoningTags{std::string(pair.open), std::string(pair.close), *std::move(open),
                         *std::move(close)};
  }
  return std::nullopt;
}

std::vector<std::string> Tokenizer::added_texts() const {
  std::vector<std::string> texts;
  for (const int32_t id : added_) texts.push_back(bytes_[id]);
  return texts;
}

}  // namespace raison
