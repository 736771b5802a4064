// Ctrl-C. The first one is a wish that loops look at (between two events, in the load's progress
// callback), so that an answer ends cleanly; the second one ends the process at once.
#pragma once

#include <cstddef>

namespace raison::cli {

class Interrupt {
 public:
  // Also ignores SIGPIPE: a closed output is seen by Print.
  static void Install();
  static bool Requested();
  // The next bytes of the standard input, as read(2) returns them. Throws Interrupted for a Ctrl-C,
  // also for one that came before the call.
  static long Read(void* to, size_t size);
  // After the wish was carried out.
  static void Clear();
};

}  // namespace raison::cli
