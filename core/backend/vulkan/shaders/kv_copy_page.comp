#version 450
// kv_copy_page: one invocation per element of a page, which it copies for every pair in order (a
// later pair may read what an earlier one wrote, at the same place of the page).
#include "common.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint DTYPE = 0;
layout(push_constant) uniform Push {
  uint64_t cache, from, to, cache_page, cache_head, cache_token;
  uint count, heads, page_tokens, width, pages;
} p;

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  const uint64_t per_head = uint64_t(p.page_tokens) * uint64_t(p.width);
  if (index >= uint64_t(p.heads) * per_head) return;
  const uint head = uint(index / per_head);
  const uint token = uint(index % per_head) / p.width, i = uint(index % per_head) % p.width;
  const uint64_t base =
      p.cache + uint64_t(head) * p.cache_head + uint64_t(token) * p.cache_token;
  for (uint c = 0u; c < p.count; ++c) {
    const int from = Ints(p.from).v[c], to = Ints(p.to).v[c];
    if (from < 0 || to < 0 || uint(from) >= p.pages || uint(to) >= p.pages) continue;
    const uint64_t a = base + uint64_t(from) * p.cache_page, b = base + uint64_t(to) * p.cache_page;
    if (DTYPE == kF32) {
      Words(b).v[i] = Words(a).v[i];
    } else {
      Halves(b).v[i] = Halves(a).v[i];
    }
  }
}
