// The vocabulary, pre-tokenizer and chat template of the tiny models, for both containers.
#pragma once

#include <string>

#include "core/file/gguf_writer.h"

namespace raison::testing {

void AddTinyVocabulary(GgufWriter& out);
std::string TinyTokenizerJson();
std::string TinyTokenizerConfigJson();
// Renders turns as DeepSeek-R1 does: earlier thinking dropped, generation starts inside <think>.
extern const char kTinyChatTemplate[];

}  // namespace raison::testing
