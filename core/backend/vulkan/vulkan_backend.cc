#include "core/backend/vulkan/vulkan_backend.h"

#include <cstring>
#include <memory>

#include "core/backend/reference/guard.h"
#include "core/backend/reference/ops.h"
#include "core/backend/vulkan/device.h"
#include "core/backend/vulkan/ops.h"
#include "core/backend/vulkan/product.h"
#include "core/backend/vulkan/queue.h"

namespace raison {
namespace {

using reference::CheckLevel;
using reference::Guard;
using vulkan::Buffer;
using vulkan::Device;
using vulkan::Instance;
using vulkan::Queue;
using vulkan::Recording;

Queue& Q(rsn_queue* queue) { return *reinterpret_cast<Queue*>(queue); }
Device& D(rsn_device_state* device) { return *reinterpret_cast<Device*>(device); }

uint32_t DeviceCount() {
  uint32_t count = 0;
  Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(const Instance* const instance, Instance::Get());
    count = static_cast<uint32_t>(instance->devices().size());
    return absl::OkStatus();
  });
  return count;
}

absl::Status Describe(const Instance& instance, const vulkan::PhysicalDevice& device,
                      rsn_device_info* to) {
  uint32_t size = 0;
  if (to == nullptr) return absl::InvalidArgumentError("the info is NULL");
  std::memcpy(&size, to, sizeof size);
  if (size < sizeof size) return absl::InvalidArgumentError(absl::StrCat("struct_size is ", size));
  rsn_device_info info{};
  instance.Describe(device, info);
  info.struct_size = size;
  std::memcpy(to, &info, std::min<size_t>(size, sizeof info));
  return absl::OkStatus();
}

int32_t DeviceQuery(uint32_t index, rsn_device_info* info) {
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(const Instance* const instance, Instance::Get());
    RSN_ASSIGN_OR_RETURN(const vulkan::PhysicalDevice* const device, instance->Find(index));
    return Describe(*instance, *device, info);
  });
}

int32_t DeviceOpen(const rsn_backend_host* host, uint32_t index, rsn_device_state** out) {
  return Guard([&]() -> absl::Status {
    rsn_backend_host copy;
    RSN_RETURN_IF_ERROR(reference::CopyArgs(host, copy));
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, Device::Open(copy, index));
    *out = reinterpret_cast<rsn_device_state*>(device.release());
    return absl::OkStatus();
  });
}

void DeviceClose(rsn_device_state* device) {
  Guard([&] {
    delete &D(device);
    return absl::OkStatus();
  });
}

int32_t DeviceInfo(rsn_device_state* device, rsn_device_info* info) {
  return Guard([&] { return Describe(D(device).instance(), D(device).physical(), info); });
}

int32_t BufferNew(rsn_device_state* device, uint64_t bytes, rsn_buffer** out) {
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(Buffer* const buffer, D(device).NewBuffer(bytes));
    *out = reference::BufferOf(buffer);
    return absl::OkStatus();
  });
}

void BufferFree(rsn_buffer* buffer) {
  if (buffer == nullptr) return;
  Guard([&] {
    Buffer& mine = vulkan::BufferOf(buffer);
    mine.device->FreeBuffer(&mine);
    return absl::OkStatus();
  });
}

// Weights of this size are a model's, and pipelines of their types are compiled while they load.
constexpr uint64_t kPrepared = uint64_t{1} << 20;

// A weight of `size` bytes, which are the `given` ones again and again.
absl::Status FillWeight(vulkan::Device& device, rsn_tensor* description, const void* bytes,
                        uint64_t given, uint64_t size) {
  RSN_ASSIGN_OR_RETURN(Buffer* const buffer, device.NewBuffer(size, true));
  if (size >= kPrepared) vulkan::PrepareProducts(device, *description);
  absl::Status filled = device.Fill(*buffer, bytes, given);
  if (filled.ok() && given < size) filled = device.Repeat(*buffer, given);
  if (!filled.ok()) {
    device.FreeBuffer(buffer);
    return filled;
  }
  description->buffer = reference::BufferOf(buffer);
  description->offset = 0;
  description->layout = 0;
  return absl::OkStatus();
}

int32_t NewWeight(rsn_device_state* device, rsn_tensor* description, const void* bytes,
                  uint64_t size, uint32_t, uint32_t* referenced) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(reference::CheckWeight(*description, size));
    *referenced = 0;
    return FillWeight(D(device), description, bytes, size, size);
  });
}

int32_t NewRepeatedWeight(rsn_device_state* device, rsn_tensor* description, const void* bytes,
                          uint64_t given, uint32_t) {
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(const uint64_t size, reference::CheckRepeatedWeight(*description, given));
    return FillWeight(D(device), description, bytes, given, size);
  });
}

int32_t QueueNew(rsn_device_state* device, rsn_queue** out) {
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<Queue> queue, Queue::Create(D(device)));
    *out = reinterpret_cast<rsn_queue*>(queue.release());
    return absl::OkStatus();
  });
}

void QueueFree(rsn_queue* queue) {
  Guard([&] {
    delete reinterpret_cast<Queue*>(queue);
    return absl::OkStatus();
  });
}

absl::Status CheckCopy(const Queue& queue, rsn_buffer* buffer, uint64_t offset, uint64_t bytes) {
  if (buffer == nullptr) return absl::InvalidArgumentError("a copy without a buffer");
  const Buffer& mine = vulkan::BufferOf(buffer);
  if (mine.device != &queue.device()) {
    return absl::InvalidArgumentError("a copy of another device's buffer");
  }
  if (offset > mine.bytes || bytes > mine.bytes - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("a copy of ", bytes, " bytes at ", offset, " in a buffer of ", mine.bytes));
  }
  return absl::OkStatus();
}

int32_t Upload(rsn_queue* queue, rsn_buffer* to, uint64_t offset, const void* from,
               uint64_t bytes) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckCopy(Q(queue), to, offset, bytes));
    return Q(queue).Upload(vulkan::BufferOf(to), offset, from, bytes);
  });
}

int32_t Download(rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset, uint64_t bytes) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckCopy(Q(queue), from, offset, bytes));
    return Q(queue).Download(to, vulkan::BufferOf(from), offset, bytes);
  });
}

int32_t Synchronize(rsn_queue* queue) {
  return Guard([&] { return Q(queue).Synchronize(); });
}

template <typename Args>
int32_t Enqueue(rsn_queue* queue, const Args* args) {
  return Guard([&]() -> absl::Status {
    Args copy;
    RSN_RETURN_IF_ERROR(reference::CopyArgs(args, copy));
    RSN_RETURN_IF_ERROR(reference::Check(copy, CheckLevel::kBuffers));
    RSN_RETURN_IF_ERROR(vulkan::Refuse(copy));
    return vulkan::Encode(Q(queue), copy);
  });
}

int32_t RecordBegin(rsn_queue* queue) {
  return Guard([&] { return Q(queue).BeginRecording(); });
}

int32_t RecordEnd(rsn_queue* queue, rsn_recording** out) {
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(std::shared_ptr<Recording> recording, Q(queue).EndRecording());
    auto kept = std::make_unique<std::shared_ptr<Recording>>(std::move(recording));
    *out = reinterpret_cast<rsn_recording*>(kept.release());
    return absl::OkStatus();
  });
}

int32_t Replay(rsn_queue* queue, rsn_recording* recording) {
  return Guard([&]() -> absl::Status {
    if (recording == nullptr) return absl::InvalidArgumentError("the recording is NULL");
    return Q(queue).Replay(*reinterpret_cast<std::shared_ptr<Recording>*>(recording));
  });
}

void RecordingFree(rsn_recording* recording) {
  Guard([&] {
    delete reinterpret_cast<std::shared_ptr<Recording>*>(recording);
    return absl::OkStatus();
  });
}

int32_t Supports(rsn_device_state*, uint32_t op, const void* args) {
  return Guard([&]() -> absl::Status {
           RSN_RETURN_IF_ERROR(reference::CheckNumbered(op, args, CheckLevel::kShapes));
           return vulkan::RefuseNumbered(op, args);
         }) == 0;
}

}  // namespace

int32_t OpenVulkanBackend(const rsn_backend_host*, rsn_backend* backend) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  table.version = RSN_BACKEND_VERSION;
  table.name = "vulkan";
  table.device_count = DeviceCount;
  table.device_query = DeviceQuery;
  table.device_open = DeviceOpen;
  table.device_close = DeviceClose;
  table.device_info = DeviceInfo;
  table.last_error = reference::LastError;
  table.buffer_new = BufferNew;
  table.buffer_free = BufferFree;
  table.weight = NewWeight;
  table.weight_repeated = NewRepeatedWeight;
  table.queue_new = QueueNew;
  table.queue_free = QueueFree;
  table.upload = Upload;
  table.download = Download;
  table.synchronize = Synchronize;
  table.record_begin = RecordBegin;
  table.record_end = RecordEnd;
  table.replay = Replay;
  table.recording_free = RecordingFree;
  table.supports = Supports;
  table.embed = Enqueue<rsn_embed>;
  table.gather_rows = Enqueue<rsn_gather_rows>;
  table.rms_norm = Enqueue<rsn_rms_norm>;
  table.matmul = Enqueue<rsn_matmul>;
  table.rope_table = Enqueue<rsn_rope_table>;
  table.rope = Enqueue<rsn_rope>;
  table.kv_write = Enqueue<rsn_kv_write>;
  table.kv_copy_page = Enqueue<rsn_kv_copy_page>;
  table.attention = Enqueue<rsn_attention>;
  table.mla_attention = Enqueue<rsn_mla_attention>;
  table.silu_mul = Enqueue<rsn_silu_mul>;
  table.moe_route = Enqueue<rsn_moe_route>;
  table.moe_experts = Enqueue<rsn_moe_experts>;
  table.reduce_logits = Enqueue<rsn_reduce_logits>;
  const absl::StatusOr<Instance*> instance = Instance::Get();
  const int32_t opened = Guard([&] { return instance.status(); });
  if (opened != 0) {
    // No driver: the caller gets the name, the version and the sentence, nothing that could be run.
    rsn_backend closed{};
    closed.version = table.version;
    closed.name = table.name;
    closed.last_error = table.last_error;
    table = closed;
  }
  const int32_t written = reference::WriteTable(table, backend);
  return written != 0 ? written : opened;
}

}  // namespace raison
