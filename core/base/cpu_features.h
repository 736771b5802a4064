// What this processor and this process may use: the instruction level of the kernels and the number
// of threads. Owns detection only; RAISON_CPU in the environment can lower the level, never raise it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace raison {

// Ordered within an architecture. The names are what RAISON_CPU takes.
enum class CpuLevel {
  kBaseline,  // "baseline": any x86-64, any aarch64 without dot products, any other machine
  kAvx2,      // "avx2": AVX2, FMA and F16C
  kAvx512,    // "avx512": AVX-512 F, BW, DQ, VL and VNNI
  kNeon,      // "neon": aarch64 with the dot product instructions
};

std::string_view CpuLevelName(CpuLevel level);

// The best level that the processor and the operating system support.
CpuLevel DetectCpuLevel();

// Detection lowered by RAISON_CPU. An unknown or higher name changes nothing and, when `warning` is
// given, leaves a sentence there.
CpuLevel ChooseCpuLevel(std::string* warning = nullptr);

// CPUs that this process may run on (os/machine.h), at least 1.
uint32_t DefaultThreads();

// The whole number of CPUs that a quota allows (at least 1), or 0 for "no limit". Exposed for tests.
// cpu_max: the text of cgroup v2's cpu.max ("150000 100000", "max 100000").
uint32_t QuotaCpus(std::string_view cpu_max);

}  // namespace raison
