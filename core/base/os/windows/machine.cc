#include "core/base/os/machine.h"

#include <cpuid.h>
#include <windows.h>

#include <bit>
#include <cstring>

#include "absl/strings/strip.h"

namespace raison {

uint32_t AllowedCpus() {
  DWORD_PTR process = 0, system = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &process, &system) == 0) return 0;
  return static_cast<uint32_t>(std::popcount(static_cast<uint64_t>(process)));
}

std::string CpuModelName() {
  constexpr uint32_t kFirst = 0x80000002, kLast = 0x80000004;  // 16 letters each
  uint32_t words[12] = {};
  if (__get_cpuid_max(0x80000000, nullptr) < kLast) return "";
  for (uint32_t leaf = kFirst, *to = words; leaf <= kLast; ++leaf, to += 4) {
    __get_cpuid(leaf, &to[0], &to[1], &to[2], &to[3]);
  }
  const auto* name = reinterpret_cast<const char*>(words);
  return std::string(
      absl::StripAsciiWhitespace(absl::string_view(name, strnlen(name, sizeof words))));
}

MachineMemory ReadMachineMemory() {
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof status;
  if (GlobalMemoryStatusEx(&status) == 0) return {};
  return {.total = status.ullTotalPhys, .free = status.ullAvailPhys};
}

}  // namespace raison
