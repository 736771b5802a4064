// Valid random blocks of every element type, with a standard deviation of about 0.02, as trained
// weights have it: so that no activation overflows.
#pragma once

#include <cstddef>

#include "core/base/dtype.h"

namespace raison::cli {

// size: a whole number of blocks. The same bytes each time.
void FillRandomBlocks(DType type, std::byte* to, size_t size);

}  // namespace raison::cli
