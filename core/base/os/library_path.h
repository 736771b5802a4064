// Where the library itself lies, and the environment. Refuses nothing: what cannot be known is empty.
#pragma once

#include <string>

namespace raison {

// The folder of the shared object (or program) that this code is in; empty if the system won't say.
std::string LibraryFolder();
// The variable's value; empty if it is not set.
std::string EnvironmentVariable(const char* name);

}  // namespace raison
