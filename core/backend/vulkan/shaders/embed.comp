#version 450
// embed: one invocation per octet of a row. A token outside the table leaves its row as it is.
#include "common.glsl"
#include "octet.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t table, tokens, target, table_row, target_row;
  uint rows, width, vocabulary;
} p;

void main() {
  const uint octets = (p.width + 7u) / 8u;
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  if (index >= uint64_t(p.rows) * uint64_t(octets)) return;
  const uint row = uint(index / uint64_t(octets)), octet = uint(index % uint64_t(octets));
  const int token = Ints(p.tokens).v[row];
  if (token < 0 || uint(token) >= p.vocabulary) return;
  float w[8];
  LoadOctet(DTYPE, p.table + uint64_t(token) * p.table_row, octet, w);
  Floats target = Floats(p.target + uint64_t(row) * p.target_row);
  const uint count = min(8u, p.width - octet * 8u);
  for (uint i = 0u; i < count; ++i) target.v[octet * 8u + i] = w[i];
}
