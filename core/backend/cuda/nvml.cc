#include "core/backend/cuda/nvml.h"

#include <cstdio>

#include "core/backend/cuda/library.h"
#include "core/base/os/library_path.h"

namespace raison::cuda {
namespace {

// The few calls of <nvml.h> that are used; a status is an int, 0 is success.
struct NvmlMemory {
  unsigned long long total, free, used;
};

struct Nvml {
  Library library;
  int (*init)();
  int (*shutdown)();
  int (*by_pci)(const char* id, void** device);
  int (*memory)(void* device, NvmlMemory* info);
};

// Opened for each question: they are few, and nothing is left of it in the process.
bool Open(Nvml& n) {
  const std::string wished = EnvironmentVariable("RAISON_NVML");
  n.library = Library::Open({{wished.empty() ? "libnvidia-ml.so.1" : wished}});
  return n.library.Find("nvmlInit_v2", n.init) && n.library.Find("nvmlShutdown", n.shutdown) &&
         n.library.Find("nvmlDeviceGetHandleByPciBusId_v2", n.by_pci) &&
         n.library.Find("nvmlDeviceGetMemoryInfo", n.memory);
}

}  // namespace

std::optional<uint64_t> FreeBytes(const cudaDeviceProp& card) {
  Nvml nvml;
  if (!Open(nvml) || nvml.init() != 0) return std::nullopt;
  char id[32];
  std::snprintf(id, sizeof id, "%08X:%02X:%02X.0", static_cast<unsigned>(card.pciDomainID),
                static_cast<unsigned>(card.pciBusID), static_cast<unsigned>(card.pciDeviceID));
  void* device = nullptr;
  NvmlMemory memory{};
  const bool known = nvml.by_pci(id, &device) == 0 && nvml.memory(device, &memory) == 0;
  nvml.shutdown();
  // NVML counts what the driver keeps for itself, a few per cent; a part of a card has much less.
  if (!known || memory.free > memory.total || memory.total / 8 * 7 > card.totalGlobalMem) {
    return std::nullopt;
  }
  return memory.free < card.totalGlobalMem ? memory.free : card.totalGlobalMem;
}

}  // namespace raison::cuda
