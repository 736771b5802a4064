#include "core/backend/far/far_backend.h"

#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "core/backend/far/protected_memory.h"
#include "core/backend/reference/guard.h"
#include "core/backend/reference/operands.h"
#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"

namespace raison {
namespace {

using far::ProtectedMemory;
using reference::AnyOp;
using reference::CheckLevel;
using reference::Guard;
using reference::Memory;

struct FarBuffer;

struct DeviceState {
  rsn_backend_host host;
  std::mutex mutex;  // guards `live`, and with it which memory is open
  std::set<Memory*> live;
};

struct FarBuffer : Memory {
  FarBuffer(DeviceState* owner, ProtectedMemory mapped, uint64_t size)
      : Memory{mapped.data(), size}, device(owner), memory(std::move(mapped)) {}
  DeviceState* device;
  ProtectedMemory memory;
};

struct UploadOp {
  Memory* to;
  uint64_t offset;
  std::vector<std::byte> bytes;  // copied when enqueued
};
struct DownloadOp {
  void* to;
  Memory* from;
  uint64_t offset;
  uint64_t bytes;
};
using Command = std::variant<AnyOp, UploadOp, DownloadOp>;

struct QueueState {
  DeviceState* device;
  std::vector<Command> pending;
  bool recording = false;
  std::vector<AnyOp> recorded;
};

struct RecordingState {
  std::vector<AnyOp> ops;
};

QueueState& Q(rsn_queue* queue) { return *reinterpret_cast<QueueState*>(queue); }
DeviceState& D(rsn_device_state* device) { return *reinterpret_cast<DeviceState*>(device); }

absl::Status CheckLive(const DeviceState& device, rsn_buffer* buffer) {
  // Compared as an address only: what is not ours is never dereferenced.
  if (device.live.count(reference::MemoryOf(buffer)) != 0) return absl::OkStatus();
  return absl::InvalidArgumentError("far: an operand is not a live buffer of this device");
}

template <typename Args>
absl::Status CheckOperands(const DeviceState& device, const Args& args) {
  absl::Status status;
  reference::Operands(args, [&](const rsn_tensor& t) {
    if (t.buffer != nullptr && status.ok()) status = CheckLive(device, t.buffer);
  });
  return status;
}

uint32_t DeviceCount() { return 1; }

int32_t DeviceOpen(const rsn_backend_host* host, uint32_t index, rsn_device_state** out) {
  return Guard([&]() -> absl::Status {
    if (index != 0) return absl::InvalidArgumentError(absl::StrCat("there is no device ", index));
    auto device = std::make_unique<DeviceState>();
    RSN_RETURN_IF_ERROR(reference::CopyArgs(host, device->host));
    *out = reinterpret_cast<rsn_device_state*>(device.release());
    return absl::OkStatus();
  });
}

void DeviceClose(rsn_device_state* device) { delete &D(device); }

int32_t DeviceInfo(rsn_device_state*, rsn_device_info* info) {
  return Guard([&] {
    return reference::WriteInfo(info, "far", "the reference behind unreadable memory: a test");
  });
}

absl::StatusOr<std::unique_ptr<FarBuffer>> NewFarBuffer(DeviceState& device, uint64_t bytes) {
  RSN_ASSIGN_OR_RETURN(ProtectedMemory memory, ProtectedMemory::Map(bytes));
  return std::make_unique<FarBuffer>(&device, std::move(memory), bytes);
}

rsn_buffer* Publish(std::unique_ptr<FarBuffer> buffer) {
  std::lock_guard lock(buffer->device->mutex);
  buffer->device->live.insert(buffer.get());
  return reference::BufferOf(buffer.release());
}

int32_t BufferNew(rsn_device_state* device, uint64_t bytes, rsn_buffer** out) {
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<FarBuffer> buffer, NewFarBuffer(D(device), bytes));
    *out = Publish(std::move(buffer));
    return absl::OkStatus();
  });
}

void BufferFree(rsn_buffer* buffer) {
  if (buffer == nullptr) return;
  auto* far_buffer = static_cast<FarBuffer*>(reference::MemoryOf(buffer));
  {
    std::lock_guard lock(far_buffer->device->mutex);
    far_buffer->device->live.erase(far_buffer);
  }
  delete far_buffer;
}

// `size` bytes, which are the `given` ones again and again.
absl::Status FillWeight(DeviceState& device, rsn_tensor* description, const void* bytes,
                        uint64_t given, uint64_t size) {
  RSN_ASSIGN_OR_RETURN(std::unique_ptr<FarBuffer> buffer, NewFarBuffer(device, size));
  RSN_RETURN_IF_ERROR(buffer->memory.Open());
  for (uint64_t at = 0; at < size; at += given) {
    std::memcpy(buffer->data + at, bytes, std::min(given, size - at));
  }
  RSN_RETURN_IF_ERROR(buffer->memory.Close());
  description->buffer = Publish(std::move(buffer));
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
  return Guard([&] {
    auto queue = std::make_unique<QueueState>();
    queue->device = &D(device);
    *out = reinterpret_cast<rsn_queue*>(queue.release());
    return absl::OkStatus();
  });
}

void QueueFree(rsn_queue* queue) { delete reinterpret_cast<QueueState*>(queue); }

absl::Status CheckCopy(QueueState& queue, rsn_buffer* buffer, uint64_t offset, uint64_t bytes) {
  if (queue.recording) return absl::FailedPreconditionError("far: a copy while recording");
  std::lock_guard lock(queue.device->mutex);
  RSN_RETURN_IF_ERROR(CheckLive(*queue.device, buffer));
  const uint64_t size = reference::MemoryOf(buffer)->bytes;
  if (offset > size || bytes > size - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("far: a copy of ", bytes, " bytes at ", offset, " in a buffer of ", size));
  }
  return absl::OkStatus();
}

int32_t Upload(rsn_queue* queue, rsn_buffer* to, uint64_t offset, const void* from,
               uint64_t bytes) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckCopy(Q(queue), to, offset, bytes));
    const auto* first = static_cast<const std::byte*>(from);
    Q(queue).pending.push_back(
        UploadOp{reference::MemoryOf(to), offset, std::vector<std::byte>(first, first + bytes)});
    return absl::OkStatus();
  });
}

int32_t Download(rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset, uint64_t bytes) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckCopy(Q(queue), from, offset, bytes));
    Q(queue).pending.push_back(DownloadOp{to, reference::MemoryOf(from), offset, bytes});
    return absl::OkStatus();
  });
}

absl::Status Execute(const DeviceState& device, const Command& command) {
  if (const auto* op = std::get_if<AnyOp>(&command)) {
    // Again: a buffer may have been freed since.
    RSN_RETURN_IF_ERROR(
        std::visit([&](const auto& args) { return CheckOperands(device, args); }, *op));
    return reference::RunAny(*op, device.host);
  }
  if (const auto* up = std::get_if<UploadOp>(&command)) {
    RSN_RETURN_IF_ERROR(CheckLive(device, reference::BufferOf(up->to)));
    if (!up->bytes.empty())
      std::memcpy(up->to->data + up->offset, up->bytes.data(), up->bytes.size());
    return absl::OkStatus();
  }
  const auto& down = std::get<DownloadOp>(command);
  RSN_RETURN_IF_ERROR(CheckLive(device, reference::BufferOf(down.from)));
  if (down.bytes != 0) std::memcpy(down.to, down.from->data + down.offset, down.bytes);
  return absl::OkStatus();
}

int32_t Synchronize(rsn_queue* queue) {
  return Guard([&]() -> absl::Status {
    if (Q(queue).recording)
      return absl::FailedPreconditionError("far: synchronize while recording");
    const std::vector<Command> pending = std::exchange(Q(queue).pending, {});
    if (pending.empty()) return absl::OkStatus();
    DeviceState& device = *Q(queue).device;
    std::lock_guard lock(device.mutex);
    absl::Status status;
    for (Memory* m : device.live) {
      if (status.ok()) status = static_cast<FarBuffer*>(m)->memory.Open();
    }
    for (const Command& command : pending) {
      if (status.ok()) status = Execute(device, command);
    }
    for (Memory* m : device.live) {
      const absl::Status closed = static_cast<FarBuffer*>(m)->memory.Close();
      if (status.ok()) status = closed;
    }
    return status;
  });
}

template <typename Args>
int32_t Enqueue(rsn_queue* queue, const Args* args) {
  return Guard([&]() -> absl::Status {
    Args copy;
    RSN_RETURN_IF_ERROR(reference::CopyArgs(args, copy));
    {
      std::lock_guard lock(Q(queue).device->mutex);
      RSN_RETURN_IF_ERROR(CheckOperands(*Q(queue).device, copy));
    }
    RSN_RETURN_IF_ERROR(reference::Check(copy, CheckLevel::kBuffers));
    if (Q(queue).recording) {
      Q(queue).recorded.push_back(copy);
    } else {
      Q(queue).pending.push_back(AnyOp(copy));
    }
    return absl::OkStatus();
  });
}

int32_t RecordBegin(rsn_queue* queue) {
  return Guard([&]() -> absl::Status {
    if (Q(queue).recording) return absl::FailedPreconditionError("far: already recording");
    Q(queue).recording = true;
    Q(queue).recorded.clear();
    return absl::OkStatus();
  });
}

int32_t RecordEnd(rsn_queue* queue, rsn_recording** out) {
  return Guard([&]() -> absl::Status {
    if (!Q(queue).recording) return absl::FailedPreconditionError("far: not recording");
    auto recording = std::make_unique<RecordingState>();
    recording->ops = std::exchange(Q(queue).recorded, {});
    Q(queue).recording = false;
    *out = reinterpret_cast<rsn_recording*>(recording.release());
    return absl::OkStatus();
  });
}

int32_t Replay(rsn_queue* queue, rsn_recording* recording) {
  return Guard([&]() -> absl::Status {
    if (Q(queue).recording) return absl::FailedPreconditionError("far: replay while recording");
    for (const AnyOp& op : reinterpret_cast<RecordingState*>(recording)->ops) {
      Q(queue).pending.push_back(op);
    }
    return absl::OkStatus();
  });
}

void RecordingFree(rsn_recording* recording) {
  delete reinterpret_cast<RecordingState*>(recording);
}

int32_t Supports(rsn_device_state*, uint32_t op, const void* args) {
  return Guard([&] { return reference::CheckNumbered(op, args, CheckLevel::kShapes); }) == 0;
}

}  // namespace

const void* FarBufferAddress(rsn_buffer* buffer) { return reference::MemoryOf(buffer)->data; }

int32_t OpenFarBackend(const rsn_backend_host*, rsn_backend* backend) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  table.version = RSN_BACKEND_VERSION;
  table.name = "far";
  table.device_count = DeviceCount;
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
  return reference::WriteTable(table, backend);
}

}  // namespace raison
