// Stands in for the driver's libnvidia-ml.so.1: one card, whose numbers the test sets.
#include <cstring>

extern "C" {

struct NvmlDouble {
  char id[32] = "00000000:00:00.0";
  unsigned long long total = 0, free = 0;
  int alive = 0;  // inits without their shutdown
} nvml_double;

struct NvmlDoubleMemory {
  unsigned long long total, free, used;
};

int nvmlInit_v2() {
  ++nvml_double.alive;
  return 0;
}
int nvmlShutdown() {
  --nvml_double.alive;
  return 0;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device) {
  *device = &nvml_double;
  return std::strcmp(id, nvml_double.id) == 0 ? 0 : 6;  // not found
}
int nvmlDeviceGetMemoryInfo(void*, NvmlDoubleMemory* info) {
  *info = {nvml_double.total, nvml_double.free, nvml_double.total - nvml_double.free};
  return 0;
}

}  // extern "C"
