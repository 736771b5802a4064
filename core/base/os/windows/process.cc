#include "core/base/os/process.h"

#include <windows.h>

namespace raison {

int64_t ProcessNumber() { return GetCurrentProcessId(); }

uint32_t ForkGeneration() { return 0; }

std::tm LocalTime(std::time_t time) {
  std::tm local = {};
  localtime_s(&local, &time);
  return local;
}

}  // namespace raison
