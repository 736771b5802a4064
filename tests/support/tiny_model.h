// Complete models of some ten thousand random weights, made in memory as a GGUF file or as the files
// of a Hugging Face folder: config, weights, a byte-level BPE vocabulary of 300 tokens with thinking
// tags, and a chat template in the manner of DeepSeek-R1. The same options give the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/types/span.h"
#include "core/base/dtype.h"

namespace raison::testing {

enum class TinyKind { kLlama, kQwen2, kDeepseekV2, kDeepseekV3 };

struct TinyModel {
  TinyKind kind = TinyKind::kDeepseekV3;
  DType type = DType::kF32;  // of the matrices; where a row has no whole blocks, F32
  uint64_t seed = 1;
  uint32_t layers = 2;  // DeepSeek: the first is dense, the others have experts
  uint32_t context = 512;
  bool q_lora = true;        // DeepSeek
  bool joined_kv_b = false;  // DeepSeek, GGUF only: attn_kv_b instead of attn_k_b and attn_v_b
  bool groups = true;        // DeepSeek: 2 groups of 2 experts, 1 kept; otherwise 1 group
  bool yarn = false;         // DeepSeek
  bool mtp = false;          // DeepSeek V3: one multi-token prediction block
  bool tied = false;         // llama, qwen2
  bool llama3_rope = false;  // llama
  // Larger than tiny, for what is measured in megabytes: multiples of 32.
  int64_t hidden = 64, ffn = 64, expert_ffn = 32;
  int64_t rows = 0;  // of the embedding and the head; 0: one for each token
  // GGUF only: after so many elements the values of every matrix begin again, and the file says so.
  int64_t repeat = 0;
};

// Tokens: 0 begin, 1 end, 2 pad, 3 user, 4 assistant, 5 <think>, 6 </think>, 7..262 the bytes,
// then merges of common English pairs.
inline constexpr uint32_t kTinyVocabulary = 300;

// A GGUF file.
std::string MakeTinyGguf(const TinyModel& model);
// File name -> content: config.json, generation_config.json, tokenizer.json, tokenizer_config.json,
// model.safetensors. `type` must be kF32, kF16 or kBF16.
std::map<std::string, std::string> MakeTinyFolder(const TinyModel& model);

inline absl::Span<const std::byte> AsBytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// A new folder under the system's temporary one, removed with all that is in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  // Returns the path of the file.
  std::string Write(const std::string& name, const std::string& content) const;
  void WriteAll(const std::map<std::string, std::string>& files) const;

 private:
  std::string path_;
};

}  // namespace raison::testing
