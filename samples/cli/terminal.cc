#include "samples/cli/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samples/cli/errors.h"
#include "samples/cli/interrupt.h"

namespace raison::cli {
namespace {

// The blocks whose characters terminals draw two columns wide: East Asian wide and full-width
// letters, and emoji (Unicode 15, EastAsianWidth.txt, merged to whole blocks).
constexpr char32_t kWide[][2] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};
// Combining marks and joiners: they share the column of the letter before them.
constexpr char32_t kZero[][2] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F}, {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
};

template <size_t kCount>
bool InRanges(char32_t c, const char32_t (&ranges)[kCount][2]) {
  for (const auto& range : ranges) {
    if (c >= range[0] && c <= range[1]) return true;
  }
  return false;
}

bool HasValue(const char* variable) {
  const char* value = getenv(variable);
  return value != nullptr && *value != '\0';
}

std::string Scaled(uint64_t number, const char* const (&units)[5]) {
  double value = static_cast<double>(number);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return Format(unit == 0 || value >= 99.5 ? "%.0f%s" : "%.1f%s", value, units[unit]);
}

}  // namespace

void Warn(std::string_view sentence) { PrintError("raison: " + std::string(sentence) + "\n"); }

bool OutputColours() { return OutputMoves() && !HasValue("NO_COLOR"); }

char32_t NextCodePoint(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte((*at)++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : 0;
  if (more == 0 || first > 0xF4) return 0xFFFD;
  char32_t c = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if (*at >= text.size() || (byte(*at) & 0xC0) != 0x80) return 0xFFFD;
    c = c << 6 | (byte((*at)++) & 0x3F);
  }
  return c;
}

int Columns(char32_t c) { return InRanges(c, kZero) ? 0 : InRanges(c, kWide) ? 2 : 1; }

std::string Harmless(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = NextCodePoint(text, &at);
    const bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
    if (control || c == 0xFFFD) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(begin, at - begin);
    }
  }
  return out;
}

std::string ReadInput(size_t limit) {
  std::string all;
  char buffer[1 << 16];
  for (;;) {
    const long n = Interrupt::Read(buffer, sizeof buffer);
    if (n == 0) return all;
    if (n < 0) {
      throw Failure(std::string("the standard input cannot be read: ") + strerror(errno));
    }
    if (all.size() + static_cast<size_t>(n) > limit) {
      throw Failure("the standard input is longer than " + Bytes(limit));
    }
    all.append(buffer, static_cast<size_t>(n));
  }
}

std::string Bytes(uint64_t bytes) {
  static constexpr const char* kUnits[5] = {" bytes", " kB", " MB", " GB", " TB"};
  return Scaled(bytes, kUnits);
}

std::string Count(uint64_t count) {
  static constexpr const char* kUnits[5] = {"", " thousand", " million", " billion", " trillion"};
  return Scaled(count, kUnits);
}

std::string Format(const char* format, ...) {
  char buffer[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

}  // namespace raison::cli
