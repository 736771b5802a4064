// Marks characters of a caller's text so that they can be found again in a template's output: each is
// replaced by a private-use code point that neither the texts nor the template contain. Bytes that are
// not UTF-8 travel the same way, since a template engine only takes valid text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/text/added_tokens.h"

namespace raison {

// A rendered text with its marks taken back.
struct UnmarkedText {
  std::string text;
  std::vector<TextRange> literal;    // where a marked character stands
  std::optional<size_t> end_marker;  // where the last end marker stood
};

class PromptMarks {
 public:
  // Call for every text that will meet a mark, before the first Mark.
  void Avoid(std::string_view text);
  // False when the texts use every block of private code points.
  bool Choose();

  struct Style {
    const AddedTokenMatcher* added = nullptr;  // mark where one of these begins; null: nowhere
    std::string_view keep_open, keep_close;    // but not where one of these texts begins
    bool end_marker = false;                   // behind the last visible character
  };
  std::string Mark(std::string_view text, const Style& style);
  UnmarkedText Unmark(std::string_view text) const;

 private:
  static constexpr uint32_t kFirst = 0xF0000;  // Supplementary Private Use Areas A and B
  static constexpr uint32_t kBlock = 0x1000;
  static constexpr uint32_t kBlocks = 32;
  static constexpr uint32_t kBytes = 0x800;  // offsets in a block: marked characters below this,
  static constexpr uint32_t kEnd = 0xA00;    // then 256 bytes, then the end marker

  uint32_t used_ = 0;  // bit per block
  uint32_t base_ = 0;
  std::vector<uint32_t> characters_;  // [offset] the code point that a mark stands for
};

}  // namespace raison
