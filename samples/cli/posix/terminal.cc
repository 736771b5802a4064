#include "samples/cli/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "samples/cli/errors.h"

namespace raison::cli {
namespace {

int FromTerminal(unsigned short winsize::*field, int otherwise) {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.*field == 0) return otherwise;
  return size.*field;
}

}  // namespace

void Print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EPIPE || errno == EBADF) {
      throw ClosedOutput();
    } else if (errno != EINTR) {
      throw Failure(std::string("the standard output cannot be written: ") + strerror(errno));
    }
  }
}

void PrintError(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return;
    }
  }
}

bool InputIsTerminal() { return isatty(STDIN_FILENO) != 0; }
bool OutputIsTerminal() { return isatty(STDOUT_FILENO) != 0; }
bool ErrorIsTerminal() { return isatty(STDERR_FILENO) != 0; }
int OutputColumns() { return FromTerminal(&winsize::ws_col, 80); }
int OutputRows() { return FromTerminal(&winsize::ws_row, 24); }

bool OutputMoves() {
  const char* kind = getenv("TERM");
  return OutputIsTerminal() && kind != nullptr && *kind != '\0' && strcmp(kind, "dumb") != 0;
}

}  // namespace raison::cli
