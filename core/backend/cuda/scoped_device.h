// Makes a card the calling thread's until the end of the scope, and then gives the thread back what it
// had: the CUDA code of the application around us keeps its card. Every entry of the table begins with
// one, whoever's thread it is. The status tells of a lost card.
#pragma once

#include "core/base/status.h"

namespace raison::cuda {

class Device;

class ScopedDevice {
 public:
  explicit ScopedDevice(Device& device);
  ~ScopedDevice();
  ScopedDevice(const ScopedDevice&) = delete;
  ScopedDevice& operator=(const ScopedDevice&) = delete;

  const absl::Status& status() const { return status_; }

 private:
  bool known_;               // before_ is what the thread had
  void* before_ = nullptr;   // a CUcontext; nullptr: none
  absl::Status status_;
};

}  // namespace raison::cuda
