#include "core/backend/cuda/scoped_device.h"

#include "core/backend/cuda/device.h"

namespace raison::cuda {
namespace {

// Of <cuda.h>; a status is an int, 0 is success. The runtime's cudaGetDevice will not do: a thread that
// has no card is told 0, and putting that back would open card 0 for it.
struct Contexts {
  int (*get)(void** context) = nullptr;
  int (*set)(void* context) = nullptr;
};

template <typename Function>
void Find(const char* name, Function*& function) {
  constexpr unsigned kVersion = 12000;  // whose function it is; both are as old as CUDA 4
  void* p = nullptr;
  cudaDriverEntryPointQueryResult found;
  if (cudaGetDriverEntryPointByVersion(name, &p, kVersion, cudaEnableDefault, &found) ==
          cudaSuccess &&
      found == cudaDriverEntryPointSuccess) {
    function = reinterpret_cast<Function*>(p);
  }
}

const Contexts& Driver() {
  static const Contexts contexts = [] {
    Contexts c;
    Find("cuCtxGetCurrent", c.get);
    Find("cuCtxSetCurrent", c.set);
    return c;
  }();
  return contexts;
}

}  // namespace

ScopedDevice::ScopedDevice(Device& device) {
  const Contexts& driver = Driver();
  known_ = driver.get != nullptr && driver.set != nullptr && driver.get(&before_) == 0;
  status_ = device.Enter();
}

ScopedDevice::~ScopedDevice() {
  if (known_) Driver().set(before_);
}

}  // namespace raison::cuda
