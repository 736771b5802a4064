// Unicode normal form C, which Qwen's tokenizers apply before splitting.
#pragma once

#include <string>
#include <string_view>

namespace raison {

// `text` (valid UTF-8) in normal form C; `text` itself when it is already, which is the usual case.
// `buffer` owns the result otherwise. In a build without the Rust crate text stays as it is.
std::string_view NormalizeNfc(std::string_view text, std::string* buffer);

}  // namespace raison
