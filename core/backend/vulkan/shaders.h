// The SPIR-V of every shader, embedded at build time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace raison::vulkan {

enum class Shader : uint32_t {
  kEmbed,
  kGatherRows,
  kRmsNorm,
  kQuantize,
  // Variants follow their first: + 1 with integer dot products, + 2 with quads of a subgroup.
  kMatmul,
  kMatmulDot,
  kMatmulQuads,
  kMatmulQuadsDot,
  kMatmulTiles,
  kMatmulTilesDot,
  kMatmulTilesMatrix,
  kRopeTable,
  kRope,
  kKvWrite,
  kKvCopyPage,
  kAttention,
  kAttentionFold,
  kCopyRows,
  kSiluMul,
  kMoeRoute,
  kMoeGroup,
  kMoeCombine,
  kMoeDown,
  kMoeDownDot,
  kMoeDownQuads,
  kMoeDownQuadsDot,
  kReduceLogits,
  kReduceLogitsFold,
  kCount
};

struct ShaderCode {
  const char* name;
  const uint32_t* words;
  size_t bytes;
};
ShaderCode CodeOf(Shader shader);
inline bool UsesQuads(Shader s) {
  return s == Shader::kMatmulQuads || s == Shader::kMatmulQuadsDot || s == Shader::kMoeDownQuads ||
         s == Shader::kMoeDownQuadsDot;
}
// The same module with the execution mode that keeps a compiler from taking NaN, infinity and -0 of
// f32 for impossible, which it otherwise may.
std::vector<uint32_t> KeepNan(const ShaderCode& code);
// Of all of them: part of a pipeline cache's name.
uint64_t HashOfShaders();
uint64_t Fnv1a(const void* data, size_t bytes, uint64_t hash = 0xcbf29ce484222325u);

}  // namespace raison::vulkan
