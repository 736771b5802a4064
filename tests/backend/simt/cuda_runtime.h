// Stands in for the CUDA runtime's header: the same names, run by the processor. A kernel compiled
// against it is plain C++; blocks.cc runs its threads as fibers, runtime.cc keeps memory, streams,
// events and graphs in host memory. Only what core/backend/cuda uses is here, so that a new call is
// noticed. Refuses (as a failed launch) barriers that not all threads of a block or warp reach.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "core/base/half.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// One block runs at a time in the process. Plain statics, so that AddressSanitizer guards their ends.
#define __shared__ static

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

// -------- what a thread sees ------------------------------------------------------------------------

namespace simt {

enum class Wait : unsigned { kNone, kBlock, kWarp, kShuffle, kVote, kDone };

struct Warp {
  uint64_t value[2][32];  // what each lane gave to the exchange under way and to the one before
};
struct Lane {
  uint3 thread;
  unsigned lane;
  unsigned parity;
  Wait waits;
  Warp* warp;
};
struct Place {
  Lane* lane;
  uint3 block;
  dim3 block_size, grid_size;
  unsigned char* shared;  // dynamic shared memory
};
extern Place g_place;  // of the thread that runs now

void Stop(Wait wait);  // until all whom `wait` concerns have come

template <typename T>
T Exchange(T mine, unsigned from, Wait wait) {
  static_assert(sizeof(T) <= 8);
  Lane* const l = g_place.lane;
  const unsigned parity = l->parity;
  std::memcpy(&l->warp->value[parity][l->lane], &mine, sizeof mine);
  l->parity ^= 1;
  Stop(wait);
  T theirs;
  std::memcpy(&theirs, &l->warp->value[parity][from], sizeof theirs);
  return theirs;
}
inline unsigned LaneId() { return g_place.lane->lane; }

}  // namespace simt

#define threadIdx (::simt::g_place.lane->thread)
#define blockIdx (::simt::g_place.block)
#define blockDim (::simt::g_place.block_size)
#define gridDim (::simt::g_place.grid_size)

inline void __syncthreads() { simt::Stop(simt::Wait::kBlock); }
inline void __syncwarp(unsigned = ~0u) { simt::Stop(simt::Wait::kWarp); }
inline void __threadfence() {}
template <typename T>
T __shfl_sync(unsigned, T v, int from) {
  return simt::Exchange(v, static_cast<unsigned>(from) & 31u, simt::Wait::kShuffle);
}
template <typename T>
T __shfl_xor_sync(unsigned, T v, int with) {
  return simt::Exchange(v, (simt::LaneId() ^ static_cast<unsigned>(with)) & 31u,
                        simt::Wait::kShuffle);
}
template <typename T>
T __shfl_up_sync(unsigned, T v, unsigned by) {
  const unsigned lane = simt::LaneId();
  return simt::Exchange(v, lane >= by ? lane - by : lane, simt::Wait::kShuffle);
}
template <typename T>
T __shfl_down_sync(unsigned, T v, unsigned by) {
  const unsigned lane = simt::LaneId();
  return simt::Exchange(v, lane + by < 32 ? lane + by : lane, simt::Wait::kShuffle);
}
unsigned __ballot_sync(unsigned mask, int predicate);
inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

template <typename T>
T __ldg(const T* p) {
  return *p;
}
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}
inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; ++i) {
    c += static_cast<int8_t>(a >> 8 * i) * static_cast<int8_t>(b >> 8 * i);
  }
  return c;
}
template <typename To, typename From>
To SimtBits(From v) {
  static_assert(sizeof(To) == sizeof(From));
  To out;
  std::memcpy(&out, &v, sizeof out);
  return out;
}
inline int __float_as_int(float v) { return SimtBits<int>(v); }
inline unsigned __float_as_uint(float v) { return SimtBits<unsigned>(v); }
inline float __uint_as_float(unsigned v) { return SimtBits<float>(v); }
inline float __int_as_float(int v) { return SimtBits<float>(v); }

// Threads change only at Stop, so a plain read and write is atomic.
template <typename T>
T atomicAdd(T* p, T v) {
  const T old = *p;
  *p = old + v;
  return old;
}
template <typename T>
T atomicMin(T* p, T v) {
  const T old = *p;
  if (v < old) *p = v;
  return old;
}
template <typename T>
T atomicCAS(T* p, T expected, T v) {
  const T old = *p;
  if (old == expected) *p = v;
  return old;
}

struct __half {
  uint16_t bits;
};
inline __half __ushort_as_half(unsigned short v) { return {v}; }
inline unsigned short __half_as_ushort(__half v) { return v.bits; }
inline float __half2float(__half v) { return raison::F16ToF32(v.bits); }
inline __half __float2half_rn(float v) { return {raison::F32ToF16(v)}; }

// -------- the runtime's calls -----------------------------------------------------------------------

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801,
};
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
  int multiProcessorCount;
  int integrated;
  int pciDomainID, pciBusID, pciDeviceID;
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
enum cudaDeviceAttr { cudaDevAttrMemoryPoolsSupported = 115 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
struct cudaMemPoolProps {
  cudaMemAllocationType allocType;
  struct {
    cudaMemLocationType type;
    int id;
  } location;
};
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0;

typedef struct SimtStream* cudaStream_t;
typedef struct SimtEvent* cudaEvent_t;
typedef struct SimtGraph* cudaGraph_t;
typedef struct SimtGraphExec* cudaGraphExec_t;
typedef struct SimtPool* cudaMemPool_t;

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice(int device);
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess, cudaDriverEntryPointSymbolNotFound };
constexpr unsigned long long cudaEnableDefault = 0;
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version,
                                             unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* found);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties);
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t keep);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMalloc(void** p, size_t bytes);
cudaError_t cudaFree(void* p);
cudaError_t cudaMallocFromPoolAsync(void** p, size_t bytes, cudaMemPool_t pool, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* p, cudaStream_t stream);
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* p);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
// Called by the libraries beside the back end, which find it in the test program.
__attribute__((visibility("default"))) cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

namespace simt {
struct Grid {
  dim3 grid, block;
  size_t shared;
};
// Puts a launch into the stream; `thread` is run once for every thread.
cudaError_t Enqueue(std::function<void()> thread, const Grid& grid, cudaStream_t stream);
}  // namespace simt
