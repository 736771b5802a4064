#include "samples/cli/terminal.h"

#include <windows.h>

#include <algorithm>

#include "core/base/os/windows/text.h"
#include "samples/cli/errors.h"

namespace raison::cli {
namespace {

// The console shows UTF-8 and obeys escape sequences while the program runs.
class Console {
 public:
  Console() : code_page_(GetConsoleOutputCP()) {
    SetConsoleOutputCP(CP_UTF8);
    DWORD mode = 0;
    const HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    moves_ = GetConsoleMode(output, &mode) != 0 &&
             SetConsoleMode(output, mode | ENABLE_PROCESSED_OUTPUT |
                                        ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0;
  }
  ~Console() { SetConsoleOutputCP(code_page_); }
  bool moves() const { return moves_; }

 private:
  UINT code_page_;
  bool moves_ = false;
} console;

bool IsTerminal(DWORD which) {
  DWORD mode = 0;
  return GetConsoleMode(GetStdHandle(which), &mode) != 0;
}

// The rest of text after one write; false: see GetLastError.
bool WriteSome(DWORD which, std::string_view* text) {
  constexpr size_t kMost = 16384;  // an old console refuses more at a time
  DWORD put = 0;
  const DWORD size = static_cast<DWORD>(std::min(text->size(), kMost));
  if (WriteFile(GetStdHandle(which), text->data(), size, &put, nullptr) == 0) return false;
  text->remove_prefix(put);
  return true;
}

SMALL_RECT Window() {
  CONSOLE_SCREEN_BUFFER_INFO info;
  if (GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info) == 0) {
    return {0, 0, 79, 23};
  }
  return info.srWindow;
}

}  // namespace

void Print(std::string_view text) {
  while (!text.empty()) {
    if (WriteSome(STD_OUTPUT_HANDLE, &text)) continue;
    const DWORD code = GetLastError();
    if (code == ERROR_BROKEN_PIPE || code == ERROR_NO_DATA || code == ERROR_INVALID_HANDLE) {
      throw ClosedOutput();
    }
    throw Failure("the standard output cannot be written: " + SystemError(code));
  }
}

void PrintError(std::string_view text) {
  while (!text.empty() && WriteSome(STD_ERROR_HANDLE, &text)) {
  }
}

bool InputIsTerminal() { return IsTerminal(STD_INPUT_HANDLE); }
bool OutputIsTerminal() { return IsTerminal(STD_OUTPUT_HANDLE); }
bool ErrorIsTerminal() { return IsTerminal(STD_ERROR_HANDLE); }
int OutputColumns() { return Window().Right - Window().Left + 1; }
int OutputRows() { return Window().Bottom - Window().Top + 1; }
bool OutputMoves() { return console.moves(); }

}  // namespace raison::cli
