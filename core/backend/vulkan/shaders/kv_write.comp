#version 450
// kv_write: one invocation per element. A slot outside the cache is passed over.
#include "common.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint DTYPE = 0;
layout(push_constant) uniform Push {
  uint64_t source, slots, cache, source_row, source_head, cache_page, cache_head, cache_token;
  uint rows, heads, width, page_tokens, pages;
} p;

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  const uint64_t per_row = uint64_t(p.heads) * uint64_t(p.width);
  if (index >= uint64_t(p.rows) * per_row) return;
  const uint row = uint(index / per_row);
  const uint head = uint(index % per_row) / p.width, i = uint(index % per_row) % p.width;
  const int slot = Ints(p.slots).v[row];
  if (slot < 0 || uint(slot) / p.page_tokens >= p.pages) return;
  const uint bits = Words(p.source + uint64_t(row) * p.source_row + uint64_t(head) * p.source_head).v[i];
  const uint64_t at = p.cache + uint64_t(uint(slot) / p.page_tokens) * p.cache_page +
                      uint64_t(head) * p.cache_head +
                      uint64_t(uint(slot) % p.page_tokens) * p.cache_token;
  if (DTYPE == kF32) {
    Words(at).v[i] = bits;
  } else {
    const float value = uintBitsToFloat(bits);
    Halves(at).v[i] = uint16_t(DTYPE == kF16 ? ToF16(value) : ToBF16(value));
  }
}
