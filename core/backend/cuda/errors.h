// The edge of the plug-in: no exception crosses the C table, a status becomes a negative rsn_status
// of raison.h, and its sentence is kept for last_error. And the edge to CUDA: which errors end a
// card's use, and how they are said.
#pragma once

#include <cuda_runtime.h>

#include <exception>
#include <new>
#include <string>

#include "core/base/status.h"

namespace raison::cuda {

const char* LastError();
int32_t Keep(const absl::Status& status) noexcept;  // its sentence; returns its number

template <typename Body>
int32_t Guard(const Body& body) noexcept {
  try {
    return Keep(body());
  } catch (const std::bad_alloc&) {
    return Keep(absl::ResourceExhaustedError("out of memory"));
  } catch (const std::exception& e) {
    return Keep(absl::InternalError("unexpected failure in the CUDA back end"));
  }
}

// After one of these nothing works any more on the card until the process ends.
bool IsLost(cudaError_t error);
// "what: the card's words"; OK for success.
absl::Status CudaStatus(cudaError_t error, const char* what);

// OK, or why CUDA cannot be used on this machine at all.
absl::Status CheckDriver();
// "580.65.06", or the CUDA version that it supports where that is not known.
std::string DriverVersion();

}  // namespace raison::cuda
