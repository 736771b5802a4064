// An in-order stream of operations on one device. The first failure is kept and returned by
// Synchronize (and status()); later operations are skipped, so that a forward pass reads as prose.
#pragma once

#include <memory>
#include <vector>

#include "core/backend/device.h"

namespace raison {

// A recorded sequence of operations, replayed with the step buffer's new contents.
class Recording {
 public:
  Recording() = default;
  Recording(std::shared_ptr<Device> device, rsn_recording* recording);
  rsn_recording* get() const { return recording_.get(); }
  explicit operator bool() const { return recording_ != nullptr; }

 private:
  std::shared_ptr<rsn_recording> recording_;
};

class Queue {
 public:
  static absl::StatusOr<std::unique_ptr<Queue>> Create(std::shared_ptr<Device> device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  const std::shared_ptr<Device>& device() const { return device_; }
  const absl::Status& status() const { return status_; }

  void Upload(Buffer& to, uint64_t offset, const void* from, uint64_t bytes);
  void Download(void* to, const Buffer& from, uint64_t offset, uint64_t bytes);
  // Waits for everything enqueued; returns the first failure and forgets it.
  absl::Status Synchronize();

  void BeginRecording();
  Recording EndRecording();
  void Replay(const Recording& recording);

  void Embed(rsn_embed args);
  void GatherRows(rsn_gather_rows args);
  void RmsNorm(rsn_rms_norm args);
  void MatMul(rsn_matmul args);
  void RopeTable(rsn_rope_table args);
  void Rope(rsn_rope args);
  void KvWrite(rsn_kv_write args);
  void KvCopyPage(rsn_kv_copy_page args);
  void Attention(rsn_attention args);
  void MlaAttention(rsn_mla_attention args);
  void SiluMul(rsn_silu_mul args);
  void MoeRoute(rsn_moe_route args);
  void MoeExperts(rsn_moe_experts args);
  void ReduceLogits(rsn_reduce_logits args);

  // Which rows of the products that follow are prompts (rsn_chunk): products of `rows` rows carry it.
  void SetChunks(std::vector<rsn_chunk> chunks, int64_t rows);

  // out = weight in: the common matmul of one weight.
  void Project(const Tensor& in, const Tensor& weight, const Tensor& out, bool accumulate = false);

 private:
  explicit Queue(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  void Keep(int32_t code, const char* what);
  template <typename Args>
  void Enqueue(int32_t (*op)(rsn_queue*, const Args*), Args& args, const char* what);

  std::shared_ptr<Device> device_;
  rsn_queue* queue_ = nullptr;
  absl::Status status_;
  std::vector<rsn_chunk> chunks_;
  int64_t chunk_rows_ = 0;
};

}  // namespace raison
