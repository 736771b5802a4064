// What is free on a card without a context on it, which would cost memory and time: asked of the
// driver's NVML. Where that is missing, or knows the card in another way than CUDA does (a part of
// a divided one), the answer is "not known".
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <optional>

namespace raison::cuda {

std::optional<uint64_t> FreeBytes(const cudaDeviceProp& card);

}  // namespace raison::cuda
