// Finds added tokens (special and user-defined ones) in text before it is pre-tokenized: leftmost,
// then longest, never overlapping. Works on bytes, so invalid UTF-8 around a token does no harm.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace raison {

struct AddedToken {
  int32_t id = -1;
  std::string text;
  bool single_word = false;  // only between characters that are not part of a word
  bool lstrip = false;       // swallows white space on its left
  bool rstrip = false;       // and on its right
  bool normalized = false;   // searched in the normalised text
  bool special = false;      // left out of displayed text
};

// Half-open range of bytes.
struct TextRange {
  size_t begin = 0, end = 0;
};

class AddedTokenMatcher {
 public:
  // Longer texts are refused: the search is linear only for tokens of bounded length.
  static constexpr size_t kMaxText = 1024;

  absl::Status Add(const AddedToken& token);
  bool empty() const { return nodes_.size() == 1; }

  struct Match {
    bool found = false;
    size_t begin = 0, end = 0;  // with the white space that the token swallows
    int32_t id = -1;
  };
  // The first token in text[start, ...). Matches that overlap a range of `literal` (sorted) do not
  // count. With `whitespace_only`, only tokens made of white space count.
  Match Find(std::string_view text, size_t start, const std::vector<TextRange>& literal,
             bool whitespace_only) const;
  // The longest token that begins at text[at]; 0 when there is none.
  size_t LengthAt(std::string_view text, size_t at) const;
  // Whether text[at, ...) is a beginning of a token, cut off by the text's end.
  bool CutOffAt(std::string_view text, size_t at) const;

 private:
  struct Node {
    uint8_t byte = 0;
    int32_t child = -1, sibling = -1;  // indices into nodes_
    int32_t token = -1;                // index into tokens_
  };
  struct Flags {
    int32_t id;
    bool single_word, lstrip, rstrip, whitespace;
  };
  int32_t Child(int32_t node, uint8_t byte) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);  // a trie; [0] is the root
  std::vector<Flags> tokens_;
  bool first_[256] = {};       // [byte] some token begins with it
  bool first_white_[256] = {};  // [byte] some white-space token begins with it
};

// Unicode White_Space.
bool IsWhiteSpace(uint32_t code_point);

}  // namespace raison
