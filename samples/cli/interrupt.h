// Ctrl-C. The first one is a wish that loops look at (between two events, in the load's progress
// callback), so that an answer ends cleanly; the second one ends the process at once.
#pragma once

namespace raison::cli {

class Interrupt {
 public:
  // Also ignores SIGPIPE: a closed output is seen by Print.
  static void Install();
  static bool Requested();
  // After the wish was carried out.
  static void Clear();
};

}  // namespace raison::cli
