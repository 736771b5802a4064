// The CUDA back end: every operation of the table on NVIDIA cards from sm_75 on. Opens without a
// driver only far enough to say so (-32). Weights stay in their quantised blocks on the card.
#pragma once

#include "raison/backend.h"

namespace raison {

int32_t OpenCudaBackend(const rsn_backend_host* host, rsn_backend* backend);

}  // namespace raison
