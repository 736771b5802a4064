#include "core/model/text/byte_alphabet.h"

#include <array>

#include "core/model/text/utf8.h"

namespace raison {
namespace {

struct Alphabet {
  std::array<uint16_t, 256> code_point;  // [byte]
  std::array<int16_t, 0x144> byte;       // [code point], -1 outside; U+0143 is the last one
};

const Alphabet& Get() {
  static const Alphabet alphabet = [] {
    Alphabet a;
    a.byte.fill(-1);
    uint16_t next = 0x100;  // the bytes that are not printable follow from U+0100 on
    for (int b = 0; b < 256; ++b) {
      const bool printable =
          (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
      a.code_point[b] = printable ? static_cast<uint16_t>(b) : next++;
      a.byte[a.code_point[b]] = static_cast<int16_t>(b);
    }
    return a;
  }();
  return alphabet;
}

}  // namespace

std::optional<std::string> BytesFromAlphabet(std::string_view token) {
  const Alphabet& alphabet = Get();
  std::string bytes;
  bytes.reserve(token.size());
  while (!token.empty()) {
    const Utf8Front front = ReadUtf8(token);
    if (front.kind != Utf8Front::kValid || front.code_point >= alphabet.byte.size() ||
        alphabet.byte[front.code_point] < 0) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(alphabet.byte[front.code_point]));
    token.remove_prefix(front.length);
  }
  return bytes;
}

std::string BytesToAlphabet(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) AppendUtf8(Get().code_point[static_cast<uint8_t>(c)], &out);
  return out;
}

}  // namespace raison
