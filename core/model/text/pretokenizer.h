// Cuts a stretch of text into the pieces ("words") inside which BPE may merge. A pre-tokenizer is a
// list of steps, each applied to every piece that the one before left. Text must be valid UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/model/text/regex.h"

namespace raison {

// What becomes of a match and of the text between two matches (Hugging Face's words).
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitRule {
  std::string pattern;  // in PCRE2's syntax
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // matches and gaps change places
};

// The rules of a GGUF `tokenizer.ggml.pre`; an unknown name is refused, "" means "default".
struct NamedPreTokenizer {
  std::vector<SplitRule> rules;
  bool ignore_merges = false;  // a word that is a token is taken whole
  bool nfc = false;            // the model's own tokenizer normalises first; GGUF has no key for it
  bool add_bos = false;        // when the file has no `tokenizer.ggml.add_bos_token`
};
absl::StatusOr<NamedPreTokenizer> FindPreTokenizer(std::string_view name);
// GPT-2's pattern, which `ByteLevel{use_regex: true}` means in tokenizer.json.
std::string_view Gpt2Pattern();

class PreTokenizer {
 public:
  // Buffers of one encoding thread.
  struct Scratch {
    RegexScratch regex;
    std::vector<std::string_view> pieces;  // result of Split
    std::vector<std::string_view> next;
  };

  static absl::StatusOr<PreTokenizer> Create(const std::vector<SplitRule>& rules);
  // Leaves the pieces of `text`, in order, in scratch->pieces.
  absl::Status Split(std::string_view text, Scratch* scratch) const;

 private:
  struct Step {
    Regex regex;
    SplitBehavior behavior;
    bool invert;
  };
  static absl::Status Apply(const Step& step, std::string_view piece, Scratch* scratch);
  std::vector<Step> steps_;
};

}  // namespace raison
