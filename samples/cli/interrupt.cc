#include "samples/cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "samples/cli/errors.h"

namespace raison::cli {
namespace {

volatile sig_atomic_t requested = 0;

void OnSignal(int) {
  if (requested != 0) {
    static constexpr char kReset[] = "\x1b[0m\n";
    if (isatty(STDOUT_FILENO)) {
      // The process ends: there is nobody to tell that this did not work.
      [[maybe_unused]] const ssize_t n = write(STDOUT_FILENO, kReset, sizeof kReset - 1);
    }
    _exit(kInterrupted);
  }
  requested = 1;
}

}  // namespace

void Interrupt::Install() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;  // no SA_RESTART: a read that waits for a line must return
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool Interrupt::Requested() { return requested != 0; }

void Interrupt::Clear() { requested = 0; }

}  // namespace raison::cli
