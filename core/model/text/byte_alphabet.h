// The alphabet in which byte-level vocabularies are written: every byte value is one printable
// code point (GPT-2's map). Vocabularies are decoded to raw bytes once, at load.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace raison {

// The bytes that `token` stands for; nullopt when a character lies outside the alphabet.
std::optional<std::string> BytesFromAlphabet(std::string_view token);
// The inverse: each byte as its code point, in UTF-8.
std::string BytesToAlphabet(std::string_view bytes);

}  // namespace raison
