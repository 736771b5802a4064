#include "core/backend/queue.h"

namespace raison {

Recording::Recording(std::shared_ptr<Device> device, rsn_recording* recording)
    : recording_(recording, [device](rsn_recording* r) { device->table().recording_free(r); }) {}

absl::StatusOr<std::unique_ptr<Queue>> Queue::Create(std::shared_ptr<Device> device) {
  auto queue = std::unique_ptr<Queue>(new Queue(std::move(device)));
  const Device& d = *queue->device_;
  const int32_t code = d.table().queue_new(d.state(), &queue->queue_);
  if (code != 0) return d.ToStatus(code, "queue_new");
  return queue;
}

Queue::~Queue() {
  if (queue_ != nullptr) device_->table().queue_free(queue_);
}

void Queue::Keep(int32_t code, const char* what) {
  if (code != 0 && status_.ok()) status_ = device_->ToStatus(code, what);
}

void Queue::Upload(Buffer& to, uint64_t offset, const void* from, uint64_t bytes) {
  if (!status_.ok() || bytes == 0) return;
  Keep(device_->table().upload(queue_, to.get(), offset, from, bytes), "upload");
}

void Queue::Download(void* to, const Buffer& from, uint64_t offset, uint64_t bytes) {
  if (!status_.ok() || bytes == 0) return;
  Keep(device_->table().download(queue_, to, const_cast<Buffer&>(from).get(), offset, bytes),
       "download");
}

absl::Status Queue::Synchronize() {
  // Even after a failure: what was enqueued before it may still be running.
  Keep(device_->table().synchronize(queue_), "synchronize");
  return std::exchange(status_, absl::OkStatus());
}

void Queue::BeginRecording() {
  if (status_.ok()) Keep(device_->table().record_begin(queue_), "record_begin");
}

Recording Queue::EndRecording() {
  // Ends the recording even after a failure, so that the queue is usable again.
  rsn_recording* recording = nullptr;
  Keep(device_->table().record_end(queue_, &recording), "record_end");
  if (recording == nullptr) return {};
  return Recording(device_, recording);
}

void Queue::Replay(const Recording& recording) {
  if (status_.ok()) Keep(device_->table().replay(queue_, recording.get()), "replay");
}

template <typename Args>
void Queue::Enqueue(int32_t (*op)(rsn_queue*, const Args*), Args& args, const char* what) {
  if (!status_.ok()) return;
  if (op == nullptr) {
    status_ = absl::UnimplementedError(
        absl::StrCat("the back end ", device_->name(), " has no operation ", what));
    return;
  }
  args.struct_size = sizeof(Args);
  Keep(op(queue_, &args), what);
}

void Queue::Embed(rsn_embed args) { Enqueue(device_->table().embed, args, "embed"); }
void Queue::GatherRows(rsn_gather_rows args) {
  Enqueue(device_->table().gather_rows, args, "gather_rows");
}
void Queue::RmsNorm(rsn_rms_norm args) { Enqueue(device_->table().rms_norm, args, "rms_norm"); }
void Queue::MatMul(rsn_matmul args) {
  if (!chunks_.empty() && args.in.shape[0] == chunk_rows_) {
    args.chunk = chunks_.data();
    args.chunks = static_cast<uint32_t>(chunks_.size());
  }
  Enqueue(device_->table().matmul, args, "matmul");
}
void Queue::SetChunks(std::vector<rsn_chunk> chunks, int64_t rows) {
  chunks_ = std::move(chunks);
  chunk_rows_ = rows;
}
void Queue::RopeTable(rsn_rope_table args) {
  Enqueue(device_->table().rope_table, args, "rope_table");
}
void Queue::Rope(rsn_rope args) { Enqueue(device_->table().rope, args, "rope"); }
void Queue::KvWrite(rsn_kv_write args) { Enqueue(device_->table().kv_write, args, "kv_write"); }
void Queue::KvCopyPage(rsn_kv_copy_page args) {
  Enqueue(device_->table().kv_copy_page, args, "kv_copy_page");
}
void Queue::Attention(rsn_attention args) { Enqueue(device_->table().attention, args, "attention"); }
void Queue::MlaAttention(rsn_mla_attention args) {
  Enqueue(device_->table().mla_attention, args, "mla_attention");
}
void Queue::SiluMul(rsn_silu_mul args) { Enqueue(device_->table().silu_mul, args, "silu_mul"); }
void Queue::MoeRoute(rsn_moe_route args) { Enqueue(device_->table().moe_route, args, "moe_route"); }
void Queue::MoeExperts(rsn_moe_experts args) {
  Enqueue(device_->table().moe_experts, args, "moe_experts");
}
void Queue::ReduceLogits(rsn_reduce_logits args) {
  Enqueue(device_->table().reduce_logits, args, "reduce_logits");
}

void Queue::Project(const Tensor& in, const Tensor& weight, const Tensor& out, bool accumulate) {
  MatMul({.terms = 1, .accumulate = accumulate, .in = in, .term = {{.weight = weight, .out = out}}});
}

}  // namespace raison
