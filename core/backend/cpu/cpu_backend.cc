#include "core/backend/cpu/cpu_backend.h"

#include <cstdio>
#include <cstring>
#include <new>
#include <variant>

#include "core/backend/cpu/interleave.h"
#include "core/backend/cpu/ops.h"
#include "core/base/cpu_features.h"
#include "core/base/dtype.h"
#include "core/base/os/machine.h"
#include "core/base/os/pages.h"

// The handles of the C table are opaque and shared by several back ends: state behind a cast.
namespace raison::cpu {
namespace {

thread_local std::string t_last_error;

int32_t Code(const absl::Status& status) {
  switch (status.code()) {  // the numbers of raison.h
    case absl::StatusCode::kOk: return 0;
    case absl::StatusCode::kUnimplemented: return -22;
    case absl::StatusCode::kResourceExhausted: return -30;
    case absl::StatusCode::kFailedPrecondition: return -40;
    case absl::StatusCode::kInvalidArgument: return -10;
    case absl::StatusCode::kCancelled: return -50;
    default: return -60;
  }
}

int32_t Fail(const absl::Status& status) {
  try {
    t_last_error = std::string(status.message());
  } catch (...) {
    t_last_error.clear();
  }
  return Code(status);
}

// Runs body() -> absl::Status; nothing escapes.
template <typename Body>
int32_t Guard(const Body& body) {
  try {
    const absl::Status status = body();
    return status.ok() ? 0 : Fail(status);
  } catch (const std::bad_alloc&) {
    t_last_error = "no memory";
    return -30;
  } catch (...) {
    t_last_error = "unexpected failure in the CPU back end";
    return -60;
  }
}

#define RSN_CPU_VARIANT(op) , rsn_##op
using Operation = std::variant<std::monostate RSN_CPU_OPS(RSN_CPU_VARIANT)>;
#undef RSN_CPU_VARIANT

struct Recorded {
  std::vector<Operation> operations;
};

struct QueueState {
  DeviceState* device;
  Scratch scratch;
  std::unique_ptr<Recorded> recording;  // non-null between begin and end
  absl::Status failed;                  // sticky until synchronize
};

DeviceState* StateOf(rsn_device_state* d) { return reinterpret_cast<DeviceState*>(d); }
QueueState* StateOf(rsn_queue* q) { return reinterpret_cast<QueueState*>(q); }
Recorded* StateOf(rsn_recording* r) { return reinterpret_cast<Recorded*>(r); }

// -------- device and memory -----------------------------------------------------------------------

uint32_t DeviceCount() { return 1; }

const Kernels& KernelsOf(CpuLevel level) {
  switch (level) {
#if defined(RAISON_CPU_X86)
    case CpuLevel::kAvx512: return Avx512Kernels();
    case CpuLevel::kAvx2: return Avx2Kernels();
#endif
#if defined(RAISON_CPU_NEON)
    case CpuLevel::kNeon: return NeonKernels();
#endif
    default: return BaselineKernels();
  }
}

int32_t DeviceOpen(const rsn_backend_host* host, uint32_t index, rsn_device_state** out) {
  if (out == nullptr) return Fail(absl::InvalidArgumentError("device_open: out is NULL"));
  *out = nullptr;
  return Guard([&]() -> absl::Status {
    if (index != 0) return absl::InvalidArgumentError(absl::StrCat("there is no CPU ", index));
    rsn_backend_host copy{};
    if (host != nullptr) {
      std::memcpy(&copy, host, host->struct_size < sizeof copy ? host->struct_size : sizeof copy);
    }
    std::string warning;
    const CpuLevel level = ChooseCpuLevel(&warning);
    if (!warning.empty() && copy.log != nullptr) copy.log(copy.context, 1, warning.c_str());
    const Kernels& kernels = KernelsOf(level);
    auto device = std::make_unique<DeviceState>(
        DeviceState{copy, &kernels, absl::StrCat(CpuModelName(), ", ", kernels.name)});
    *out = reinterpret_cast<rsn_device_state*>(device.release());
    return absl::OkStatus();
  });
}

void DeviceClose(rsn_device_state* device) { delete StateOf(device); }

int32_t DeviceInfo(rsn_device_state* device, rsn_device_info* info) {
  if (device == nullptr || info == nullptr || info->struct_size < sizeof(uint32_t)) {
    return Fail(absl::InvalidArgumentError("device_info: NULL or an uninitialised struct"));
  }
  rsn_device_info full{};
  full.struct_size = info->struct_size;
  const MachineMemory memory = ReadMachineMemory();
  full.memory_total = memory.total;
  full.memory_free = memory.free;
  std::snprintf(full.name, sizeof full.name, "cpu");
  std::snprintf(full.description, sizeof full.description, "%s",
                StateOf(device)->description.c_str());
  std::memcpy(info, &full, info->struct_size < sizeof full ? info->struct_size : sizeof full);
  return 0;
}

const char* LastError() { return t_last_error.c_str(); }

// Zeroed memory aligned to 64 bytes. Large blocks are mapped: untouched pages cost nothing, and huge
// pages (asked for, never required) save misses when weights stream.
absl::StatusOr<Memory*> Allocate(uint64_t bytes) {
  constexpr uint64_t kMost = uint64_t{1} << 46, kHuge = uint64_t{2} << 20;
  if (bytes > kMost) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes"));
  }
  auto memory = std::make_unique<Memory>();
  memory->bytes = bytes;
  if (bytes >= 2 * kHuge) {
    const uint64_t length = (bytes + 2 * kHuge - 1) / kHuge * kHuge;
    void* p = NewPages(length, PageBacking::kOnTouch);
    if (p == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes"));
    }
    memory->owned = p;
    memory->mapped = length;
    memory->data = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(p) + kHuge - 1) /
                                              kHuge * kHuge);
  } else {
    const size_t size = static_cast<size_t>(bytes + 63) / 64 * 64 + 64;
    memory->owned = NewAligned(size);
    if (memory->owned == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes"));
    }
    std::memset(memory->owned, 0, size);
    memory->data = static_cast<uint8_t*>(memory->owned);
  }
  return memory.release();
}

void Release(Memory* memory) {
  if (memory == nullptr) return;
  if (memory->mapped != 0) {
    FreePages(memory->owned, memory->mapped);
  } else {
    FreeAligned(memory->owned);
  }
  delete memory;
}

int32_t BufferNew(rsn_device_state*, uint64_t bytes, rsn_buffer** out) {
  if (out == nullptr) return Fail(absl::InvalidArgumentError("buffer_new: out is NULL"));
  *out = nullptr;
  return Guard([&]() -> absl::Status {
    RSN_ASSIGN_OR_RETURN(Memory* const memory, Allocate(bytes));
    *out = reinterpret_cast<rsn_buffer*>(memory);
    return absl::OkStatus();
  });
}

void BufferFree(rsn_buffer* buffer) { Release(MemoryOf(buffer)); }

// Source bytes that are repacked between two calls of weight_read: some 50 ms where the file comes
// from a disk, and the most that is in memory twice.
constexpr int64_t kSliceBytes = int64_t{16} << 20;

absl::Status TellRead(const DeviceState& device, const uint8_t* from, const uint8_t* end) {
  if (device.host.weight_read == nullptr || from == end) return absl::OkStatus();
  const int32_t code =
      device.host.weight_read(device.host.context, from, static_cast<uint64_t>(end - from));
  return code == 0 ? absl::OkStatus() : absl::CancelledError("the host gave the weight up");
}

// Every matrix of the stack becomes a run of whole groups.
absl::Status Repack(const DeviceState& device, const uint8_t* bytes, rsn_tensor& t) {
  const BlockLayout& layout = *FindBlockLayout(t.dtype);
  const int64_t matrices = t.rank == 3 ? t.shape[0] : 1;
  const int64_t rows = t.shape[t.rank - 2];
  const int64_t blocks = t.shape[t.rank - 1] / layout.weights;
  const int64_t row = blocks * layout.bytes;
  const int64_t groups = (rows + kGroupRows - 1) / kGroupRows;
  RSN_ASSIGN_OR_RETURN(Memory* const memory,
                       Allocate(static_cast<uint64_t>(matrices * groups * kGroupRows * row)));
  if (memory->mapped != 0) PreferHugePages(memory->data, memory->bytes);
  Scratch scratch;
  const Context context{device, scratch};
  const auto source = [&](int64_t i) {  // the first row of group i of all
    return bytes + (i / groups * rows + i % groups * kGroupRows) * row;
  };
  const int64_t slice = std::max<int64_t>(1, kSliceBytes / (kGroupRows * row));
  absl::Status status;
  for (int64_t first = 0; first < matrices * groups && status.ok(); first += slice) {
    const int64_t last = std::min(first + slice, matrices * groups);
    status = context.ForRange(last - first, 16, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = first + begin; i < first + end; ++i) {
        const int64_t matrix = i / groups, group = i % groups;
        const uint8_t* from[kGroupRows];
        for (int64_t r = 0; r < kGroupRows; ++r) {
          const int64_t at = group * kGroupRows + r;
          from[r] = at < rows ? bytes + (matrix * rows + at) * row : nullptr;
        }
        Interleave(*device.kernels, layout, from, blocks, memory->data + i * kGroupRows * row);
      }
    });
    if (status.ok()) status = TellRead(device, source(first), source(last));
  }
  if (!status.ok()) {
    Release(memory);
    return status;
  }
  t.buffer = reinterpret_cast<rsn_buffer*>(memory);
  t.offset = 0;
  t.layout = kInterleaved;
  t.stride[t.rank - 1] = layout.bytes;
  t.stride[t.rank - 2] = row;
  if (t.rank == 3) t.stride[0] = groups * kGroupRows * row;
  return absl::OkStatus();
}

int32_t Weight(rsn_device_state* device, rsn_tensor* description, const void* bytes, uint64_t size,
               uint32_t flags, uint32_t* referenced) {
  return Guard([&]() -> absl::Status {
    if (device == nullptr || description == nullptr || referenced == nullptr ||
        (bytes == nullptr && size != 0)) {
      return absl::InvalidArgumentError("weight: an argument is NULL");
    }
    *referenced = 0;
    rsn_tensor t = *description;
    RSN_RETURN_IF_ERROR(CheckWeight(t, size));
    const auto* source = static_cast<const uint8_t*>(bytes);
    const bool matrix = (t.rank == 2 || t.rank == 3) && FindBlockLayout(t.dtype) != nullptr;
    if ((flags & RSN_WEIGHT_MAY_REPACK) != 0 && matrix && size != 0) {
      RSN_RETURN_IF_ERROR(Repack(*StateOf(device), source, t));
    } else if ((flags & RSN_WEIGHT_MAY_REFERENCE) != 0 &&
               (t.rank > 1 || reinterpret_cast<uintptr_t>(bytes) % 4 == 0)) {
      auto memory = std::make_unique<Memory>();
      memory->data = const_cast<uint8_t*>(source);
      memory->bytes = size;
      t.buffer = reinterpret_cast<rsn_buffer*>(memory.release());
      t.offset = 0;
      *referenced = 1;
    } else {
      RSN_ASSIGN_OR_RETURN(Memory* const memory, Allocate(size));
      for (uint64_t at = 0; at < size;) {
        const uint64_t now = std::min(size - at, static_cast<uint64_t>(kSliceBytes));
        std::memcpy(memory->data + at, source + at, now);
        if (const absl::Status told = TellRead(*StateOf(device), source + at, source + at + now);
            !told.ok()) {
          Release(memory);
          return told;
        }
        at += now;
      }
      t.buffer = reinterpret_cast<rsn_buffer*>(memory);
      t.offset = 0;
    }
    *description = t;
    return absl::OkStatus();
  });
}

// -------- queues ----------------------------------------------------------------------------------

int32_t QueueNew(rsn_device_state* device, rsn_queue** out) {
  if (device == nullptr || out == nullptr) {
    return Fail(absl::InvalidArgumentError("queue_new: an argument is NULL"));
  }
  *out = nullptr;
  return Guard([&]() -> absl::Status {
    auto queue = std::make_unique<QueueState>();
    queue->device = StateOf(device);
    *out = reinterpret_cast<rsn_queue*>(queue.release());
    return absl::OkStatus();
  });
}

void QueueFree(rsn_queue* queue) { delete StateOf(queue); }

absl::Status CheckTransfer(const char* what, rsn_queue* queue, rsn_buffer* buffer, uint64_t offset,
                           const void* host, uint64_t bytes) {
  if (queue == nullptr || buffer == nullptr || (host == nullptr && bytes != 0)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": an argument is NULL"));
  }
  if (StateOf(queue)->recording != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(what, " is not recorded"));
  }
  const Memory& memory = *MemoryOf(buffer);
  if (offset > memory.bytes || bytes > memory.bytes - offset) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", bytes, " bytes at ", offset,
                                                   " of a buffer of ", memory.bytes));
  }
  return absl::OkStatus();
}

int32_t Upload(rsn_queue* queue, rsn_buffer* to, uint64_t offset, const void* from,
               uint64_t bytes) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckTransfer("upload", queue, to, offset, from, bytes));
    if (bytes != 0) std::memcpy(MemoryOf(to)->data + offset, from, bytes);
    return absl::OkStatus();
  });
}

int32_t Download(rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset, uint64_t bytes) {
  return Guard([&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(CheckTransfer("download", queue, from, offset, to, bytes));
    if (bytes != 0) std::memcpy(to, MemoryOf(from)->data + offset, bytes);
    return absl::OkStatus();
  });
}

int32_t Synchronize(rsn_queue* queue) {
  return Guard([&]() -> absl::Status {
    if (queue == nullptr) return absl::InvalidArgumentError("synchronize: the queue is NULL");
    QueueState& state = *StateOf(queue);
    if (state.recording != nullptr) {
      return absl::FailedPreconditionError("synchronize is not recorded");
    }
    return std::exchange(state.failed, absl::OkStatus());
  });
}

template <typename Args>
void RunNow(QueueState& queue, const Args& args) {
  if (!queue.failed.ok()) return;  // later operations would work on garbage
  queue.scratch.Reset();
  queue.failed = Run(Context{*queue.device, queue.scratch}, args);
}

int32_t RecordBegin(rsn_queue* queue) {
  return Guard([&]() -> absl::Status {
    if (queue == nullptr) return absl::InvalidArgumentError("record_begin: the queue is NULL");
    QueueState& state = *StateOf(queue);
    if (state.recording != nullptr) {
      return absl::FailedPreconditionError("record_begin: a recording is being made");
    }
    state.recording = std::make_unique<Recorded>();
    return absl::OkStatus();
  });
}

int32_t RecordEnd(rsn_queue* queue, rsn_recording** out) {
  return Guard([&]() -> absl::Status {
    if (queue == nullptr || out == nullptr) {
      return absl::InvalidArgumentError("record_end: an argument is NULL");
    }
    *out = nullptr;
    QueueState& state = *StateOf(queue);
    if (state.recording == nullptr) {
      return absl::FailedPreconditionError("record_end: no recording was begun");
    }
    *out = reinterpret_cast<rsn_recording*>(state.recording.release());
    return absl::OkStatus();
  });
}

int32_t Replay(rsn_queue* queue, rsn_recording* recording) {
  return Guard([&]() -> absl::Status {
    if (queue == nullptr || recording == nullptr) {
      return absl::InvalidArgumentError("replay: an argument is NULL");
    }
    QueueState& state = *StateOf(queue);
    if (state.recording != nullptr) {
      return absl::FailedPreconditionError("replay: a recording is being made");
    }
    for (const Operation& operation : StateOf(recording)->operations) {
      std::visit(
          [&](const auto& args) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(args)>, std::monostate>) {
              RunNow(state, args);
            }
          },
          operation);
    }
    return absl::OkStatus();
  });
}

void RecordingFree(rsn_recording* recording) { delete StateOf(recording); }

// -------- operations --------------------------------------------------------------------------------

// The caller's struct may be shorter or longer: the common prefix counts, the rest is zero.
template <typename Args>
absl::Status Copy(const void* from, Args& to) {
  to = Args{};
  uint32_t size = 0;
  if (from != nullptr) std::memcpy(&size, from, sizeof size);
  if (size < sizeof size) return absl::InvalidArgumentError("an operation has no arguments");
  std::memcpy(&to, from, size < sizeof to ? size : sizeof to);
  return absl::OkStatus();
}

template <typename Args>
int32_t Enqueue(rsn_queue* queue, const Args* given) {
  return Guard([&]() -> absl::Status {
    if (queue == nullptr) return absl::InvalidArgumentError("the queue is NULL");
    QueueState& state = *StateOf(queue);
    Args args;
    RSN_RETURN_IF_ERROR(Copy(given, args));
    RSN_RETURN_IF_ERROR(Check(args, CheckLevel::kMemory));
    if (state.recording != nullptr) {
      state.recording->operations.emplace_back(args);
    } else {
      RunNow(state, args);
    }
    return absl::OkStatus();
  });
}

template <typename Args>
bool Supported(const void* given) {
  Args args;
  return Copy(given, args).ok() && Check(args, CheckLevel::kShapes).ok();
}

int32_t Supports(rsn_device_state*, uint32_t op, const void* args) {
  try {
    switch (op) {
      case RSN_OP_EMBED: return Supported<rsn_embed>(args);
      case RSN_OP_GATHER_ROWS: return Supported<rsn_gather_rows>(args);
      case RSN_OP_RMS_NORM: return Supported<rsn_rms_norm>(args);
      case RSN_OP_MATMUL: return Supported<rsn_matmul>(args);
      case RSN_OP_ROPE_TABLE: return Supported<rsn_rope_table>(args);
      case RSN_OP_ROPE: return Supported<rsn_rope>(args);
      case RSN_OP_KV_WRITE: return Supported<rsn_kv_write>(args);
      case RSN_OP_KV_COPY_PAGE: return Supported<rsn_kv_copy_page>(args);
      case RSN_OP_ATTENTION: return Supported<rsn_attention>(args);
      case RSN_OP_MLA_ATTENTION: return Supported<rsn_mla_attention>(args);
      case RSN_OP_SILU_MUL: return Supported<rsn_silu_mul>(args);
      case RSN_OP_MOE_ROUTE: return Supported<rsn_moe_route>(args);
      case RSN_OP_MOE_EXPERTS: return Supported<rsn_moe_experts>(args);
      case RSN_OP_REDUCE_LOGITS: return Supported<rsn_reduce_logits>(args);
      default: return 0;
    }
  } catch (...) {
    return 0;
  }
}

}  // namespace
}  // namespace raison::cpu

namespace raison {

int32_t OpenCpuBackend(const rsn_backend_host*, rsn_backend* backend) {
  using namespace cpu;
  if (backend == nullptr) return -10;
  rsn_backend table{};
  table.struct_size = sizeof table;
  table.version = RSN_BACKEND_VERSION;
  table.name = "cpu";
  table.device_count = &DeviceCount;
  table.device_open = &DeviceOpen;
  table.device_close = &DeviceClose;
  table.device_info = &DeviceInfo;
  table.last_error = &LastError;
  table.buffer_new = &BufferNew;
  table.buffer_free = &BufferFree;
  table.weight = &Weight;
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
#define RSN_CPU_ENTRY(op) table.op = &Enqueue<rsn_##op>;
  RSN_CPU_OPS(RSN_CPU_ENTRY)
#undef RSN_CPU_ENTRY
  const uint32_t known = backend->struct_size;
  std::memcpy(backend, &table, known < sizeof table ? known : sizeof table);
  if (known >= sizeof known) backend->struct_size = known < sizeof table ? known : sizeof table;
  return 0;
}

}  // namespace raison
