// An in-order stream of operations: commands are gathered in one command buffer with the barriers
// that they need, submitted when the host synchronises (or when there are many), and followed by a
// timeline semaphore. Also records operations into secondary command buffers that are replayed.
// One thread at a time.
#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/backend/vulkan/device.h"

namespace raison::vulkan {

// Bytes of device memory that a command reads or writes.
struct Range {
  uint64_t begin = 0, end = 0;
};

struct Dispatch {
  Shader shader;
  Constants constants = {};
  uint64_t groups = 0;  // 0: nothing to do
  uint64_t work = 0;    // multiply-adds, where they are many
  std::vector<Range> reads, writes;
  uint32_t push_bytes = 0;
  unsigned char push[128] = {};

  template <typename Push>
  void SetPush(const Push& values) {
    static_assert(sizeof(Push) <= sizeof push && std::is_trivially_copyable_v<Push>);
    std::memcpy(push, &values, sizeof values);
    push_bytes = sizeof values;
  }
};

// Which memory commands have touched since the last barrier.
class Hazards {
 public:
  // True where a barrier must come first; it then counts as made.
  bool Add(const std::vector<Range>& reads, const std::vector<Range>& writes);
  void Clear() { reads_.clear(), writes_.clear(); }
  void TouchAll() { unknown_ = true; }

 private:
  std::vector<Range> reads_, writes_;
  bool unknown_ = true;  // what ran before is not listed
};

// What a list of commands needs while it may run: freed when the last holder lets go.
class Scratch {
 public:
  explicit Scratch(Device& device) : device_(device) {}
  ~Scratch();
  // An address of at least `bytes`, the same memory every time unless it must grow.
  absl::StatusOr<uint64_t> Get(uint64_t bytes);

 private:
  Device& device_;
  std::vector<Buffer*> buffers_;  // the last is the largest
};

struct Recording {
  Recording(Device& d, std::shared_ptr<Scratch> s) : device(d), scratch(std::move(s)) {}
  ~Recording();
  Device& device;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  // One for all recordings of a queue: a replay is never interrupted, and begins with a barrier.
  std::shared_ptr<Scratch> scratch;
  Hazards hazards;
};

// Multiply-adds of a submission: more are submitted apart. Drivers take a card that is busy with
// one for some seconds to be hung, and the slowest do 10^11 in about one.
inline constexpr uint64_t kMostWork = uint64_t{1} << 37;

class Queue {
 public:
  static absl::StatusOr<std::unique_ptr<Queue>> Create(Device& device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Device& device() const { return device_; }
  absl::Status Upload(Buffer& to, uint64_t offset, const void* from, uint64_t bytes);
  absl::Status Download(void* to, Buffer& from, uint64_t offset, uint64_t bytes);
  absl::Status Zero(Buffer& buffer);
  // Writes the first `size` bytes again and again until the buffer's end.
  absl::Status Repeat(Buffer& buffer, uint64_t size);
  absl::Status Synchronize();
  absl::Status Enqueue(const Dispatch& dispatch);
  absl::StatusOr<uint64_t> GetScratch(uint64_t bytes);

  absl::Status BeginRecording();
  absl::StatusOr<std::shared_ptr<Recording>> EndRecording();
  absl::Status Replay(std::shared_ptr<Recording> recording);

 private:
  // A piece of host-visible memory, filled from its beginning.
  struct Staging {
    Allocation memory;
    uint64_t used = 0;
  };
  struct Readback {
    void* to;
    const std::byte* from;  // in a batch's staging memory
    uint64_t bytes;
  };
  struct InPlace {
    void* to;
    Buffer* from;
    uint64_t offset, bytes;
  };
  // Commands that are submitted together.
  struct Batch {
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    uint64_t value = 0;
    int count = 0;
    uint64_t work = 0;
    std::vector<Staging> staging;
    std::vector<Readback> readbacks;
    std::vector<std::shared_ptr<Recording>> recordings;
  };

  explicit Queue(Device& device)
      : device_(device), scratch_(device), recorded_scratch_(std::make_shared<Scratch>(device)) {}
  absl::StatusOr<Batch*> Current();
  absl::StatusOr<std::pair<Staging*, uint64_t>> Stage(uint64_t bytes);
  absl::Status Copy(const Allocation& from, uint64_t from_offset, const Allocation& to,
                    uint64_t to_offset, uint64_t bytes);
  absl::Status Write(VkCommandBuffer commands, Hazards& hazards, const Dispatch& dispatch);
  absl::Status DownloadsToStaging();
  absl::Status Counted(uint64_t work = 0);
  absl::Status Submit();
  void Retire(Batch& batch);
  void RetireDone(uint64_t value);
  bool Idle();
  absl::Status ReportValidation();

  Device& device_;
  std::shared_ptr<Timeline> timeline_;
  std::optional<Batch> open_;
  std::deque<Batch> running_;
  std::vector<Batch> spare_;            // with pools to use again
  std::vector<Staging> spare_staging_;  // of kStagingPiece bytes
  std::vector<InPlace> in_place_;       // downloads with nothing enqueued after them
  uint64_t submitted_ = 0;
  Hazards hazards_;
  Scratch scratch_;
  std::shared_ptr<Scratch> recorded_scratch_;
  std::shared_ptr<Recording> recording_;
  absl::Status failure_;
  uint64_t validation_seen_ = 0;
};

}  // namespace raison::vulkan
