// The CPU back end's entry. Its operations run at once, on the host's threads, with the kernels of
// the best instruction level that the processor has (RAISON_CPU can lower it).
#pragma once

#include "raison/backend.h"

namespace raison {

int32_t OpenCpuBackend(const rsn_backend_host* host, rsn_backend* backend);

}  // namespace raison
