#include "samples/cli/interrupt.h"

#include <errno.h>
#include <string.h>
#include <windows.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "core/base/os/windows/text.h"
#include "samples/cli/errors.h"

namespace raison::cli {
namespace {

std::atomic<bool> requested{false};
std::atomic<bool> reading{false};  // `reader` waits, or is about to
HANDLE reader = nullptr;

// The system calls it on a thread of its own.
BOOL WINAPI OnControl(DWORD event) {
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
  if (requested.exchange(true)) ExitProcess(kInterrupted);
  // Again and again: one that comes between a look and the wait ends nothing.
  while (reading) {
    CancelSynchronousIo(reader);
    Sleep(10);
  }
  return TRUE;
}

// Letters of a console come as UTF-16. -1: failed.
long ReadConsoleText(HANDLE input, char* to, size_t size) {
  constexpr size_t kMost = 1024;
  wchar_t wide[kMost + 1];  // and the second half of a pair
  DWORD count = 0;
  const DWORD want = static_cast<DWORD>(std::min(size / 4, kMost));
  SetLastError(ERROR_SUCCESS);
  if (ReadConsoleW(input, wide, want, &count, nullptr) == 0) return -1;
  if (count == 0 && GetLastError() == ERROR_OPERATION_ABORTED) return -1;  // Ctrl-C
  if (count > 0 && IS_HIGH_SURROGATE(wide[count - 1])) {
    DWORD more = 0;
    if (ReadConsoleW(input, wide + count, 1, &more, nullptr) != 0) count += more;
  }
  constexpr wchar_t kControlZ = 0x1A;
  if (count > 0 && wide[0] == kControlZ) return 0;  // as every console program takes it: the end
  const std::string text = Utf8({wide, count});
  memcpy(to, text.data(), text.size());
  return static_cast<long>(text.size());
}

long ReadInputOnce(void* to, size_t size) {
  const HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
  DWORD mode = 0, count = 0;
  if (GetConsoleMode(input, &mode) != 0) {
    return ReadConsoleText(input, static_cast<char*>(to), size);
  }
  if (ReadFile(input, to, static_cast<DWORD>(size), &count, nullptr) != 0) {
    return static_cast<long>(count);
  }
  return GetLastError() == ERROR_BROKEN_PIPE ? 0 : -1;  // the writer has closed it
}

}  // namespace

void Interrupt::Install() {
  // The pseudo-handle of GetCurrentThread would mean the handler's own thread there.
  if (DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &reader, 0,
                      FALSE, DUPLICATE_SAME_ACCESS) == 0 ||
      SetConsoleCtrlHandler(OnControl, TRUE) == 0) {
    throw Failure("no handler for Ctrl-C: " + SystemError(GetLastError()));
  }
}

bool Interrupt::Requested() { return requested; }

long Interrupt::Read(void* to, size_t size) {
  for (;;) {
    reading = true;
    const long count = Requested() ? 0 : ReadInputOnce(to, size);
    const DWORD code = count < 0 ? GetLastError() : 0;
    reading = false;
    // A console ends its read before it calls the handler.
    for (int i = 0; code == ERROR_OPERATION_ABORTED && !Requested() && i < 100; ++i) Sleep(10);
    if (Requested()) throw Interrupted();
    if (code == ERROR_OPERATION_ABORTED) continue;
    if (count < 0) errno = EIO;
    return count;
  }
}

void Interrupt::Clear() { requested = false; }

}  // namespace raison::cli
