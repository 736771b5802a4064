// How fast this machine reads memory: the ceiling of decoding, which reads every weight it uses for
// each token.
#pragma once

#include <cstdint>

namespace raison::cli {

// Bytes a second that `threads` threads read together from `bytes` of memory; the best of several
// passes.
double ReadBandwidth(uint32_t threads, uint64_t bytes);

// What the system could still give out, in bytes; 0: it does not say.
uint64_t AvailableMemory();

}  // namespace raison::cli
