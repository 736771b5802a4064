// Q8_0 packed for wide loads, in place: eight blocks of 34 bytes become their eight scales and then
// their codes, 272 bytes as before, so that views of whole rows stay what they are.
#include "core/backend/cuda/launch.h"
#include "core/backend/cuda/ops.h"

namespace raison::cuda {
namespace {

constexpr int kWarps = kBlockThreads / kWarp;
constexpr int kBlockHalves = 17;  // 16 bits each: a scale, then 32 codes
constexpr int kGroupHalves = 8 * kBlockHalves;

// One warp a group: all of it is in registers before the first is written.
__global__ void PackKernel(uint16_t* data, int64_t groups) {
  const int64_t group = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (group >= groups) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  uint16_t* const at = data + group * kGroupHalves;
  constexpr int kEach = (kGroupHalves + kWarp - 1) / kWarp;
  uint16_t half[kEach];
#pragma unroll
  for (int n = 0; n < kEach; ++n) {
    if (n * kWarp + lane < kGroupHalves) half[n] = at[n * kWarp + lane];
  }
  __syncwarp();
#pragma unroll
  for (int n = 0; n < kEach; ++n) {
    const int i = n * kWarp + lane, block = i / kBlockHalves, place = i % kBlockHalves;
    if (i < kGroupHalves) at[place == 0 ? block : 8 + block * 16 + place - 1] = half[n];
  }
}

struct NoScratch : Scratch {
  void* Take(size_t) override { return nullptr; }
};

}  // namespace

cudaError_t FindCode() {
#ifdef __CUDACC__
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(PackKernel));
#else
  return cudaSuccess;
#endif
}

cudaError_t PackQ8(void* data, int64_t groups, cudaStream_t stream) {
  NoScratch none;
  Context c{.stream = stream, .scratch = none, .fault = nullptr};
  Launch(c, {.x = DivideUp(groups, kWarps)}, PackKernel, static_cast<uint16_t*>(data), groups);
  return c.error;
}

}  // namespace raison::cuda
