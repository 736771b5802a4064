// tokenizer.json and tokenizer_config.json as the tokenizer.ggml.* keys of a GGUF file. Refuses what
// those keys cannot say: another model than byte-level BPE, or a pre-tokenizer without a name.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/base/status.h"
#include "core/file/checkpoint.h"
#include "core/file/gguf_writer.h"

namespace raison {

absl::Status AddVocabulary(const Checkpoint& in, uint32_t vocab_size, GgufWriter& out);

// The tokenizer.ggml.pre of a parsed tokenizer.json.
absl::StatusOr<std::string> PreTokenizerName(const nlohmann::json& tokenizer);

}  // namespace raison
