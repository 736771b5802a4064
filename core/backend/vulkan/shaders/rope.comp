#version 450
// rope: one invocation per pair.
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t table, x, table_row, table_pair, x_row, x_head;
  uint rows, heads, pairs, interleaved;
} p;

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  const uint64_t per_row = uint64_t(p.heads) * uint64_t(p.pairs);
  if (index >= uint64_t(p.rows) * per_row) return;
  const uint64_t row = index / per_row;
  const uint head = uint(index % per_row) / p.pairs, pair = uint(index % per_row) % p.pairs;
  Floats turn = Floats(p.table + row * p.table_row + uint64_t(pair) * p.table_pair);
  Floats x = Floats(p.x + row * p.x_row + uint64_t(head) * p.x_head);
  const uint first = p.interleaved != 0u ? 2u * pair : pair;
  const uint second = p.interleaved != 0u ? 2u * pair + 1u : pair + p.pairs;
  const float u = x.v[first], v = x.v[second], cosine = turn.v[0], sine = turn.v[1];
  x.v[first] = u * cosine - v * sine;
  x.v[second] = v * cosine + u * sine;
}
