// Small models of random weights, as GGUF files in memory: every part of the forward pass (grouped
// heads, biases, latent attention, expert groups, shared experts) at sizes that plain loops manage.
// The same arguments give the same bytes.
#pragma once

#include <string>

#include "core/base/dtype.h"

namespace raison::conformance {

enum class RandomKind { kLlama, kQwen2, kDeepseekV3 };

inline constexpr uint32_t kRandomVocabulary = 320;
inline constexpr uint32_t kRandomContext = 1024;

// type: of the matrices; a row that has no whole blocks of it is Q8_0.
std::string MakeRandomCheckpoint(RandomKind kind, DType type);

}  // namespace raison::conformance
