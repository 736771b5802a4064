#version 450
// gather_rows: one invocation per element. An index outside `in` leaves its row as it is.
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t source, index, target, source_row, target_row;
  uint count, width, rows;
} p;

void main() {
  const uint64_t at = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  if (at >= uint64_t(p.count) * uint64_t(p.width)) return;
  const uint row = uint(at / uint64_t(p.width)), i = uint(at % uint64_t(p.width));
  const int from = Ints(p.index).v[row];
  if (from < 0 || uint(from) >= p.rows) return;
  Words(p.target + uint64_t(row) * p.target_row).v[i] =
      Words(p.source + uint64_t(from) * p.source_row).v[i];
}
