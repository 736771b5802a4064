// Hugging Face tensor names of the llama, qwen2 and deepseek families to GGUF names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace raison {

struct MappedName {
  std::string gguf;       // an unknown name stays as it is: the model layer refuses it
  int64_t expert = -1;    // >= 0: one expert of a stacked tensor
  bool ignored = false;   // buffers that carry no weights
  std::string gguf_second;  // fused gate_up_proj (experts, 2 * width, in): the up half's name
};

MappedName MapHuggingFaceName(std::string_view name);

}  // namespace raison
