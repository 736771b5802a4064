// The two output streams: whole writes that notice a reader who has gone, what a terminal can show,
// and text made harmless for it. Owns no layout: live_view.h does that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace raison::cli {

// Writes everything to standard output. Throws ClosedOutput when nobody reads it, Failure when it
// cannot be written (a full disk).
void Print(std::string_view text);
// To standard error, whatever becomes of it.
void PrintError(std::string_view text);
// "raison: " + sentence, on standard error.
void Warn(std::string_view sentence);

bool InputIsTerminal();
bool OutputIsTerminal();
bool ErrorIsTerminal();
// Columns of the terminal at standard output; 80 when it does not say.
int OutputColumns();
int OutputRows();

// Standard output is a terminal that takes escape sequences, whether or not colours are wanted.
bool OutputMoves();
// ... and NO_COLOR is not set (https://no-color.org).
bool OutputColours();

// A model's text for a terminal: control characters but newline and tab become U+FFFD, so that no
// text can move the cursor or change the terminal's state.
std::string Harmless(std::string_view text);

// One code point of valid UTF-8 at text[*at]; moves *at behind it. Stray bytes are U+FFFD.
char32_t NextCodePoint(std::string_view text, size_t* at);
// Columns that it takes: 0, 1 or 2.
int Columns(char32_t code_point);

// All of standard input, at most `limit` bytes; Failure above it.
std::string ReadInput(size_t limit);

// "1.9 GB", "17.4 M"
std::string Bytes(uint64_t bytes);
std::string Count(uint64_t count);
// printf-like, for numbers
std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace raison::cli
