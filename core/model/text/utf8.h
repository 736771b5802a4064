// UTF-8 as the tokenizer needs it: validation by maximal subparts and the encoding of one code point.
// Overlong forms, surrogates and values above U+10FFFF are invalid, as for Rust and PCRE2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace raison {

// What stands at the front of a byte string.
struct Utf8Front {
  enum Kind {
    kValid,       // `length` bytes are one code point
    kInvalid,     // `length` bytes are a maximal subpart that no further byte can complete
    kIncomplete,  // all `length` bytes are the beginning of a code point, and the text ends there
  };
  Kind kind;
  uint32_t length;      // 1 to 4
  uint32_t code_point;  // meaningful for kValid
};

// `text` must not be empty.
Utf8Front ReadUtf8(std::string_view text);
// Bytes at the front that are whole valid code points.
size_t ValidUtf8Prefix(std::string_view text);
void AppendUtf8(uint32_t code_point, std::string* out);
// Each maximal invalid subpart becomes one U+FFFD, as Rust's from_utf8_lossy does.
std::string ToValidUtf8(std::string_view bytes);

}  // namespace raison
