// What host code and kernels share: faults that kernels find, scratch memory, and the state that an
// operation is enqueued with. Only the runtime's own types, so that any compiler reads it.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace raison::cuda {

// What a kernel found wrong in memory that the host wrote (an index out of its range): the first
// finding is kept for the next synchronize, the row in question is skipped.
enum class FaultKind : int {
  kNone,
  kToken,
  kRowIndex,
  kSlot,
  kPageFrom,
  kPageTo,
  kRowBegin,
  kKvLength,
  kPageBegin,
  kPage,
  kExpert,
  kExpertSlot,
  kAdjustBegin,
  kAdjustId,
};
struct Fault {
  int kind;  // FaultKind
  int index;
  long long value;
  long long limit;
};

// Device memory for the time of one operation; a null pointer means that there is none.
class Scratch {
 public:
  virtual ~Scratch() = default;
  virtual void* Take(size_t bytes) = 0;
  size_t wanted = 0;  // bytes of the last Take: for the sentence if it failed
};

// What an operation works with. The first error of its launches is kept; later ones do nothing.
struct Context {
  cudaStream_t stream;
  Scratch& scratch;
  Fault* fault;
  cudaError_t error = cudaSuccess;

  template <typename T>
  T* Take(int64_t count) {
    void* const p = scratch.Take(static_cast<size_t>(count > 0 ? count : 1) * sizeof(T));
    if (p == nullptr && error == cudaSuccess) error = cudaErrorMemoryAllocation;
    return static_cast<T*>(p);
  }
  bool ok() const { return error == cudaSuccess; }
};

}  // namespace raison::cuda
