#include "core/backend/cuda/cuda_backend.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <type_traits>

#include "core/backend/cuda/check.h"
#include "core/backend/cuda/device.h"
#include "core/backend/cuda/errors.h"
#include "core/backend/cuda/queue.h"
#include "core/backend/reference/operands.h"
#include "core/backend/reference/ops.h"

// The handles of the C table are opaque and shared by several back ends: state behind a cast.
namespace raison::cuda {
namespace {

using reference::CheckLevel;

Device* StateOf(rsn_device_state* d) { return reinterpret_cast<Device*>(d); }
Queue* StateOf(rsn_queue* q) { return reinterpret_cast<Queue*>(q); }
Recording* StateOf(rsn_recording* r) { return reinterpret_cast<Recording*>(r); }
// All rsn_buffer of this back end are DeviceMemory; reference::Memory is its first base.
DeviceMemory* StateOf(rsn_buffer* b) {
  return b == nullptr ? nullptr : static_cast<DeviceMemory*>(reference::MemoryOf(b));
}

absl::Status IsNull(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": an argument is NULL"));
}

absl::Status WriteInfo(const rsn_device_info& from, rsn_device_info* to) {
  rsn_device_info full = from;
  const uint32_t size = to->struct_size;
  if (size < sizeof size) {
    return absl::InvalidArgumentError(absl::StrCat("device_info: struct_size is ", size));
  }
  full.struct_size = size;
  std::memcpy(to, &full, std::min<size_t>(size, sizeof full));
  return absl::OkStatus();
}

// -------- devices and memory --------------------------------------------------------------------------

uint32_t DeviceCount() {
  uint32_t count = 0;
  Guard([&] {
    count = Device::Count();
    return absl::OkStatus();
  });
  return count;
}

int32_t DeviceQuery(uint32_t index, rsn_device_info* info) {
  return Guard([&]() -> absl::Status {
    if (info == nullptr) return IsNull("device_query");
    RSN_ASSIGN_OR_RETURN(const rsn_device_info full, Device::Query(index));
    return WriteInfo(full, info);
  });
}

int32_t DeviceOpen(const rsn_backend_host* host, uint32_t index, rsn_device_state** out) {
  return Guard([&]() -> absl::Status {
    if (out == nullptr) return IsNull("device_open");
    *out = nullptr;
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, Device::Open(host, index));
    *out = reinterpret_cast<rsn_device_state*>(device.release());
    return absl::OkStatus();
  });
}

void DeviceClose(rsn_device_state* device) { delete StateOf(device); }

int32_t DeviceInfo(rsn_device_state* device, rsn_device_info* info) {
  return Guard([&]() -> absl::Status {
    if (device == nullptr || info == nullptr) return IsNull("device_info");
    return WriteInfo(StateOf(device)->Info(), info);
  });
}

int32_t BufferNew(rsn_device_state* device, uint64_t bytes, rsn_buffer** out) {
  return Guard([&]() -> absl::Status {
    if (device == nullptr || out == nullptr) return IsNull("buffer_new");
    *out = nullptr;
    Device& d = *StateOf(device);
    const ScopedDevice entered(d);
    RSN_RETURN_IF_ERROR(entered.status());
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<DeviceMemory> memory, NewMemory(d, bytes));
    if (const absl::Status zeroed = d.Zero(memory->data, bytes); !zeroed.ok()) {
      FreeMemory(memory.release());
      return zeroed;
    }
    *out = reference::BufferOf(memory.release());
    return absl::OkStatus();
  });
}

void BufferFree(rsn_buffer* buffer) { FreeMemory(StateOf(buffer)); }

// A weight of `size` bytes, which are the `given` ones again and again.
absl::Status FillWeight(Device& d, rsn_tensor* description, const void* bytes, uint64_t given,
                        uint64_t size, uint32_t flags) {
  const ScopedDevice entered(d);
  RSN_RETURN_IF_ERROR(entered.status());
  RSN_ASSIGN_OR_RETURN(std::unique_ptr<DeviceMemory> memory, NewMemory(d, size));
  rsn_tensor t = *description;
  t.layout = (flags & RSN_WEIGHT_MAY_REPACK) != 0 ? kPackedLayout : 0;
  if (!IsPacked(t)) t.layout = 0;
  absl::Status filled = d.CopyIn(memory->data, bytes, given);
  if (filled.ok() && given < size) filled = d.Repeat(memory->data, given, size);
  if (filled.ok() && t.layout != 0 && size > 0) filled = d.Pack(memory->data, size);
  if (!filled.ok()) {
    FreeMemory(memory.release());
    return filled;
  }
  t.buffer = reference::BufferOf(memory.release());
  t.offset = 0;
  *description = t;
  return absl::OkStatus();
}

int32_t Weight(rsn_device_state* device, rsn_tensor* description, const void* bytes, uint64_t size,
               uint32_t flags, uint32_t* referenced) {
  return Guard([&]() -> absl::Status {
    if (device == nullptr || description == nullptr || referenced == nullptr ||
        (bytes == nullptr && size != 0)) {
      return IsNull("weight");
    }
    *referenced = 0;
    RSN_RETURN_IF_ERROR(reference::CheckWeight(*description, size));
    return FillWeight(*StateOf(device), description, bytes, size, size, flags);
  });
}

int32_t WeightRepeated(rsn_device_state* device, rsn_tensor* description, const void* bytes,
                       uint64_t given, uint32_t flags) {
  return Guard([&]() -> absl::Status {
    if (device == nullptr || description == nullptr || (bytes == nullptr && given != 0)) {
      return IsNull("weight_repeated");
    }
    RSN_ASSIGN_OR_RETURN(const uint64_t size, reference::CheckRepeatedWeight(*description, given));
    return FillWeight(*StateOf(device), description, bytes, given, size, flags);
  });
}

// -------- queues --------------------------------------------------------------------------------------

int32_t QueueNew(rsn_device_state* device, rsn_queue** out) {
  return Guard([&]() -> absl::Status {
    if (device == nullptr || out == nullptr) return IsNull("queue_new");
    *out = nullptr;
    const ScopedDevice entered(*StateOf(device));
    RSN_RETURN_IF_ERROR(entered.status());
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<Queue> queue, Queue::New(*StateOf(device)));
    *out = reinterpret_cast<rsn_queue*>(queue.release());
    return absl::OkStatus();
  });
}

void QueueFree(rsn_queue* queue) { delete StateOf(queue); }

// body(Queue&) with the queue's card made the thread's.
template <typename Body>
int32_t OnQueue(const char* what, rsn_queue* queue, const Body& body) {
  return Guard([&]() -> absl::Status {
    if (queue == nullptr) return IsNull(what);
    const ScopedDevice entered(StateOf(queue)->device());
    RSN_RETURN_IF_ERROR(entered.status());
    return body(*StateOf(queue));
  });
}

int32_t Upload(rsn_queue* queue, rsn_buffer* to, uint64_t offset, const void* from,
               uint64_t bytes) {
  return OnQueue("upload", queue,
                 [&](Queue& q) { return q.Upload(StateOf(to), offset, from, bytes); });
}

int32_t Download(rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset, uint64_t bytes) {
  return OnQueue("download", queue,
                 [&](Queue& q) { return q.Download(to, StateOf(from), offset, bytes); });
}

int32_t Synchronize(rsn_queue* queue) {
  return OnQueue("synchronize", queue, [](Queue& q) { return q.Synchronize(); });
}

int32_t RecordBegin(rsn_queue* queue) {
  return OnQueue("record_begin", queue, [](Queue& q) { return q.RecordBegin(); });
}

int32_t RecordEnd(rsn_queue* queue, rsn_recording** out) {
  if (out != nullptr) *out = nullptr;
  return OnQueue("record_end", queue, [&](Queue& q) -> absl::Status {
    if (out == nullptr) return IsNull("record_end");
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<Recording> recording, q.RecordEnd());
    *out = reinterpret_cast<rsn_recording*>(recording.release());
    return absl::OkStatus();
  });
}

int32_t Replay(rsn_queue* queue, rsn_recording* recording) {
  return OnQueue("replay", queue, [&](Queue& q) -> absl::Status {
    if (recording == nullptr) return IsNull("replay");
    return q.Replay(*StateOf(recording));
  });
}

void RecordingFree(rsn_recording* recording) { delete StateOf(recording); }

// -------- operations ----------------------------------------------------------------------------------

// The table's rules, for which packed rows are like plain ones, and what the kernels ask besides.
template <typename Args>
absl::Status CheckAll(const Args& args, CheckLevel level) {
  Args plain = args;
  reference::Operands(plain, [](rsn_tensor& t) {
    if (IsPacked(t)) t.layout = 0;
  });
  RSN_RETURN_IF_ERROR(reference::Check(plain, level));
  return CheckLimits(args);
}

template <typename Args>
int32_t Enqueue(const char* name, rsn_queue* queue, const Args* given) {
  return OnQueue(name, queue, [&](Queue& q) -> absl::Status {
    Args args;
    RSN_RETURN_IF_ERROR(reference::CopyArgs(given, args));
    bool ours = true;
    reference::Operands(args, [&](const rsn_tensor& t) {
      ours = ours && (t.buffer == nullptr || StateOf(t.buffer)->device == &q.device());
    });
    if (!ours) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": a buffer is another device's"));
    }
    RSN_RETURN_IF_ERROR(CheckAll(args, CheckLevel::kBuffers));
    if constexpr (std::is_same_v<Args, rsn_matmul>) {
      if (args.chunks > 0) q.PrepareDense();
    }
    return q.Enqueue(name, [&](Context& context) { Run(context, args); });
  });
}

template <typename Args>
absl::Status CheckGiven(const void* given) {
  Args args;
  RSN_RETURN_IF_ERROR(reference::CopyArgs(given, args));
  return CheckAll(args, CheckLevel::kShapes);
}

absl::Status CheckNumbered(uint32_t op, const void* args) {
  switch (op) {
    case RSN_OP_EMBED: return CheckGiven<rsn_embed>(args);
    case RSN_OP_GATHER_ROWS: return CheckGiven<rsn_gather_rows>(args);
    case RSN_OP_RMS_NORM: return CheckGiven<rsn_rms_norm>(args);
    case RSN_OP_MATMUL: return CheckGiven<rsn_matmul>(args);
    case RSN_OP_ROPE_TABLE: return CheckGiven<rsn_rope_table>(args);
    case RSN_OP_ROPE: return CheckGiven<rsn_rope>(args);
    case RSN_OP_KV_WRITE: return CheckGiven<rsn_kv_write>(args);
    case RSN_OP_KV_COPY_PAGE: return CheckGiven<rsn_kv_copy_page>(args);
    case RSN_OP_ATTENTION: return CheckGiven<rsn_attention>(args);
    case RSN_OP_MLA_ATTENTION: return CheckGiven<rsn_mla_attention>(args);
    case RSN_OP_SILU_MUL: return CheckGiven<rsn_silu_mul>(args);
    case RSN_OP_MOE_ROUTE: return CheckGiven<rsn_moe_route>(args);
    case RSN_OP_MOE_EXPERTS: return CheckGiven<rsn_moe_experts>(args);
    case RSN_OP_REDUCE_LOGITS: return CheckGiven<rsn_reduce_logits>(args);
    default: return absl::UnimplementedError(absl::StrCat("there is no operation ", op));
  }
}

int32_t Supports(rsn_device_state*, uint32_t op, const void* args) {
  return Guard([&] { return CheckNumbered(op, args); }) == 0;
}

}  // namespace
}  // namespace raison::cuda

namespace raison {

int32_t OpenCudaBackend(const rsn_backend_host*, rsn_backend* backend) {
  using namespace cuda;
  if (backend == nullptr) return -10;
  rsn_backend table{};
  table.version = RSN_BACKEND_VERSION;
  table.name = "cuda";
  table.device_count = &DeviceCount;
  table.device_open = &DeviceOpen;
  table.device_close = &DeviceClose;
  table.device_info = &DeviceInfo;
  table.device_query = &DeviceQuery;
  table.last_error = &LastError;
  table.buffer_new = &BufferNew;
  table.buffer_free = &BufferFree;
  table.weight = &Weight;
  table.weight_repeated = &WeightRepeated;
  table.queue_new = &QueueNew;
  table.queue_free = &QueueFree;
  table.upload = &Upload;
  table.download = &Download;
  table.synchronize = &Synchronize;
  table.record_begin = &RecordBegin;
  table.record_end = &RecordEnd;
  table.replay = &Replay;
  table.recording_free = &RecordingFree;
  table.supports = &Supports;
#define RSN_CUDA_ENTRY(op) \
  table.op = [](rsn_queue* queue, const rsn_##op* args) { return Enqueue(#op, queue, args); };
  RSN_CUDA_OPS(RSN_CUDA_ENTRY)
#undef RSN_CUDA_ENTRY
  const uint32_t known = backend->struct_size;
  if (known < 2 * sizeof(uint32_t)) return -10;
  table.struct_size = std::min<uint32_t>(known, sizeof table);
  std::memcpy(backend, &table, table.struct_size);
  return Guard([] { return CheckDriver(); });
}

}  // namespace raison
