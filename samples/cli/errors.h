// What ends a command early, and with which exit status. Owns no text of its own.
#pragma once

#include <stdexcept>
#include <string>

namespace raison::cli {

// The exit statuses of every command; `raison --help` lists them.
enum ExitStatus : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kInterrupted = 130,  // 128 + SIGINT, as shells count
};

// The command line is wrong.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The command cannot be carried out; what() is the sentence for the user.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Nobody reads the standard output any more (`raison ... | head`).
class ClosedOutput : public std::exception {};

// Ctrl-C came where there was nothing to end gently.
class Interrupted : public std::exception {};

}  // namespace raison::cli
