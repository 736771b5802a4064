// Every operation of the table, enqueued on a stream. The arguments have been checked (shapes,
// extents, alignment); indices that lie in device memory are checked there.
#pragma once

#include "core/backend/cuda/context.h"
#include "raison/backend.h"

namespace raison::cuda {

#define RSN_CUDA_OPS(X)                                                                       \
  X(embed) X(gather_rows) X(rms_norm) X(matmul) X(rope_table) X(rope) X(kv_write)              \
  X(kv_copy_page) X(attention) X(mla_attention) X(silu_mul) X(moe_route) X(moe_experts)        \
  X(reduce_logits)
#define RSN_CUDA_DECLARE(op) void Run(Context& c, const rsn_##op& a);
RSN_CUDA_OPS(RSN_CUDA_DECLARE)
#undef RSN_CUDA_DECLARE

// Weights of Q8_0 that `weight` has packed (pack.cu) are a type of the kernels' own.
constexpr uint32_t kPackedLayout = 1;
constexpr uint32_t kPackedQ8 = 0x100 + RSN_DTYPE_Q8_0;
constexpr int64_t kPackedWidth = 256;  // rows are of whole groups of so many weights
inline bool IsPacked(const rsn_tensor& t) {
  return t.layout == kPackedLayout && t.dtype == RSN_DTYPE_Q8_0 && t.rank > 0 &&
         t.shape[t.rank - 1] % kPackedWidth == 0;
}
inline uint32_t TypeOf(const rsn_tensor& t) { return IsPacked(t) ? kPackedQ8 : t.dtype; }
// Whether the plug-in was built with code that runs on the thread's card.
cudaError_t FindCode();
// Packs groups of plain Q8_0 where they lie.
cudaError_t PackQ8(void* data, int64_t groups, cudaStream_t stream);

// What kernels are compiled for; `supports` refuses more.
constexpr int64_t kMostValueWidth = 512;  // of attention: an accumulator per lane and 32 columns
constexpr int64_t kMostExperts = 4096;    // of routing: two floats each in 48 KiB of shared memory

}  // namespace raison::cuda
