// The commands, one file each. `words` are those behind the command's name; what comes back is an
// exit status (errors.h), and exceptions are for main.cc.
#pragma once

#include <string>
#include <vector>

namespace raison::cli {

using Words = std::vector<std::string>;

int Run(const Words& words);
int Chat(const Words& words);
int Inspect(const Words& words);
int Convert(const Words& words);
int Bench(const Words& words);
int Tokenize(const Words& words);
int ListDevices(const Words& words);
int Selftest(const Words& words);

// A part of the selftest: the model inside loads and works out a product on the CPU. Returns what
// is wrong, or nothing.
std::string CheckAnswer();

}  // namespace raison::cli
