// The weights of a model on its devices, in the papers' names. Views, constant after load.
#pragma once

#include <memory>
#include <vector>

#include "core/backend/device.h"
#include "core/base/os/mapped_file.h"
#include "core/model/config.h"
#include "core/model/placement.h"

namespace raison {

class Checkpoint;

struct AttentionWeights {
  Tensor wq, wk, wv;  // (heads * head_dim, hidden), (kv_heads * head_dim, hidden) twice
  Tensor bq, bk, bv;  // the same rows; no buffer where the model has no biases
  Tensor wo;          // (hidden, heads * head_dim)
};

struct MlaWeights {
  Tensor wq;       // (heads * (nope + rope), hidden); without q-LoRA
  Tensor wq_a;     // (q_lora_rank, hidden)
  Tensor q_norm;   // (q_lora_rank)
  Tensor wq_b;     // (heads * (nope + rope), q_lora_rank)
  Tensor wkv_a;    // (kv_lora_rank + rope, hidden)
  Tensor kv_norm;  // (kv_lora_rank)
  Tensor w_k;      // (heads, kv_lora_rank, nope): transposed k part of kv_b
  Tensor w_v;      // (heads, v_head_dim, kv_lora_rank): v part of kv_b
  Tensor wo;       // (hidden, heads * v_head_dim)
};

struct FfnWeights {
  Tensor gate, up;  // (width, hidden)
  Tensor down;      // (hidden, width)
};

struct MoeWeights {
  Tensor router;  // f32 (experts, hidden)
  Tensor bias;    // f32 (experts); only V3's choice uses it
  // (parts): stacks, gate and up (experts of the part, width, hidden), down (.., hidden, width)
  std::vector<FfnWeights> experts;
  FfnWeights shared;
};

struct LayerWeights {
  Tensor attention_norm;  // (hidden)
  AttentionWeights attention;
  MlaWeights mla;
  Tensor ffn_norm;  // (hidden)
  FfnWeights ffn;   // dense layers
  MoeWeights moe;   // the others
};

struct Weights {
  Tensor token_embedding;  // (vocabulary, hidden); plain, or the tied head itself
  std::vector<LayerWeights> layers;
  Tensor output_norm;                    // (hidden)
  Tensor head;                           // (vocabulary, hidden)
  std::vector<Tensor> rope_frequencies;  // f32 (pairs, 2): hi and lo of f64; one per device
  std::vector<Buffer> buffers;
};

// Of the key part of a joined kv_b, which is transposed at load: exact where the file's type is a float.
inline DType SplitKeyType(DType stored) { return IsQuantized(stored) ? DType::kF16 : stored; }

struct WeightOptions {
  bool repack = true;
  LoadProgress progress;  // bytes of weights done and in all; false cancels
};

// The tensors have been checked against the config (CheckTensors).
absl::StatusOr<Weights> LoadWeights(const Checkpoint& checkpoint, const Config& config,
                                    const Placement& placement, const WeightOptions& options);

}  // namespace raison
