// The plain-loop back end: the oracle that every other one is compared with, operation by
// operation. Owns definitions, not speed: sums are f64, one f32 rounding per result, no intrinsics.
// Weights are used as dequantised, activations are never quantised. Refuses views that leave their
// buffer, indices out of range, and every description that the table's header does not give a
// meaning to.
#pragma once

#include "raison/backend.h"

namespace raison {

int32_t OpenReferenceBackend(const rsn_backend_host* host, rsn_backend* backend);

}  // namespace raison
