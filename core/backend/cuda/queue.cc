#include "core/backend/cuda/queue.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "core/backend/cuda/errors.h"
#include "core/base/os/condition_variable.h"

namespace raison::cuda {
namespace {

// Downloads above this are copied without pinned memory in between: they are rare and wait anyway.
constexpr uint64_t kMostPinned = 8 << 20;
constexpr uint64_t kLandingBytes = 1 << 20;

// Of the process. Whoever waits for a whole card ends the recordings under way on it, whichever thread
// makes them; the end of cuBLAS does. So it comes between recordings.
class Recorders {
 public:
  void Begin() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLongest, [&] { return !ending_; });
    ++recording_;
  }
  void End() {
    std::lock_guard lock(mutex_);
    --recording_;
    changed_.notify_all();
  }
  template <typename F>
  void Between(const F& f) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLongest, [&] { return recording_ == 0 && !ending_; });
    ending_ = true;
    lock.unlock();
    f();
    lock.lock();
    ending_ = false;
    changed_.notify_all();
  }

 private:
  // A recording takes milliseconds. One that its thread never ends must not stop the others for good.
  static constexpr std::chrono::seconds kLongest{5};
  std::mutex mutex_;
  std::condition_variable changed_;
  int recording_ = 0;
  bool ending_ = false;
};
Recorders& AllRecorders() {
  static auto* all = new Recorders;
  return *all;
}

// Memory for one operation that runs now, taken from and given back to the stream.
class DirectScratch : public Scratch {
 public:
  DirectScratch(Device& device, cudaStream_t stream) : device_(device), stream_(stream) {}
  ~DirectScratch() override {
    if (device_.pool() == nullptr && !taken_.empty()) cudaStreamSynchronize(stream_);
    for (void* p : taken_) {
      if (device_.pool() != nullptr) {
        cudaFreeAsync(p, stream_);
      } else {
        cudaFree(p);
      }
    }
  }
  void* Take(size_t bytes) override {
    void* p = nullptr;
    const cudaError_t error =
        device_.pool() != nullptr ? cudaMallocFromPoolAsync(&p, bytes, device_.pool(), stream_)
                                  : cudaMalloc(&p, bytes);
    wanted = bytes;
    if (error != cudaSuccess) return nullptr;
    taken_.push_back(p);
    return p;
  }
 private:
  Device& device_;
  cudaStream_t stream_;
  std::vector<void*> taken_;
};

const char* NameOf(FaultKind kind) {
  switch (kind) {
    case FaultKind::kNone: return "nothing";
    case FaultKind::kToken: return "embed: tokens";
    case FaultKind::kRowIndex: return "gather_rows: index";
    case FaultKind::kSlot: return "kv_write: slots";
    case FaultKind::kPageFrom: return "kv_copy_page: from";
    case FaultKind::kPageTo: return "kv_copy_page: to";
    case FaultKind::kRowBegin: return "attention: row_begin";
    case FaultKind::kKvLength: return "attention: kv_length";
    case FaultKind::kPageBegin: return "attention: page_begin";
    case FaultKind::kPage: return "attention: pages";
    case FaultKind::kExpert: return "moe_experts: ids";
    case FaultKind::kExpertSlot: return "moe_experts: slots";
    case FaultKind::kAdjustBegin: return "reduce_logits: adjust_begin";
    case FaultKind::kAdjustId: return "reduce_logits: adjust_id";
  }
  return "an operation";
}

}  // namespace

// -------- recordings ----------------------------------------------------------------------------------

absl::StatusOr<std::shared_ptr<FaultWord>> FaultWord::New(Device& device) {
  auto word = std::shared_ptr<FaultWord>(new FaultWord(device));
  RSN_ASSIGN_OR_RETURN(void* const p, device.Allocate(sizeof(Fault)));
  word->on_card = static_cast<Fault*>(p);
  RSN_RETURN_IF_ERROR(device.Zero(p, sizeof(Fault)));
  void* host = nullptr;
  RSN_RETURN_IF_ERROR(
      device.Check(cudaHostAlloc(&host, sizeof(Fault), cudaHostAllocDefault), "pinned memory"));
  word->pinned = static_cast<Fault*>(host);
  *word->pinned = {};
  return word;
}

FaultWord::~FaultWord() {
  const ScopedDevice entered(device_);
  if (on_card != nullptr) cudaFree(on_card);
  if (pinned != nullptr) cudaFreeHost(pinned);
}

RecordedScratch::~RecordedScratch() {
  const ScopedDevice entered(device_);
  for (const Piece& piece : pieces_) cudaFree(piece.p);
  if (used_ != nullptr) cudaEventDestroy(used_);
}

cudaError_t RecordedScratch::Use(cudaStream_t stream, const std::function<cudaError_t()>& launch) {
  std::lock_guard lock(mutex_);
  cudaError_t error = cudaSuccess;
  if (used_ == nullptr) error = cudaEventCreateWithFlags(&used_, cudaEventDisableTiming);
  if (error == cudaSuccess && last_ != nullptr && last_ != stream) {
    error = cudaStreamWaitEvent(stream, used_, 0);
  }
  if (error == cudaSuccess) error = launch();
  if (error == cudaSuccess) error = cudaEventRecord(used_, stream);
  last_ = stream;
  return error;
}

void RecordedScratch::Wait() {
  std::lock_guard lock(mutex_);
  if (used_ != nullptr) cudaEventSynchronize(used_);
}

void* RecordedScratch::Take(size_t bytes) {
  wanted = bytes;
  Piece* best = nullptr;
  for (Piece& piece : pieces_) {
    // A much larger piece stays for those who need it.
    if (piece.taken || piece.bytes < bytes || piece.bytes / 4 > bytes + 4096) continue;
    if (best == nullptr || piece.bytes < best->bytes) best = &piece;
  }
  if (best == nullptr) {
    void* p = nullptr;
    if (cudaMalloc(&p, bytes) != cudaSuccess) return nullptr;
    pieces_.push_back({p, bytes, false});
    best = &pieces_.back();
  }
  best->taken = true;
  return best->p;
}

void RecordedScratch::EndOperation() {
  for (Piece& piece : pieces_) piece.taken = false;
}

Recording::~Recording() {
  const ScopedDevice entered(device);
  // A replay may still run. Not the whole card: that would end a recording under way on another queue.
  scratch->Wait();
  if (exec != nullptr) cudaGraphExecDestroy(exec);
}

// -------- queues --------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Queue>> Queue::New(Device& device) {
  auto queue = std::unique_ptr<Queue>(new Queue(device));
  RSN_RETURN_IF_ERROR(device.Check(
      cudaStreamCreateWithFlags(&queue->stream_, cudaStreamNonBlocking), "queue_new"));
  RSN_ASSIGN_OR_RETURN(queue->fault_, FaultWord::New(device));
  return queue;
}

Queue::~Queue() {
  const ScopedDevice entered(device_);
  if (recording_ != nullptr) {
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    AllRecorders().End();
    recording_.reset();
  }
  if (stream_ != nullptr) cudaStreamSynchronize(stream_);
  if (dense_ != nullptr) AllRecorders().Between([&] { dense_.reset(); });
  for (Slot& slot : slots_) {
    if (slot.copied != nullptr) cudaEventDestroy(slot.copied);
    if (slot.data != nullptr) cudaFreeHost(slot.data);
  }
  for (const Pinned& piece : landing_) cudaFreeHost(piece.data);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

absl::Status Queue::CheckCopy(const char* what, DeviceMemory* buffer, uint64_t offset,
                              const void* host, uint64_t bytes) const {
  if (recording_ != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(what, " is refused while recording"));
  }
  if (buffer == nullptr || (host == nullptr && bytes != 0)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": an argument is NULL"));
  }
  if (buffer->device != &device_) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the buffer is another device's"));
  }
  if (offset > buffer->bytes || bytes > buffer->bytes - offset) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", bytes, " bytes at ", offset,
                                                   " of a buffer of ", buffer->bytes));
  }
  return absl::OkStatus();
}

absl::Status Queue::Upload(DeviceMemory* to, uint64_t offset, const void* from, uint64_t bytes) {
  RSN_RETURN_IF_ERROR(CheckCopy("upload", to, offset, from, bytes));
  const char* source = static_cast<const char*>(from);
  std::byte* target = to->data + offset;
  while (bytes > 0) {
    Slot* slot = &slots_[slot_];
    if (slot->used == kSlotBytes) {
      RSN_RETURN_IF_ERROR(device_.Check(cudaEventRecord(slot->copied, stream_), "upload"));
      slot->pending = true;
      slot_ = (slot_ + 1) % kSlots;
      slot = &slots_[slot_];
      if (slot->pending) {
        RSN_RETURN_IF_ERROR(device_.Check(cudaEventSynchronize(slot->copied), "upload"));
        slot->pending = false;
        slot->used = 0;
      }
    }
    if (slot->data == nullptr) {
      if (slot->copied == nullptr) {
        RSN_RETURN_IF_ERROR(device_.Check(
            cudaEventCreateWithFlags(&slot->copied, cudaEventDisableTiming), "cudaEventCreate"));
      }
      void* p = nullptr;
      RSN_RETURN_IF_ERROR(
          device_.Check(cudaHostAlloc(&p, kSlotBytes, cudaHostAllocDefault), "pinned memory"));
      slot->data = static_cast<char*>(p);
    }
    const uint64_t now = std::min(bytes, kSlotBytes - slot->used);
    std::memcpy(slot->data + slot->used, source, now);
    RSN_RETURN_IF_ERROR(device_.Check(cudaMemcpyAsync(target, slot->data + slot->used, now,
                                                      cudaMemcpyHostToDevice, stream_),
                                      "upload"));
    slot->used += now;
    source += now;
    target += now;
    bytes -= now;
  }
  return absl::OkStatus();
}

// Space that nothing else lands in until the next Synchronize.
absl::StatusOr<void*> Queue::DownloadSpace(uint64_t bytes) {
  while (landing_at_ < landing_.size()) {
    Pinned& piece = landing_[landing_at_];
    if (piece.bytes - landing_used_ >= bytes) {
      void* const p = piece.data + landing_used_;
      landing_used_ += bytes;
      return p;
    }
    ++landing_at_;
    landing_used_ = 0;
  }
  const uint64_t size = std::max(bytes, kLandingBytes);
  void* p = nullptr;
  RSN_RETURN_IF_ERROR(
      device_.Check(cudaHostAlloc(&p, size, cudaHostAllocDefault), "pinned memory"));
  landing_.push_back({static_cast<char*>(p), size});
  landing_used_ = bytes;
  return p;
}

absl::Status Queue::Download(void* to, DeviceMemory* from, uint64_t offset, uint64_t bytes) {
  RSN_RETURN_IF_ERROR(CheckCopy("download", from, offset, to, bytes));
  if (bytes == 0) return absl::OkStatus();
  void* target = to;
  if (bytes <= kMostPinned) {
    RSN_ASSIGN_OR_RETURN(target, DownloadSpace(bytes));
    arrivals_.push_back({to, target, bytes});
  }
  return device_.Check(
      cudaMemcpyAsync(target, from->data + offset, bytes, cudaMemcpyDeviceToHost, stream_),
      "download");
}

absl::Status Queue::Synchronize() {
  if (recording_ != nullptr) {
    return absl::FailedPreconditionError("synchronize is refused while recording");
  }
  std::vector<std::shared_ptr<FaultWord>> words = std::move(replayed_);
  replayed_.clear();
  words.push_back(fault_);
  cudaError_t error = cudaSuccess;
  for (const auto& word : words) {
    if (error != cudaSuccess) break;
    error = cudaMemcpyAsync(word->pinned, word->on_card, sizeof(Fault), cudaMemcpyDeviceToHost,
                            stream_);
  }
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream_);
  const std::vector<Arrival> arrivals = std::move(arrivals_);
  arrivals_.clear();
  landing_at_ = 0;
  landing_used_ = 0;
  for (Slot& slot : slots_) {
    slot.used = 0;
    slot.pending = false;
  }
  RSN_RETURN_IF_ERROR(device_.Check(error, "synchronize"));
  for (const Arrival& a : arrivals) std::memcpy(a.to, a.from, a.bytes);
  absl::Status status;
  for (const auto& word : words) {
    const Fault fault = *word->pinned;
    if (fault.kind == 0) continue;
    RSN_RETURN_IF_ERROR(device_.Check(
        cudaMemsetAsync(word->on_card, 0, sizeof(Fault), stream_), "synchronize"));
    *word->pinned = {};
    status = absl::InvalidArgumentError(absl::StrCat(NameOf(static_cast<FaultKind>(fault.kind)),
                                                     "[", fault.index, "] is ", fault.value,
                                                     ", the limit is ", fault.limit));
  }
  return status;
}

absl::Status Queue::RecordBegin() {
  if (recording_ != nullptr) {
    return absl::FailedPreconditionError("record_begin: a recording is being made");
  }
  RSN_ASSIGN_OR_RETURN(std::shared_ptr<FaultWord> fault, FaultWord::New(device_));
  if (recorded_scratch_ == nullptr) recorded_scratch_ = std::make_shared<RecordedScratch>(device_);
  auto recording = std::make_unique<Recording>(device_, std::move(fault), recorded_scratch_);
  // Relaxed: scratch memory of the recording is allocated while its operations are recorded.
  AllRecorders().Begin();
  if (const cudaError_t error = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed);
      error != cudaSuccess) {
    AllRecorders().End();
    return device_.Check(error, "record_begin");
  }
  recording_ = std::move(recording);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Recording>> Queue::RecordEnd() {
  if (recording_ == nullptr) {
    return absl::FailedPreconditionError("record_end: no recording was begun");
  }
  std::unique_ptr<Recording> recording = std::move(recording_);
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
  AllRecorders().End();
  RSN_RETURN_IF_ERROR(device_.Check(ended, "record_end"));
  const cudaError_t error = cudaGraphInstantiate(&recording->exec, graph, 0);
  cudaGraphDestroy(graph);
  RSN_RETURN_IF_ERROR(device_.Check(error, "record_end"));
  return recording;
}

absl::Status Queue::Replay(Recording& recording) {
  if (recording_ != nullptr) {
    return absl::FailedPreconditionError("replay: a recording is being made");
  }
  if (&recording.device != &device_) {
    return absl::InvalidArgumentError("replay: the recording is another device's");
  }
  const auto launch = [&] { return cudaGraphLaunch(recording.exec, stream_); };
  RSN_RETURN_IF_ERROR(device_.Check(recording.scratch->Use(stream_, launch), "replay"));
  if (std::find(replayed_.begin(), replayed_.end(), recording.fault) == replayed_.end()) {
    replayed_.push_back(recording.fault);
  }
  return absl::OkStatus();
}

void Queue::PrepareDense() {
  if (prepared_dense_ || recording_ != nullptr) return;
  prepared_dense_ = true;
  dense_ = device_.NewDense(stream_);
}

absl::Status Queue::Enqueue(const char* what, const std::function<void(Context&)>& body) {
  cudaError_t error;
  size_t wanted = 0;
  if (recording_ != nullptr) {
    Context context{.stream = stream_, .scratch = *recording_->scratch,
                    .fault = recording_->fault->on_card, .dense = dense_.get()};
    body(context);
    recording_->scratch->EndOperation();
    error = context.error;
    wanted = recording_->scratch->wanted;
  } else {
    DirectScratch scratch(device_, stream_);
    Context context{.stream = stream_, .scratch = scratch, .fault = fault_->on_card,
                    .dense = dense_.get()};
    body(context);
    error = context.error;
    wanted = scratch.wanted;
  }
  if (error == cudaErrorMemoryAllocation) return device_.OutOfMemory(wanted);
  if (error != cudaSuccess && dense_ != nullptr && !dense_->problem.empty()) {
    return absl::InternalError(absl::StrCat(what, ": ", std::exchange(dense_->problem, {})));
  }
  return device_.Check(error, what);
}

}  // namespace raison::cuda
