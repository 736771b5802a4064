// The two names that libraison-cuda.so shows.
#include "core/backend/cuda/cuda_backend.h"

#define RSN_PLUGIN_EXPORT __attribute__((visibility("default")))

extern "C" {

RSN_PLUGIN_EXPORT uint32_t rsn_backend_version(void) { return RSN_BACKEND_VERSION; }

RSN_PLUGIN_EXPORT int32_t rsn_backend_open(const rsn_backend_host* host, rsn_backend* backend) {
  return raison::OpenCudaBackend(host, backend);
}

}  // extern "C"
