// Which tensors the GGUF file has, of which type, and how each row is made from the source.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/convert/convert.h"
#include "core/file/checkpoint.h"
#include "core/model/config.h"

namespace raison {

struct OutTensor {
  enum class Rows {
    kAsTheyAre,
    kPermuted,   // q and k of llama: halves of a head interleaved
    kKeyUp,      // attn_k_b from kv_b_proj: per head transposed
    kValueUp,    // attn_v_b from kv_b_proj: the value rows of each head
    kConstants,  // `constants`, F32
  };
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost first
  Rows rows = Rows::kAsTheyAre;
  const StoredTensor* source = nullptr;
  std::vector<float> constants;
};

std::vector<OutTensor> PlanTensors(const Config& config, const Checkpoint& in,
                                   const ConvertOptions& options);

// All bytes of `tensor`, in pieces of bounded size, given to `write` in order. The rows of a piece
// are made by all threads of the pool.
absl::Status ProduceTensor(const Config& config, const OutTensor& tensor, ThreadPool& pool,
                           const std::function<absl::Status(const std::byte*, size_t)>& write);

}  // namespace raison
