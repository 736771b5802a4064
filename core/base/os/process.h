// This process: its number, whether it is a copy of another one, and its local time.
#pragma once

#include <cstdint>
#include <ctime>

namespace raison {

int64_t ProcessNumber();
// How many fork()s lie between the first process and this one, counted from the first call on.
// Always 0 where processes do not fork.
uint32_t ForkGeneration();
std::tm LocalTime(std::time_t time);

}  // namespace raison
