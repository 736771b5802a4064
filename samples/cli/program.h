// This program as the system started it.
#pragma once

#include "samples/cli/commands.h"

namespace raison::cli {

// What follows the program's name, in UTF-8.
Words CommandLine(int argc, char** argv);

}  // namespace raison::cli
