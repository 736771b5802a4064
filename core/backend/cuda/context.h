// What host code and kernels share: faults that kernels find, scratch memory, and the state that an
// operation is enqueued with. Only the runtime's own types, so that any compiler reads it.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

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

// c (rows, outputs) = alpha * b (rows, width) * a (outputs, width)^T, or added to c. Rows of a, b and c
// begin `a_stride`, `width` and `c_stride` elements apart.
struct Gemm {
  int64_t outputs, rows, width;
  const void* a;
  int64_t a_stride;
  const void* b;
  uint32_t type;  // of a and b: RSN_DTYPE_F16 or RSN_DTYPE_BF16
  float* c;
  int64_t c_stride;
  float alpha;
  bool add;
};

// A library's dense products on the queue's stream; for prompts only (chunk.cu says why).
class Dense {
 public:
  struct Options {
    int pieces = 1;      // f16 numbers that one number goes as, 1 or 2
    bool merge = false;  // chunks of several sequences in one call: not reproducible
    int64_t least = 0;   // elements of a weight from which on it pays
  };
  virtual ~Dense() = default;
  virtual bool Multiply(const Gemm& g) = 0;  // false: it failed; the sentence is kept
  Options options;
  std::string problem;
};

// What an operation works with. The first error of its launches is kept; later ones do nothing.
struct Context {
  cudaStream_t stream;
  Scratch& scratch;
  Fault* fault;
  Dense* dense = nullptr;  // nullptr: there is none
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
