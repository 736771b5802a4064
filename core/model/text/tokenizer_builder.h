// What the GGUF and the Hugging Face loader have in common: collects tokens, merges and flags, checks
// them against each other and makes the Tokenizer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/text/tokenizer.h"

namespace raison {

class TokenizerBuilder {
 public:
  explicit TokenizerBuilder(size_t vocab_size);

  size_t vocab_size() const { return tokenizer_->bytes_.size(); }
  // A token of the vocabulary, its text in the byte alphabet. Text outside of the alphabet decodes to
  // itself and cannot be produced by merging.
  void SetToken(size_t id, std::string_view text);
  void SetUnused(size_t id);
  // `control`: left out of displayed text. `token.normalized` only if the tokenizer normalises.
  absl::Status SetAdded(const AddedToken& token, bool control);
  // Call after all tokens are set.
  void BeginMerges(bool ignore_merges, std::optional<int32_t> unknown, bool fuse_unknown);
  // Parts in the byte alphabet; false when one of them or the result is no token.
  bool AddMerge(std::string_view left, std::string_view right);
  absl::Status SetPreTokenizer(const std::vector<SplitRule>& rules, bool nfc);
  void SetSpecialIds(std::optional<int32_t> bos, std::optional<int32_t> eos,
                     std::optional<int32_t> padding, std::optional<int32_t> unknown);
  void SetAddsBos(bool adds_bos) { tokenizer_->adds_bos_ = adds_bos; }
  // Ids that end generation as the file lists them; known texts are added to them.
  absl::StatusOr<std::unique_ptr<Tokenizer>> Finish(const std::vector<int32_t>& end_ids);

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
};

// Whether a token's text has the form of a control token: <|...|>, <｜...｜> and a few fixed ones.
bool LooksLikeControl(std::string_view text);

// Whether it is the text of a token that ends a turn in one of the families in use.
bool EndsGeneration(std::string_view text);

}  // namespace raison
