#version 450
// Rows of 32-bit words from one strided (rows, heads, width) view to another.
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t source, target, source_row, source_head, target_row, target_head;
  uint rows, heads, width;
} p;

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  const uint64_t per_row = uint64_t(p.heads) * uint64_t(p.width);
  if (index >= uint64_t(p.rows) * per_row) return;
  const uint64_t row = index / per_row;
  const uint64_t head = uint64_t(uint(index % per_row) / p.width);
  const uint i = uint(index % per_row) % p.width;
  Words(p.target + row * p.target_row + head * p.target_head).v[i] =
      Words(p.source + row * p.source_row + head * p.source_head).v[i];
}
