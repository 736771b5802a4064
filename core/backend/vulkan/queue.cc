#include "core/backend/vulkan/queue.h"

#include <algorithm>

namespace raison::vulkan {
namespace {

// Enough that the device has work while the host goes on; a decode step of a large model is a few
// such batches, a small one's is one.
constexpr int kCommandsPerBatch = 256;
constexpr uint64_t kStagingPiece = uint64_t{4} << 20;
constexpr uint64_t kLargestCopy = uint64_t{8} << 20;  // larger copies are cut: cheap to stage
constexpr size_t kRanges = 64;                        // kept before a barrier is made anyway
constexpr uint32_t kGroupsInX = 32768;                // every device allows 65535

bool Overlap(const std::vector<Range>& a, const std::vector<Range>& b) {
  for (const Range& x : a) {
    for (const Range& y : b) {
      if (x.begin < y.end && y.begin < x.end) return true;
    }
  }
  return false;
}

void Barrier(const DeviceApi& api, VkCommandBuffer commands) {
  const VkMemoryBarrier all = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
      .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
      .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                       VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT};
  constexpr VkPipelineStageFlags kStages =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  api.CmdPipelineBarrier(commands, kStages, kStages, 0, 1, &all, 0, nullptr, 0, nullptr);
}

absl::Status NewCommands(Device& device, VkCommandBufferLevel level, VkCommandPool& pool,
                         VkCommandBuffer& commands) {
  const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                        .queueFamilyIndex = device.physical().queue_family};
  RSN_RETURN_IF_ERROR(
      device.Check("making a command pool",
                   device.api().CreateCommandPool(device.handle(), &info, nullptr, &pool)));
  const VkCommandBufferAllocateInfo allocate = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
      .commandPool = pool,
      .level = level,
      .commandBufferCount = 1};
  return device.Check("making a command buffer",
                      device.api().AllocateCommandBuffers(device.handle(), &allocate, &commands));
}

}  // namespace

bool Hazards::Add(const std::vector<Range>& reads, const std::vector<Range>& writes) {
  const bool conflict = unknown_ || Overlap(reads, writes_) || Overlap(writes, writes_) ||
                        Overlap(writes, reads_) || reads_.size() + writes_.size() > kRanges;
  if (conflict) Clear();
  unknown_ = false;
  reads_.insert(reads_.end(), reads.begin(), reads.end());
  writes_.insert(writes_.end(), writes.begin(), writes.end());
  return conflict;
}

Scratch::~Scratch() {
  for (Buffer* buffer : buffers_) device_.FreeBuffer(buffer);
}

absl::StatusOr<uint64_t> Scratch::Get(uint64_t bytes) {
  if (!buffers_.empty() && buffers_.back()->bytes >= bytes) return buffers_.back()->address();
  // Doubling keeps what was outgrown below what is in use.
  const uint64_t least = buffers_.empty() ? 65536 : 2 * buffers_.back()->bytes;
  absl::StatusOr<Buffer*> made = device_.NewBuffer(std::max(bytes, least), true);
  if (!made.ok() && bytes < least) made = device_.NewBuffer(bytes, true);
  RSN_ASSIGN_OR_RETURN(Buffer* const buffer, made);
  buffers_.push_back(buffer);
  return buffer->address();
}

Recording::~Recording() {
  if (pool != VK_NULL_HANDLE) device.api().DestroyCommandPool(device.handle(), pool, nullptr);
}

absl::StatusOr<std::unique_ptr<Queue>> Queue::Create(Device& device) {
  auto queue = std::unique_ptr<Queue>(new Queue(device));
  RSN_ASSIGN_OR_RETURN(queue->timeline_, device.NewTimeline());
  queue->validation_seen_ = device.instance().validation_errors();
  return queue;
}

Queue::~Queue() {
  if (timeline_ != nullptr && submitted_ > 0) device_.Wait(*timeline_, submitted_).IgnoreError();
  if (timeline_ != nullptr) timeline_->gone = true;
  recording_.reset();
  // What was enqueued and never submitted does not run.
  if (open_.has_value()) Retire(*open_);
  for (Batch& batch : running_) Retire(batch);
  for (Batch& batch : spare_) {
    device_.api().DestroyCommandPool(device_.handle(), batch.pool, nullptr);
  }
  for (Staging& staging : spare_staging_) device_.memory().Free(staging.memory);
}

absl::StatusOr<Queue::Batch*> Queue::Current() {
  if (open_.has_value()) return &*open_;
  RSN_RETURN_IF_ERROR(device_.LostStatus());
  RetireDone(0);
  Batch batch;
  if (!spare_.empty()) {
    batch = std::move(spare_.back());
    spare_.pop_back();
  } else {
    const absl::Status made =
        NewCommands(device_, VK_COMMAND_BUFFER_LEVEL_PRIMARY, batch.pool, batch.commands);
    if (!made.ok()) {
      if (batch.pool) device_.api().DestroyCommandPool(device_.handle(), batch.pool, nullptr);
      return made;
    }
  }
  const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                          .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  const absl::Status begun =
      device_.Check("beginning commands", device_.api().BeginCommandBuffer(batch.commands, &begin));
  if (!begun.ok()) {
    device_.api().DestroyCommandPool(device_.handle(), batch.pool, nullptr);
    return begun;
  }
  batch.value = submitted_ + 1;
  timeline_->enqueued = batch.value;
  hazards_.TouchAll();
  open_ = std::move(batch);
  return &*open_;
}

bool Queue::Idle() {
  return !open_.has_value() && timeline_->Reached(submitted_) && !device_.lost();
}

absl::StatusOr<std::pair<Queue::Staging*, uint64_t>> Queue::Stage(uint64_t bytes) {
  RSN_ASSIGN_OR_RETURN(Batch* const batch, Current());
  constexpr uint64_t kAlign = 64;
  const uint64_t size = (bytes + kAlign - 1) / kAlign * kAlign;
  if (batch->staging.empty() ||
      batch->staging.back().memory.size - batch->staging.back().used < size) {
    Staging staging;
    if (size <= kStagingPiece && !spare_staging_.empty()) {
      staging = spare_staging_.back();
      spare_staging_.pop_back();
    } else {
      RSN_ASSIGN_OR_RETURN(
          staging.memory,
          device_.memory().Allocate(MemoryKind::kStaging, std::max(size, kStagingPiece)));
    }
    batch->staging.push_back(staging);
  }
  Staging& staging = batch->staging.back();
  const uint64_t offset = staging.used;
  staging.used += size;
  return std::pair(&staging, offset);
}

absl::Status Queue::Copy(const Allocation& from, uint64_t from_offset, const Allocation& to,
                         uint64_t to_offset, uint64_t bytes) {
  RSN_ASSIGN_OR_RETURN(Batch* const batch, Current());
  const uint64_t source = from.address + from_offset, target = to.address + to_offset;
  if (hazards_.Add({{source, source + bytes}}, {{target, target + bytes}})) {
    Barrier(device_.api(), batch->commands);
  }
  const VkBufferCopy region = {
      .srcOffset = from.offset + from_offset, .dstOffset = to.offset + to_offset, .size = bytes};
  device_.api().CmdCopyBuffer(batch->commands, from.buffer, to.buffer, 1, &region);
  return Counted();
}

absl::Status Queue::Counted(uint64_t work) {
  open_->work += work;
  return ++open_->count >= kCommandsPerBatch || open_->work >= kMostWork ? Submit()
                                                                         : absl::OkStatus();
}

absl::Status Queue::Upload(Buffer& to, uint64_t offset, const void* from, uint64_t bytes) {
  if (recording_ != nullptr)
    return absl::FailedPreconditionError("Vulkan: an upload while recording");
  if (bytes == 0) return absl::OkStatus();
  RSN_RETURN_IF_ERROR(DownloadsToStaging());
  if (to.memory.mapped != nullptr && Idle()) {
    std::memcpy(to.memory.mapped + offset, from, bytes);
    return absl::OkStatus();
  }
  const auto* source = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    const uint64_t part = std::min(bytes, kLargestCopy);
    RSN_ASSIGN_OR_RETURN(const auto place, Stage(part));
    const auto [staging, at] = place;
    std::memcpy(staging->memory.mapped + at, source, part);
    const Allocation piece = staging->memory;  // Copy may submit, and the batch is then elsewhere
    RSN_RETURN_IF_ERROR(Copy(piece, at, to.memory, offset, part));
    source += part, offset += part, bytes -= part;
    if (part > kStagingPiece) {  // at most two such pieces are under way
      if (open_.has_value()) RSN_RETURN_IF_ERROR(Submit());
      if (submitted_ > 1) {
        RSN_RETURN_IF_ERROR(device_.Wait(*timeline_, submitted_ - 1));
        RetireDone(submitted_ - 1);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Queue::Download(void* to, Buffer& from, uint64_t offset, uint64_t bytes) {
  if (recording_ != nullptr)
    return absl::FailedPreconditionError("Vulkan: a download while recording");
  if (bytes == 0) return absl::OkStatus();
  if (from.memory.mapped != nullptr && device_.memory().readable_in_place()) {
    in_place_.push_back({to, &from, offset, bytes});
    return absl::OkStatus();
  }
  auto* target = static_cast<std::byte*>(to);
  while (bytes > 0) {
    const uint64_t part = std::min(bytes, kLargestCopy);
    RSN_ASSIGN_OR_RETURN(const auto place, Stage(part));
    const auto [staging, at] = place;
    const Allocation piece = staging->memory;
    open_->readbacks.push_back({target, piece.mapped + at, part});
    RSN_RETURN_IF_ERROR(Copy(from.memory, offset, piece, at, part));
    target += part, offset += part, bytes -= part;
  }
  return absl::OkStatus();
}

// Something is enqueued after these downloads: they are copied before it.
absl::Status Queue::DownloadsToStaging() {
  if (in_place_.empty()) return absl::OkStatus();
  const std::vector<InPlace> downloads = std::exchange(in_place_, {});
  for (const InPlace& d : downloads) {
    RSN_ASSIGN_OR_RETURN(const auto place, Stage(d.bytes));
    const auto [staging, at] = place;
    const Allocation piece = staging->memory;
    open_->readbacks.push_back({d.to, piece.mapped + at, d.bytes});
    RSN_RETURN_IF_ERROR(Copy(d.from->memory, d.offset, piece, at, d.bytes));
  }
  return absl::OkStatus();
}

absl::Status Queue::Zero(Buffer& buffer) {
  RSN_ASSIGN_OR_RETURN(Batch* const batch, Current());
  const uint64_t address = buffer.address();
  if (hazards_.Add({}, {{address, address + buffer.memory.size}})) {
    Barrier(device_.api(), batch->commands);
  }
  device_.api().CmdFillBuffer(batch->commands, buffer.memory.buffer, buffer.memory.offset,
                              buffer.memory.size, 0);
  return Counted();
}

absl::Status Queue::Repeat(Buffer& buffer, uint64_t size) {
  for (uint64_t done = size; done < buffer.bytes; done *= 2) {  // twice as much with every copy
    RSN_RETURN_IF_ERROR(
        Copy(buffer.memory, 0, buffer.memory, done, std::min(done, buffer.bytes - done)));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Queue::GetScratch(uint64_t bytes) {
  return recording_ != nullptr ? recording_->scratch->Get(bytes) : scratch_.Get(bytes);
}

absl::Status Queue::Write(VkCommandBuffer commands, Hazards& hazards, const Dispatch& d) {
  RSN_ASSIGN_OR_RETURN(const VkPipeline pipeline, device_.pipelines().Get(d.shader, d.constants));
  const DeviceApi& api = device_.api();
  if (hazards.Add(d.reads, d.writes)) Barrier(api, commands);
  api.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  api.CmdPushConstants(commands, device_.pipelines().layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       d.push_bytes, d.push);
  const uint32_t x = static_cast<uint32_t>(std::min<uint64_t>(d.groups, kGroupsInX));
  const uint32_t y = static_cast<uint32_t>((d.groups + x - 1) / x);
  api.CmdDispatch(commands, x, y, 1);
  return absl::OkStatus();
}

absl::Status Queue::Enqueue(const Dispatch& dispatch) {
  if (dispatch.groups == 0) return absl::OkStatus();
  if (dispatch.groups > uint64_t{kGroupsInX} * 65535) {
    return absl::UnimplementedError(absl::StrCat("Vulkan: ", dispatch.groups, " workgroups of ",
                                                 CodeOf(dispatch.shader).name, " at once"));
  }
  if (recording_ != nullptr) {
    return Write(recording_->commands, recording_->hazards, dispatch);
  }
  RSN_RETURN_IF_ERROR(DownloadsToStaging());
  RSN_ASSIGN_OR_RETURN(Batch* const batch, Current());
  RSN_RETURN_IF_ERROR(Write(batch->commands, hazards_, dispatch));
  return Counted(dispatch.work);
}

absl::Status Queue::Submit() {
  Batch batch = std::move(*open_);
  open_.reset();
  const DeviceApi& api = device_.api();
  // What the host may read afterwards: copies in staging memory, or anything in place.
  if (!batch.readbacks.empty() || device_.memory().readable_in_place()) {
    const VkMemoryBarrier host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    api.CmdPipelineBarrier(batch.commands,
                           VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                           VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &host, 0, nullptr, 0, nullptr);
  }
  absl::Status status = device_.Check("ending commands", api.EndCommandBuffer(batch.commands));
  const VkTimelineSemaphoreSubmitInfo values = {
      .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
      .signalSemaphoreValueCount = 1,
      .pSignalSemaphoreValues = &batch.value};
  const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                             .pNext = &values,
                             .commandBufferCount = 1,
                             .pCommandBuffers = &batch.commands,
                             .signalSemaphoreCount = 1,
                             .pSignalSemaphores = &timeline_->semaphore};
  if (status.ok()) status = device_.Submit(info);
  if (!status.ok()) {
    timeline_->enqueued = submitted_;
    batch.readbacks.clear();
    Retire(batch);
    if (failure_.ok()) failure_ = status;  // what was enqueued is lost: synchronize tells
    return status;
  }
  submitted_ = batch.value;
  running_.push_back(std::move(batch));
  return absl::OkStatus();
}

// The device is done with the batch: its pieces are for the next ones.
void Queue::Retire(Batch& batch) {
  for (Staging& staging : batch.staging) {
    staging.used = 0;
    // The pieces that a decode step needs stay; a model's loading does not.
    if (staging.memory.size < 2 * kStagingPiece && spare_staging_.size() < 4) {
      spare_staging_.push_back(staging);
    } else {
      device_.memory().Free(staging.memory);
    }
  }
  const bool clean = device_.api().ResetCommandPool(device_.handle(), batch.pool, 0) == VK_SUCCESS;
  if (clean) {
    Batch next;
    next.pool = batch.pool, next.commands = batch.commands;
    spare_.push_back(std::move(next));
  } else {
    device_.api().DestroyCommandPool(device_.handle(), batch.pool, nullptr);
  }
  batch = Batch{};
}

// Batches up to `value` are known to be done; others are asked about.
void Queue::RetireDone(uint64_t value) {
  while (!running_.empty()) {
    Batch& batch = running_.front();
    if (batch.value > value && !timeline_->Reached(batch.value)) return;
    if (!device_.lost()) {
      for (const Readback& r : batch.readbacks) std::memcpy(r.to, r.from, r.bytes);
    }
    Retire(batch);
    running_.pop_front();
  }
}

absl::Status Queue::Synchronize() {
  if (recording_ != nullptr) {
    return absl::FailedPreconditionError("Vulkan: synchronize while recording");
  }
  if (open_.has_value()) Submit().IgnoreError();  // kept in failure_
  if (submitted_ > 0) {
    const absl::Status waited = device_.Wait(*timeline_, submitted_);
    if (!waited.ok() && failure_.ok()) failure_ = waited;
  }
  RetireDone(device_.lost() ? 0 : submitted_);
  for (const InPlace& d : std::exchange(in_place_, {})) {
    if (!device_.lost()) std::memcpy(d.to, d.from->memory.mapped + d.offset, d.bytes);
  }
  device_.Collect();
  const absl::Status validated = ReportValidation();
  if (failure_.ok()) failure_ = validated;
  return std::exchange(failure_, absl::OkStatus());
}

absl::Status Queue::ReportValidation() {
  Instance& instance = device_.instance();
  const uint64_t errors = instance.validation_errors();
  if (errors == validation_seen_) return absl::OkStatus();
  validation_seen_ = errors;
  const std::string text =
      absl::StrCat("Vulkan: the validation layer complains: ", instance.last_validation_error());
  device_.Log(0, text);
  return absl::InternalError(text);
}

absl::Status Queue::BeginRecording() {
  if (recording_ != nullptr) return absl::FailedPreconditionError("Vulkan: already recording");
  RSN_RETURN_IF_ERROR(device_.LostStatus());
  auto recording = std::make_shared<Recording>(device_, recorded_scratch_);
  RSN_RETURN_IF_ERROR(NewCommands(device_, VK_COMMAND_BUFFER_LEVEL_SECONDARY, recording->pool,
                                  recording->commands));
  const VkCommandBufferInheritanceInfo inherit = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO};
  // May be enqueued again before it is done.
  const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                          .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
                                          .pInheritanceInfo = &inherit};
  RSN_RETURN_IF_ERROR(device_.Check("beginning a recording",
                                    device_.api().BeginCommandBuffer(recording->commands, &begin)));
  recording_ = std::move(recording);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Recording>> Queue::EndRecording() {
  if (recording_ == nullptr) return absl::FailedPreconditionError("Vulkan: not recording");
  std::shared_ptr<Recording> recording = std::move(recording_);
  recording_ = nullptr;
  RSN_RETURN_IF_ERROR(
      device_.Check("ending a recording", device_.api().EndCommandBuffer(recording->commands)));
  return recording;
}

absl::Status Queue::Replay(std::shared_ptr<Recording> recording) {
  if (recording_ != nullptr) return absl::FailedPreconditionError("Vulkan: replay while recording");
  if (&recording->device != &device_) {
    return absl::InvalidArgumentError("Vulkan: a recording of another device");
  }
  RSN_RETURN_IF_ERROR(DownloadsToStaging());
  RSN_ASSIGN_OR_RETURN(Batch* const batch, Current());
  // The recording begins with a barrier of its own; what follows it gets one.
  device_.api().CmdExecuteCommands(batch->commands, 1, &recording->commands);
  hazards_.TouchAll();
  batch->recordings.push_back(std::move(recording));
  return Counted();
}

}  // namespace raison::vulkan
