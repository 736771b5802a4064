// A card: what is listed of it, its memory, and how weights come onto it. Refuses cards below sm_75
// (CUDA 13 has no code for them) and every call after the card is lost.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "core/backend/cuda/cublas.h"
#include "core/backend/cuda/scoped_device.h"
#include "core/backend/reference/view.h"
#include "core/base/status.h"
#include "raison/backend.h"

namespace raison::cuda {

class Device {
 public:
  static uint32_t Count();
  static absl::StatusOr<rsn_device_info> Query(uint32_t index);  // without opening it
  static absl::StatusOr<std::unique_ptr<Device>> Open(const rsn_backend_host* host, uint32_t index);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  rsn_device_info Info();
  // Keeps in mind that the card is lost, and says so.
  absl::Status Check(cudaError_t error, const char* what);
  absl::Status OutOfMemory(uint64_t bytes);
  cudaMemPool_t pool() const { return pool_; }  // of scratch memory; nullptr: the card has no pools
  // Dense products for a stream, or nullptr: there is no cuBLAS, which is said once in the log.
  std::unique_ptr<Dense> NewDense(cudaStream_t stream);

  absl::StatusOr<void*> Allocate(uint64_t bytes);  // cudaMalloc with a sentence
  // Copies a weight's host bytes to the card through two pinned pieces, so that reading them (from a
  // file, it may be) overlaps with the copy; all is there when it returns. The host hears what has
  // been read, and may give the weight up (CANCELLED).
  absl::Status CopyIn(void* to, const void* from, uint64_t bytes);
  absl::Status Zero(void* p, uint64_t bytes);
  // Writes the first `given` of `bytes` bytes again and again until their end.
  absl::Status Repeat(void* p, uint64_t given, uint64_t bytes);
  absl::Status Pack(void* p, uint64_t bytes);  // whole groups of Q8_0 (pack.cu)

 private:
  friend class ScopedDevice;

  Device() = default;

  // Makes the card the calling thread's: also a lost one, whose memory is given back as far as it can;
  // that is an error.
  absl::Status Enter();
  void MakePool();
  void FillPiece(void* to, const char* from, uint64_t bytes);
  absl::Status TellRead(const char* from, uint64_t bytes) const;

  void Log(uint32_t level, const std::string& text) const;

  static constexpr uint64_t kPieceBytes = 8 << 20;

  rsn_backend_host host_{};
  int index_ = 0;
  rsn_device_info info_{};
  cudaMemPool_t pool_ = nullptr;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;  // of the copies
  cudaStream_t stream_ = nullptr;
  void* pieces_[2] = {};
  cudaEvent_t copied_[2] = {};
  std::mutex dense_mutex_;
  bool sought_cublas_ = false;
  std::shared_ptr<Cublas> cublas_;
  Dense::Options dense_;
};

// What an rsn_buffer is.
struct DeviceMemory : reference::Memory {
  Device* device = nullptr;
};
absl::StatusOr<std::unique_ptr<DeviceMemory>> NewMemory(Device& device, uint64_t bytes);
void FreeMemory(DeviceMemory* memory);

}  // namespace raison::cuda
