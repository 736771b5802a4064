// The machine, and what this process may use of it. What the system does not say is 0 or empty.
#pragma once

#include <cstdint>
#include <string>

namespace raison {

// CPUs that this process may run on: affinity, lowered by a cgroup v1 or v2 quota.
uint32_t AllowedCpus();
// "AMD EPYC ..."
std::string CpuModelName();

struct MachineMemory {
  uint64_t total = 0, free = 0;  // bytes
};
MachineMemory ReadMachineMemory();

}  // namespace raison
