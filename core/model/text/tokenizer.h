// Text to token ids and back: byte-level BPE from a GGUF vocabulary or a Hugging Face tokenizer.json,
// equal to Hugging Face `tokenizers` id by id. Immutable and shared by any number of threads.
// Other kinds of tokenizer (SentencePiece, Unigram, WordPiece, ...) are refused by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "core/base/status.h"
#include "core/model/text/added_tokens.h"
#include "core/model/text/bpe.h"
#include "core/model/text/pretokenizer.h"

namespace raison {

// The tokenizer.* keys of a GGUF file as they stand there. Views need to live during FromGguf only.
struct GgufVocab {
  std::string_view model;                // tokenizer.ggml.model
  std::string_view pre;                  // tokenizer.ggml.pre; empty when absent
  std::vector<std::string_view> tokens;  // tokenizer.ggml.tokens
  std::vector<int32_t> token_types;      // tokenizer.ggml.token_type; empty when absent
  std::vector<std::string_view> merges;  // tokenizer.ggml.merges
  // *_token_id keys; nullopt when absent (0 is a legal id: DeepSeek's BOS)
  std::optional<uint32_t> bos, eos, eot, eom, unknown, padding, fim_pad, fim_rep, fim_sep;
  std::optional<bool> add_bos;  // tokenizer.ggml.add_bos_token
};

// What a Hugging Face folder says about text.
struct HuggingFaceTokenizer {
  std::string_view tokenizer_json;         // content of tokenizer.json
  std::string_view tokenizer_config_json;  // content of tokenizer_config.json; may be empty
  // eos_token_id of generation_config.json and config.json, a number or a list there
  std::vector<int32_t> eos_ids;
  std::optional<int32_t> bos_id;  // bos_token_id of the same files
};

struct EncodeOptions {
  bool add_bos = false;        // put bos() in front, if there is one
  bool parse_special = false;  // added tokens' texts become those tokens; else they are plain text
  // With parse_special: byte ranges (sorted) that no added token may overlap, because their text came
  // from the caller and not from the template (RenderedPrompt::literal).
  std::vector<TextRange> literal;
};

// How a model marks its thinking. Each tag is one token id or, in plain vocabularies, several.
struct ReasoningTags {
  std::string open_text, close_text;
  std::vector<int32_t> open, close;
};

class Tokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromGguf(const GgufVocab& vocab);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromHuggingFace(
      const HuggingFaceTokenizer& files);

  // Bytes that are not UTF-8 are encoded as bytes and come back from decoding unchanged (as U+FFFD
  // where the vocabulary has no token for such a byte). The status is an error only for a text above
  // 1 GiB or a limit of the regular-expression engine.
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              const EncodeOptions& options = {}) const;
  // The bytes of the tokens, one after the other; control tokens give nothing when skipped. The
  // result may begin or end inside a code point (see StreamDecoder).
  std::string DecodeBytes(const std::vector<int32_t>& ids, bool skip_control = false) const;
  // The same as UTF-8: each maximal invalid part is one U+FFFD.
  std::string Decode(const std::vector<int32_t>& ids, bool skip_control = false) const;

  // Ids of the tokens are 0 <= id < vocab_size(); an embedding may have more rows than that.
  int32_t vocab_size() const { return static_cast<int32_t>(bytes_.size()); }
  // Empty for an id outside the vocabulary and for padding entries.
  std::string_view TokenBytes(int32_t id) const;
  bool IsAdded(int32_t id) const { return Has(id, kAdded); }      // special or user-defined
  bool IsControl(int32_t id) const { return Has(id, kControl); }  // left out of displayed text
  bool IsSpecial(int32_t id) const { return IsControl(id); }
  bool IsEndOfGeneration(int32_t id) const { return Has(id, kEndOfGeneration); }
  const std::vector<int32_t>& end_of_generation_ids() const { return end_ids_; }
  std::optional<int32_t> bos() const { return bos_; }
  std::optional<int32_t> eos() const { return eos_; }
  std::optional<int32_t> padding() const { return padding_; }
  std::optional<int32_t> unknown() const { return unknown_; }
  // Whether the file wants BOS in front of plain text (a chat template writes its own).
  bool adds_bos() const { return adds_bos_ && bos_.has_value(); }
  // The token with exactly this text, added tokens first.
  std::optional<int32_t> FindToken(std::string_view text) const;

  // The tags of the model's thinking: a known pair of added tokens, or a known pair that the chat
  // template names, spelled in ordinary tokens. nullopt: the model does not mark thinking.
  std::optional<ReasoningTags> FindReasoningTags(std::string_view chat_template) const;
  // The texts of all added tokens: what must not arise from a caller's text by accident.
  std::vector<std::string> added_texts() const;

 private:
  friend class TokenizerBuilder;
  static constexpr uint8_t kAdded = 1, kControl = 2, kEndOfGeneration = 4;
  struct Scratch;

  Tokenizer();

 public:
  ~Tokenizer();

 private:
  bool Has(int32_t id, uint8_t flag) const {
    return id >= 0 && id < vocab_size() && (flags_[id] & flag) != 0;
  }
  std::unique_ptr<Scratch> TakeScratch() const;
  void GiveScratch(std::unique_ptr<Scratch> scratch) const;
  absl::Status EncodeText(std::string_view text, bool parse_special, Scratch* scratch,
                          std::vector<int32_t>* out) const;
  absl::Status EncodeNormalized(std::string_view text, Scratch* scratch,
                                std::vector<int32_t>* out) const;

  std::vector<std::string> bytes_;  // [vocab_size] what each token decodes to
  std::vector<MergeRole> roles_;    // [vocab_size]
  std::vector<uint8_t> flags_;      // [vocab_size]
  std::vector<int32_t> added_;      // ids of added tokens, ascending
  std::unique_ptr<Bpe> bpe_;
  PreTokenizer pre_;
  bool nfc_ = false;
  AddedTokenMatcher matcher_;             // added tokens found in the text as it is
  AddedTokenMatcher normalized_matcher_;  // and those found after normalisation
  std::optional<int32_t> bos_, eos_, padding_, unknown_;
  bool adds_bos_ = false;
  std::vector<int32_t> end_ids_;  // ascending

  mutable absl::Mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;  // guarded by mutex_
};

}  // namespace raison
