// Compares the tensors of a checkpoint with what its config asks for, before any of them is used:
// every expected tensor is there with exactly the expected dimensions and a type its role allows,
// and nothing unknown is left over, since silent extras are how wrong results start.
#pragma once

#include "core/file/checkpoint.h"
#include "core/model/config.h"

namespace raison {

absl::Status CheckTensors(const Config& config, const Checkpoint& checkpoint);

}  // namespace raison
