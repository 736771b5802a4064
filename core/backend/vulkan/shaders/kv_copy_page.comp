#version 450
// kv_copy_page: pages side by side, in pieces: four words where rows begin at multiples of 16 bytes,
// else an element. A workgroup copies 1,024 of them.
#include "common.glsl"
layout(local_size_x = 256) in;
layout(constant_id = 0) const uint PIECE = 2;  // bytes
layout(push_constant) uniform Push {
  uint64_t cache, from, to, cache_page, cache_head, cache_token;
  uint count, heads, page_tokens, width, pages;  // width: of a row, in pieces
  uint groups;  // for each page
} p;
layout(buffer_reference, std430, buffer_reference_align = 16) buffer WordVectors { uvec4 v[]; };

void main() {
  const uint pair = GroupIndex() / p.groups;
  if (pair >= p.count) return;
  const int from = Ints(p.from).v[pair], to = Ints(p.to).v[pair];
  if (from < 0 || to < 0 || uint(from) >= p.pages || uint(to) >= p.pages || from == to) return;
  const uint first = GroupIndex() % p.groups * 1024u + gl_LocalInvocationIndex;
  const uint per_head = p.page_tokens * p.width, size = p.heads * per_head;
  [[unroll]] for (uint m = 0u; m < 4u; ++m) {
    const uint n = first + m * 256u;
    if (n >= size) return;
    const uint head = n / per_head, token = n % per_head / p.width, i = n % p.width;
    const uint64_t at = uint64_t(head) * p.cache_head + uint64_t(token) * p.cache_token;
    const uint64_t a = p.cache + uint64_t(from) * p.cache_page + at;
    const uint64_t b = p.cache + uint64_t(to) * p.cache_page + at;
    if (PIECE == 16u) {
      WordVectors(b).v[i] = WordVectors(a).v[i];
    } else if (PIECE == 4u) {
      Words(b).v[i] = Words(a).v[i];
    } else {
      Halves(b).v[i] = Halves(a).v[i];
    }
  }
}
