#include "samples/cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "samples/cli/errors.h"

namespace raison::cli {
namespace {

volatile sig_atomic_t requested = 0;
// The handler writes, Read waits for both: a signal between a look and the wait is not missed, and
// neither is one that another thread takes.
int wake[2] = {-1, -1};

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
  const int kept = errno;
  // A full pipe wakes as well.
  [[maybe_unused]] const ssize_t n = write(wake[1], "", 1);
  errno = kept;
}

}  // namespace

void Interrupt::Install() {
  if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) throw Failure("no pipe for Ctrl-C");
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool Interrupt::Requested() { return requested != 0; }

long Interrupt::Read(void* to, size_t size) {
  for (;;) {
    if (Requested()) throw Interrupted();
    pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                     {.fd = wake[0], .events = POLLIN, .revents = 0}};
    if (poll(wait, 2, /*timeout: none*/ -1) < 0 && errno != EINTR) return -1;
    if (wait[0].revents == 0 || Requested()) continue;
    const ssize_t n = read(STDIN_FILENO, to, size);
    if (n >= 0 || errno != EINTR) return n;
  }
}

void Interrupt::Clear() {
  char bytes[64];
  while (read(wake[0], bytes, sizeof bytes) > 0) {
  }
  requested = 0;
}

}  // namespace raison::cli
