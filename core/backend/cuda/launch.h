// How kernels are started and what they see of memory. The same sources are compiled by nvcc and,
// against a stand-in for <cuda_runtime.h>, as plain C++ whose threads a test runs one after the
// other: so launches go through Launch and never through <<<>>>, and products and sums that must
// have one order of roundings are spelt out (the build switches contraction off).
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <tuple>
#include <utility>

#include "core/backend/cuda/context.h"
#include "core/backend/reference/view.h"
#include "raison/backend.h"

namespace raison::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kBlockThreads = 128;  // of most kernels

struct Grid {
  int64_t x = 1, y = 1, z = 1;
  int threads = kBlockThreads;
  size_t shared = 0;
};

template <typename... Parameters, typename... Arguments>
void Launch(Context& c, const Grid& g, void (*kernel)(Parameters...), Arguments... arguments) {
  if (!c.ok() || g.x == 0 || g.y == 0 || g.z == 0) return;
  // The hardware's limits of a grid; `supports` keeps operations below them.
  if (g.x > INT32_MAX || g.y > 65535 || g.z > 65535) {
    c.error = cudaErrorInvalidValue;
    return;
  }
  const dim3 grid(static_cast<unsigned>(g.x), static_cast<unsigned>(g.y),
                  static_cast<unsigned>(g.z));
  std::tuple<Parameters...> values(arguments...);
#ifdef __CUDACC__
  c.error = std::apply(
      [&](auto&... v) {
        void* pointers[] = {static_cast<void*>(&v)...};
        return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid,
                                dim3(static_cast<unsigned>(g.threads)), pointers, g.shared,
                                c.stream);
      },
      values);
#else
  c.error = simt::Enqueue([kernel, values] { std::apply(kernel, values); },
                          {grid, dim3(static_cast<unsigned>(g.threads)), g.shared}, c.stream);
#endif
}

// A view as kernels take it: strides in bytes, zero where the index is always zero.
struct View {
  unsigned char* data;
  int64_t stride[3];
};
inline View ViewOf(const rsn_tensor& t) {
  View v{};
  if (t.buffer != nullptr) {
    v.data = reinterpret_cast<unsigned char*>(reference::MemoryOf(t.buffer)->data + t.offset);
  }
  for (uint32_t d = 0; d + 1 < t.rank; ++d) v.stride[d] = t.shape[d] > 1 ? t.stride[d] : 0;
  return v;
}
template <typename T>
__device__ T* At(const View& v, int64_t i = 0, int64_t j = 0, int64_t k = 0) {
  return reinterpret_cast<T*>(v.data + i * v.stride[0] + j * v.stride[1] + k * v.stride[2]);
}

// Rows that begin at multiples of `unit` bytes.
inline bool LiesAt(const View& v, int64_t unit) {
  const uint64_t all = reinterpret_cast<uintptr_t>(v.data) | static_cast<uint64_t>(v.stride[0]) |
                       static_cast<uint64_t>(v.stride[1]) | static_cast<uint64_t>(v.stride[2]);
  return all % static_cast<uint64_t>(unit) == 0;
}

inline int64_t DivideUp(int64_t n, int64_t by) { return (n + by - 1) / by; }
// Blocks of a kernel that strides over n items: enough for the largest card, not one per item.
inline int64_t Blocks(int64_t n, int64_t per_block = kBlockThreads) {
  constexpr int64_t kMost = 16384;
  const int64_t blocks = DivideUp(n, per_block);
  return blocks < kMost ? blocks : kMost;
}

// -------- inside kernels ----------------------------------------------------------------------------

__device__ inline int64_t GlobalThread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t GlobalThreads() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

__device__ inline unsigned char* DynamicShared() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char raison_dynamic_shared[];
  return raison_dynamic_shared;
#else
  return simt::g_place.shared;
#endif
}

__device__ inline void Report(Fault* fault, FaultKind kind, int64_t index, int64_t value,
                              int64_t limit) {
  if (atomicCAS(&fault->kind, 0, static_cast<int>(kind)) != 0) return;
  fault->index = static_cast<int>(index);
  fault->value = value;
  fault->limit = limit;
}
// False, and reported, if value is not in [0, limit).
__device__ inline bool InRange(Fault* fault, FaultKind kind, int64_t index, int64_t value,
                               int64_t limit) {
  if (value >= 0 && value < limit) return true;
  Report(fault, kind, index, value, limit);
  return false;
}

template <typename T>
__device__ T WarpSum(T v) {
  for (int with = kWarp / 2; with > 0; with /= 2) v += __shfl_xor_sync(kAllLanes, v, with);
  return v;
}
__device__ inline float WarpMax(float v) {
  for (int with = kWarp / 2; with > 0; with /= 2) {
    v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, with));
  }
  return v;
}

// Sums over a block in a fixed order; `shared` has a place for every warp. All threads get the sum.
template <typename T>
__device__ T BlockSum(T v, T* shared) {
  v = WarpSum(v);
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  __syncthreads();  // `shared` may still be read from the call before
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = v;
  __syncthreads();
  T sum = shared[0];
  for (int w = 1; w < warps; ++w) sum += shared[w];
  return sum;
}
__device__ inline float BlockMax(float v, float* shared) {
  v = WarpMax(v);
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  __syncthreads();
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = v;
  __syncthreads();
  float most = shared[0];
  for (int w = 1; w < warps; ++w) most = fmaxf(most, shared[w]);
  return most;
}

__device__ inline float HalfToFloat(uint16_t bits) {
  return __half2float(__ushort_as_half(bits));
}
__device__ inline float BFloatToFloat(uint16_t bits) {
  return __uint_as_float(static_cast<unsigned>(bits) << 16);
}
__device__ inline uint16_t FloatToHalf(float f) {  // to nearest even
  return __half_as_ushort(__float2half_rn(f));
}
__device__ inline uint16_t FloatToBFloat(float f) {  // to nearest even; a NaN stays one
  const unsigned bits = __float_as_uint(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Element i of a plain row.
template <uint32_t kType>
__device__ float LoadPlain(const unsigned char* row, int64_t i) {
  if constexpr (kType == RSN_DTYPE_F32) return reinterpret_cast<const float*>(row)[i];
  if constexpr (kType == RSN_DTYPE_F16) return HalfToFloat(reinterpret_cast<const uint16_t*>(row)[i]);
  return BFloatToFloat(reinterpret_cast<const uint16_t*>(row)[i]);
}

__device__ inline float Silu(float z) { return z / (1.0f + expf(-z)); }
__device__ inline float Infinity() { return __uint_as_float(0x7f800000u); }
__device__ inline float QuietNaN() { return __uint_as_float(0x7fc00000u); }

}  // namespace raison::cuda
