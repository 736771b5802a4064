// The two forms of multi-head latent attention. They read the same cache and differ in what they
// multiply: absorbed costs 1,088 multiplications per head, row and key, expanded 320 and the
// expansion of every key, shared by the rows of a sequence (widths of DeepSeek-V2 and V3).
#pragma once

#include <span>

#include "core/backend/cpu/attention.h"

namespace raison::cpu {

// For whole sequences: multiplies their keys and values out with w_k and w_v, 256 keys at a time for one
// head, and attends to them as any attention does. A row's result depends on its own query and keys
// alone, never on the rows beside it or on the threads.
absl::Status AttendExpanded(const Context& context,
                            std::span<const Sequences::One* const> sequences,
                            const rsn_mla_attention& a);

}  // namespace raison::cpu
