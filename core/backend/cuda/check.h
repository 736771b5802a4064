// What the kernels ask of an operation beyond the table's rules (reference/ops.h checks those):
// alignment of quantised rows, the sizes they are compiled for, and the limits of a grid.
#pragma once

#include "core/backend/cuda/ops.h"
#include "core/base/status.h"

namespace raison::cuda {

#define RSN_CUDA_CHECK(op) absl::Status CheckLimits(const rsn_##op& a);
RSN_CUDA_OPS(RSN_CUDA_CHECK)
#undef RSN_CUDA_CHECK

}  // namespace raison::cuda
