// A queue: one stream, what is on its way between host and card, and recording. Uploads are copied
// into pinned slots before the call returns; downloads land in pinned memory and are handed out by
// Synchronize. Refuses copies while recording, and copies outside their buffer.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/backend/cuda/context.h"
#include "core/backend/cuda/device.h"

namespace raison::cuda {

// A Fault in the card's memory. A recording has its own, which every queue that replays it reads.
class FaultWord {
 public:
  static absl::StatusOr<std::shared_ptr<FaultWord>> New(Device& device);
  ~FaultWord();
  Fault* on_card = nullptr;
  Fault* pinned = nullptr;

 private:
  explicit FaultWord(Device& device) : device_(device) {}
  Device& device_;
};

// Memory of recorded operations. They run one after another: what one has used the next may, of the same
// recording or of another of its queue, whose recordings share this. A queue that replays another's waits
// for it.
class RecordedScratch : public Scratch {
 public:
  explicit RecordedScratch(Device& device) : device_(device) {}
  ~RecordedScratch() override;
  void* Take(size_t bytes) override;
  void EndOperation();
  void Wait();  // for the last replay, and all before it
  // Around a replay: `launch` comes after what used the memory on another stream.
  cudaError_t Use(cudaStream_t stream, const std::function<cudaError_t()>& launch);

 private:
  struct Piece {
    void* p;
    size_t bytes;
    bool taken;
  };
  Device& device_;
  std::vector<Piece> pieces_;
  std::mutex mutex_;
  cudaStream_t last_ = nullptr;  // that a replay went to
  cudaEvent_t used_ = nullptr;   // by the last replay
};

struct Recording {
  Recording(Device& d, std::shared_ptr<FaultWord> f, std::shared_ptr<RecordedScratch> s)
      : device(d), fault(std::move(f)), scratch(std::move(s)) {}
  ~Recording();
  Device& device;
  std::shared_ptr<FaultWord> fault;
  std::shared_ptr<RecordedScratch> scratch;
  cudaGraphExec_t exec = nullptr;
};

class Queue {
 public:
  static absl::StatusOr<std::unique_ptr<Queue>> New(Device& device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Device& device() { return device_; }
  absl::Status Upload(DeviceMemory* to, uint64_t offset, const void* from, uint64_t bytes);
  absl::Status Download(void* to, DeviceMemory* from, uint64_t offset, uint64_t bytes);
  absl::Status Synchronize();
  absl::Status RecordBegin();
  absl::StatusOr<std::unique_ptr<Recording>> RecordEnd();
  absl::Status Replay(Recording& recording);
  // Before the first operation that may use dense products: opens them. Without any it goes on. Not
  // while recording: the library's start is not to be captured.
  void PrepareDense();
  // Runs body(Context&), which enqueues one operation.
  absl::Status Enqueue(const char* what, const std::function<void(Context&)>& body);

 private:
  explicit Queue(Device& device) : device_(device) {}
  absl::Status CheckCopy(const char* what, DeviceMemory* buffer, uint64_t offset, const void* host,
                         uint64_t bytes) const;
  absl::StatusOr<void*> DownloadSpace(uint64_t bytes);

  static constexpr int kSlots = 8;
  static constexpr uint64_t kSlotBytes = 256 << 10;  // a step buffer is some KiB
  struct Slot {
    char* data = nullptr;
    uint64_t used = 0;
    cudaEvent_t copied = nullptr;
    bool pending = false;
  };
  struct Pinned {
    char* data;
    uint64_t bytes;
  };
  struct Arrival {
    void* to;
    const void* from;
    uint64_t bytes;
  };

  Device& device_;
  cudaStream_t stream_ = nullptr;
  std::shared_ptr<FaultWord> fault_;
  std::vector<std::shared_ptr<FaultWord>> replayed_;  // to be read at the next Synchronize
  Slot slots_[kSlots];
  int slot_ = 0;
  std::vector<Pinned> landing_;  // of downloads; filled in order
  size_t landing_at_ = 0;        // the piece in use
  uint64_t landing_used_ = 0;    // of it
  std::vector<Arrival> arrivals_;
  std::shared_ptr<RecordedScratch> recorded_scratch_;
  std::unique_ptr<Recording> recording_;
  bool prepared_dense_ = false;
  std::unique_ptr<Dense> dense_;
};

}  // namespace raison::cuda
