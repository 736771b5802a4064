// The environment of the test's own process.
#pragma once

#include <cstdlib>

namespace raison::testing {

// An empty value is no variable.
inline void SetVariable(const char* name, const char* value) {
#if defined(_WIN32)
  _putenv_s(name, value);
#else
  if (*value != '\0') {
    setenv(name, value, 1);
  } else {
    unsetenv(name);
  }
#endif
}

}  // namespace raison::testing
