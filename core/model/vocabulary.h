// The tokenizer of a checkpoint, from either container.
#pragma once

#include <memory>

#include "core/base/status.h"
#include "core/model/text/tokenizer.h"

namespace raison {

class Checkpoint;

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const Checkpoint& checkpoint);

}  // namespace raison
