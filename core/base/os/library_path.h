// Where the library itself lies, the user's cache, and the environment. Refuses nothing: what cannot be known is empty.
#pragma once

#include <string>

namespace raison {

// The folder of the shared object (or program) that this code is in; empty if the system won't say.
std::string LibraryFolder();
// The variable's value; empty if it is not set.
std::string EnvironmentVariable(const char* name);

// Where this user's programs keep what can be made again: $XDG_CACHE_HOME/raison, else
// ~/.cache/raison, and on Windows %LOCALAPPDATA%/raison; empty if no such variable is set. It need
// not exist.
std::string CacheFolder();

}  // namespace raison
