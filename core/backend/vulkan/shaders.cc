#include "core/backend/vulkan/shaders.h"

#include <algorithm>

namespace raison::vulkan {
namespace {

// clang-format off
#define RSN_VULKAN_SHADERS(F) \
  F(embed) F(gather_rows) F(rms_norm) F(quantize) F(matmul) F(matmul_dot) F(matmul_quads) \
  F(matmul_quads_dot) F(matmul_tiles) F(matmul_tiles_dot) F(matmul_tiles_matrix) F(rope_table) F(rope) F(kv_write) \
  F(kv_copy_page) F(attention) F(attention_fold) F(copy_rows) F(silu_mul) F(moe_route) \
  F(moe_group) F(moe_combine) F(moe_down) F(moe_down_dot) F(moe_down_quads) \
  F(moe_down_quads_dot) F(reduce_logits) F(reduce_logits_fold)

constexpr uint32_t embed[] =
#include "embed.inc"
;
constexpr uint32_t gather_rows[] =
#include "gather_rows.inc"
;
constexpr uint32_t rms_norm[] =
#include "rms_norm.inc"
;
constexpr uint32_t quantize[] =
#include "quantize.inc"
;
constexpr uint32_t matmul[] =
#include "matmul.inc"
;
constexpr uint32_t matmul_dot[] =
#include "matmul_dot.inc"
;
constexpr uint32_t matmul_quads[] =
#include "matmul_quads.inc"
;
constexpr uint32_t matmul_quads_dot[] =
#include "matmul_quads_dot.inc"
;
constexpr uint32_t matmul_tiles[] =
#include "matmul_tiles.inc"
;
constexpr uint32_t matmul_tiles_dot[] =
#include "matmul_tiles_dot.inc"
;
constexpr uint32_t matmul_tiles_matrix[] =
#include "matmul_tiles_matrix.inc"
;
constexpr uint32_t rope_table[] =
#include "rope_table.inc"
;
constexpr uint32_t rope[] =
#include "rope.inc"
;
constexpr uint32_t kv_write[] =
#include "kv_write.inc"
;
constexpr uint32_t kv_copy_page[] =
#include "kv_copy_page.inc"
;
constexpr uint32_t attention[] =
#include "attention.inc"
;
constexpr uint32_t attention_fold[] =
#include "attention_fold.inc"
;
constexpr uint32_t copy_rows[] =
#include "copy_rows.inc"
;
constexpr uint32_t silu_mul[] =
#include "silu_mul.inc"
;
constexpr uint32_t moe_route[] =
#include "moe_route.inc"
;
constexpr uint32_t moe_group[] =
#include "moe_group.inc"
;
constexpr uint32_t moe_combine[] =
#include "moe_combine.inc"
;
constexpr uint32_t moe_down[] =
#include "moe_down.inc"
;
constexpr uint32_t moe_down_dot[] =
#include "moe_down_dot.inc"
;
constexpr uint32_t moe_down_quads[] =
#include "moe_down_quads.inc"
;
constexpr uint32_t moe_down_quads_dot[] =
#include "moe_down_quads_dot.inc"
;
constexpr uint32_t reduce_logits[] =
#include "reduce_logits.inc"
;
constexpr uint32_t reduce_logits_fold[] =
#include "reduce_logits_fold.inc"
;
// clang-format on

#define RSN_VULKAN_ENTRY(name) ShaderCode{#name, name, sizeof name},
constexpr ShaderCode kShaders[] = {RSN_VULKAN_SHADERS(RSN_VULKAN_ENTRY)};
#undef RSN_VULKAN_ENTRY
static_assert(sizeof kShaders / sizeof *kShaders == static_cast<size_t>(Shader::kCount));

}  // namespace

ShaderCode CodeOf(Shader shader) { return kShaders[static_cast<size_t>(shader)]; }

std::vector<uint32_t> KeepNan(const ShaderCode& code) {
  constexpr uint32_t kHeader = 5, kEntryPoint = 15, kExecutionMode = 16, kCapability = 17;
  constexpr uint32_t kPreserveCapability = 4466, kPreserve = 4461;  // SignedZeroInfNanPreserve
  const std::vector<uint32_t> words(code.words, code.words + code.bytes / 4);
  std::vector<uint32_t> out(words.begin(), words.begin() + kHeader);
  out.insert(out.end(), {2u << 16 | kCapability, kPreserveCapability});
  for (size_t at = kHeader; at < words.size();) {
    const uint32_t length = std::max(words[at] >> 16, 1u);
    out.insert(out.end(), &words[at], &words[at] + length);
    if ((words[at] & 0xffff) == kEntryPoint) {  // {model, function, ...}: there is one
      out.insert(out.end(), {4u << 16 | kExecutionMode, words[at + 2], kPreserve, 32});
    }
    at += length;
  }
  return out;
}

uint64_t Fnv1a(const void* data, size_t bytes, uint64_t hash) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ p[i]) * 0x100000001b3u;
  return hash;
}

uint64_t HashOfShaders() {
  uint64_t hash = Fnv1a("", 0);
  for (const ShaderCode& code : kShaders) hash = Fnv1a(code.words, code.bytes, hash);
  return hash;
}

}  // namespace raison::vulkan
