#include "core/backend/reference/reference_backend.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "core/backend/reference/guard.h"
#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"

namespace raison {
namespace {

using reference::AnyOp;
using reference::CheckLevel;
using reference::Memory;

struct DeviceState {
  rsn_backend_host host;
};

struct OwnedMemory : Memory {
  void* allocated = nullptr;  // stays so where the host's bytes are used in place
  ~OwnedMemory() { std::free(allocated); }
};

struct QueueState {
  DeviceState* device;
  absl::Status failure;  // of an enqueued operation, until synchronize
  bool recording = false;
  std::vector<AnyOp> recorded;
};

struct RecordingState {
  std::vector<AnyOp> ops;
};

QueueState& Q(rsn_queue* queue) { return *reinterpret_cast<QueueState*>(queue); }
DeviceState& D(rsn_device_state* device) { return *reinterpret_cast<DeviceState*>(device); }

uint32_t DeviceCount() { return 1; }

int32_t DeviceOpen(const rsn_backend_host* host, uint32_t index, rsn_device_state** out) {
  return reference::Guard([&]() -> absl::Status {
    if (index != 0) return absl::InvalidArgumentError(absl::StrCat("there is no device ", index));
    auto device = std::make_unique<DeviceState>();
    RSN_RETURN_IF_ERROR(reference::CopyArgs(host, device->host));
    *out = reinterpret_cast<rsn_device_state*>(device.release());
    return absl::OkStatus();
  });
}

void DeviceClose(rsn_device_state* device) { delete &D(device); }

int32_t DeviceInfo(rsn_device_state*, rsn_device_info* info) {
  return reference::Guard([&] {
    return reference::WriteInfo(info, "reference", "plain loops in f64: the oracle of the tests");
  });
}

int32_t BufferNew(rsn_device_state*, uint64_t bytes, rsn_buffer** out) {
  return reference::Guard([&]() -> absl::Status {
    constexpr uint64_t kAlign = 64;
    auto memory = std::make_unique<OwnedMemory>();
    // calloc takes large blocks untouched from the system: a KV pool costs what is written to it.
    // More than a process can address, and bytes + kAlign must not wrap.
    constexpr uint64_t kMost = uint64_t{1} << 47;
    memory->allocated = bytes > kMost ? nullptr : std::calloc(bytes + kAlign, 1);
    if (memory->allocated == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes"));
    }
    const uintptr_t first = reinterpret_cast<uintptr_t>(memory->allocated);
    memory->data = static_cast<std::byte*>(memory->allocated) + (kAlign - first % kAlign) % kAlign;
    memory->bytes = bytes;
    *out = reference::BufferOf(memory.release());
    return absl::OkStatus();
  });
}

void BufferFree(rsn_buffer* buffer) {
  delete static_cast<OwnedMemory*>(reference::MemoryOf(buffer));
}

int32_t NewWeight(rsn_device_state* device, rsn_tensor* description, const void* bytes,
                  uint64_t size, uint32_t flags, uint32_t* referenced) {
  return reference::Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(reference::CheckWeight(*description, size));
    // Plain loops read f32 in place: only aligned bytes can be referenced.
    const bool aligned = reinterpret_cast<uintptr_t>(bytes) % 4 == 0;
    const bool reference = (flags & RSN_WEIGHT_MAY_REFERENCE) != 0 && aligned;
    if (reference) {
      auto memory = std::make_unique<OwnedMemory>();
      memory->data = static_cast<std::byte*>(const_cast<void*>(bytes));
      memory->bytes = size;
      description->buffer = reference::BufferOf(memory.release());
    } else {
      rsn_buffer* buffer = nullptr;
      if (BufferNew(device, size, &buffer) != 0) {
        return absl::ResourceExhaustedError(reference::LastError());
      }
      std::memcpy(reference::MemoryOf(buffer)->data, bytes, size);
      description->buffer = buffer;
    }
    description->offset = 0;
    description->layout = 0;
    *referenced = reference ? 1 : 0;
    return absl::OkStatus();
  });
}

int32_t QueueNew(rsn_device_state* device, rsn_queue** out) {
  return reference::Guard([&] {
    *out = reinterpret_cast<rsn_queue*>(new QueueState{.device = &D(device)});
    return absl::OkStatus();
  });
}

void QueueFree(rsn_queue* queue) { delete reinterpret_cast<QueueState*>(queue); }

absl::Status CheckCopy(const QueueState& queue, rsn_buffer* buffer, uint64_t offset,
                       uint64_t bytes) {
  if (queue.recording) return absl::FailedPreconditionError("a copy while recording");
  if (buffer == nullptr) return absl::InvalidArgumentError("a copy without a buffer");
  const uint64_t size = reference::MemoryOf(buffer)->bytes;
  if (offset > size || bytes > size - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("a copy of ", bytes, " bytes at ", offset, " in a buffer of ", size));
  }
  return absl::OkStatus();
}

int32_t Upload(rsn_queue* queue, rsn_buffer* to, uint64_t offset, const void* from,
               uint64_t bytes) {
  return reference::Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckCopy(Q(queue), to, offset, bytes));
    std::memcpy(reference::MemoryOf(to)->data + offset, from, bytes);
    return absl::OkStatus();
  });
}

int32_t Download(rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset, uint64_t bytes) {
  return reference::Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckCopy(Q(queue), from, offset, bytes));
    std::memcpy(to, reference::MemoryOf(from)->data + offset, bytes);
    return absl::OkStatus();
  });
}

int32_t Synchronize(rsn_queue* queue) {
  return reference::Guard([&]() -> absl::Status {
    if (Q(queue).recording) return absl::FailedPreconditionError("synchronize while recording");
    return std::exchange(Q(queue).failure, absl::OkStatus());
  });
}

// Operations run as they come; what they find wrong in memory waits for synchronize.
void Execute(QueueState& queue, const AnyOp& op) {
  if (!queue.failure.ok()) return;
  queue.failure = reference::RunAny(op, queue.device->host);
}

template <typename Args>
int32_t Enqueue(rsn_queue* queue, const Args* args) {
  return reference::Guard([&]() -> absl::Status {
    Args copy;
    RSN_RETURN_IF_ERROR(reference::CopyArgs(args, copy));
    RSN_RETURN_IF_ERROR(reference::Check(copy, CheckLevel::kBuffers));
    if (Q(queue).recording) {
      Q(queue).recorded.push_back(copy);
    } else {
      Execute(Q(queue), copy);
    }
    return absl::OkStatus();
  });
}

int32_t RecordBegin(rsn_queue* queue) {
  return reference::Guard([&]() -> absl::Status {
    if (Q(queue).recording) return absl::FailedPreconditionError("already recording");
    Q(queue).recording = true;
    Q(queue).recorded.clear();
    return absl::OkStatus();
  });
}

int32_t RecordEnd(rsn_queue* queue, rsn_recording** out) {
  return reference::Guard([&]() -> absl::Status {
    if (!Q(queue).recording) return absl::FailedPreconditionError("not recording");
    auto recording = std::make_unique<RecordingState>();
    recording->ops = std::move(Q(queue).recorded);
    Q(queue).recorded.clear();
    Q(queue).recording = false;
    *out = reinterpret_cast<rsn_recording*>(recording.release());
    return absl::OkStatus();
  });
}

int32_t Replay(rsn_queue* queue, rsn_recording* recording) {
  return reference::Guard([&]() -> absl::Status {
    if (Q(queue).recording) return absl::FailedPreconditionError("replay while recording");
    for (const AnyOp& op : reinterpret_cast<RecordingState*>(recording)->ops) {
      Execute(Q(queue), op);
    }
    return absl::OkStatus();
  });
}

void RecordingFree(rsn_recording* recording) {
  delete reinterpret_cast<RecordingState*>(recording);
}

int32_t Supports(rsn_device_state*, uint32_t op, const void* args) {
  return reference::Guard(
             [&] { return reference::CheckNumbered(op, args, CheckLevel::kShapes); }) == 0;
}

}  // namespace

int32_t OpenReferenceBackend(const rsn_backend_host*, rsn_backend* backend) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  table.version = RSN_BACKEND_VERSION;
  table.name = "reference";
  table.device_count = DeviceCount;
  table.device_open = DeviceOpen;
  table.device_close = DeviceClose;
  table.device_info = DeviceInfo;
  table.last_error = reference::LastError;
  table.buffer_new = BufferNew;
  table.buffer_free = BufferFree;
  table.weight = NewWeight;
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
