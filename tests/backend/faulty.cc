#include "tests/backend/faulty.h"

#include <functional>
#include <map>
#include <memory>

#include "core/backend/reference/reference_backend.h"
#include "tests/backend/faulty_table.h"

namespace raison::testing {
namespace {

// One operation of a recording; `kept` is what its act remembers from replay to replay.
struct Recorded {
  std::function<int32_t(rsn_queue*, std::vector<std::byte>*)> call;
  std::vector<std::byte> kept;
};
struct Recording {
  std::vector<Recorded> ops;
};

struct QueueState {
  uint32_t threads = 1;
  std::unique_ptr<Recording> recording;  // while one is being made
};

const Fault* planted;
std::map<rsn_device_state*, rsn_backend_host> devices;
std::map<rsn_queue*, QueueState> queues;

int32_t DeviceOpen(const rsn_backend_host* host, uint32_t index, rsn_device_state** out) {
  const int32_t code = Right().device_open(host, index, out);
  if (code != 0) return code;
  devices[*out] = *host;
  // As one that computes on the host's threads: the kit then looks at their number.
  host->parallel_for(host->context, 1, [](void*, uint32_t, uint32_t) {}, nullptr);
  return code;
}

void DeviceClose(rsn_device_state* device) {
  devices.erase(device);
  Right().device_close(device);
}

int32_t QueueNew(rsn_device_state* device, rsn_queue** out) {
  const int32_t code = Right().queue_new(device, out);
  if (code == 0) queues[*out].threads = devices[device].threads;
  return code;
}

void QueueFree(rsn_queue* queue) {
  queues.erase(queue);
  Right().queue_free(queue);
}

constexpr int32_t kStateError = -40;

int32_t Upload(rsn_queue* queue, rsn_buffer* to, uint64_t offset, const void* from,
               uint64_t bytes) {
  if (queues[queue].recording) return kStateError;
  return Right().upload(queue, to, offset, from, bytes);
}

int32_t Download(rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset, uint64_t bytes) {
  if (queues[queue].recording) return kStateError;
  return Right().download(queue, to, from, offset, bytes);
}

int32_t Synchronize(rsn_queue* queue) {
  return queues[queue].recording ? kStateError : Right().synchronize(queue);
}

int32_t RecordBegin(rsn_queue* queue) {
  queues[queue].recording = std::make_unique<Recording>();
  return 0;
}

int32_t RecordEnd(rsn_queue* queue, rsn_recording** out) {
  *out = reinterpret_cast<rsn_recording*>(queues[queue].recording.release());
  return 0;
}

int32_t Replay(rsn_queue* queue, rsn_recording* recording) {
  for (Recorded& op : reinterpret_cast<Recording*>(recording)->ops) {
    const int32_t code = op.call(queue, &op.kept);
    if (code != 0) return code;
  }
  return 0;
}

void RecordingFree(rsn_recording* recording) { delete reinterpret_cast<Recording*>(recording); }

template <typename Args>
int32_t Enqueue(rsn_queue* queue, const Args* args) {
  const auto call = [copy = *args, fault = planted](rsn_queue* q, std::vector<std::byte>* kept) {
    if (fault != nullptr) {
      if (const auto* act = std::get_if<Act<Args>>(&fault->act)) {
        return (*act)({.queue = q, .threads = queues[q].threads, .kept = kept}, copy);
      }
    }
    return Call(q, copy);
  };
  QueueState& state = queues[queue];
  if (state.recording == nullptr) return call(queue, nullptr);
  state.recording->ops.push_back({call, {}});
  return planted != nullptr && planted->runs_while_recording ? call(queue, nullptr) : 0;
}

}  // namespace

const rsn_backend& Right() {
  static const rsn_backend table = [] {
    rsn_backend t{};
    t.struct_size = sizeof t;
    OpenReferenceBackend(nullptr, &t);
    return t;
  }();
  return table;
}

const rsn_backend_host& HostOf(rsn_device_state* device) { return devices[device]; }

void Plant(const Fault* fault) { planted = fault; }

int32_t OpenFaultyBackend(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenReferenceBackend(host, table);
  if (code != 0) return code;
  table->name = "faulty";
  table->device_open = DeviceOpen;
  table->device_close = DeviceClose;
  table->queue_new = QueueNew;
  table->queue_free = QueueFree;
  table->upload = Upload;
  table->download = Download;
  table->synchronize = Synchronize;
  table->record_begin = RecordBegin;
  table->record_end = RecordEnd;
  table->replay = Replay;
  table->recording_free = RecordingFree;
  table->embed = Enqueue<rsn_embed>;
  table->gather_rows = Enqueue<rsn_gather_rows>;
  table->rms_norm = Enqueue<rsn_rms_norm>;
  table->matmul = Enqueue<rsn_matmul>;
  table->rope_table = Enqueue<rsn_rope_table>;
  table->rope = Enqueue<rsn_rope>;
  table->kv_write = Enqueue<rsn_kv_write>;
  table->kv_copy_page = Enqueue<rsn_kv_copy_page>;
  table->attention = Enqueue<rsn_attention>;
  table->mla_attention = Enqueue<rsn_mla_attention>;
  table->silu_mul = Enqueue<rsn_silu_mul>;
  table->moe_route = Enqueue<rsn_moe_route>;
  table->moe_experts = Enqueue<rsn_moe_experts>;
  table->reduce_logits = Enqueue<rsn_reduce_logits>;
  if (planted != nullptr) {
    if (const auto* patch = std::get_if<Patch>(&planted->act)) (*patch)(table);
  }
  return 0;
}

}  // namespace raison::testing
