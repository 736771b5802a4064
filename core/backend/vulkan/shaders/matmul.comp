#version 450
// matmul: 32 invocations share one output, invocation s taking octets s, s + 32, ... in ascending
// order; their sums are added in a fixed order. A workgroup makes 4 outputs of up to ROWS rows and
// decodes each weight once for all of them. The order does not depend on ROWS, so that a row has
// the same bits alone and in a batch.
#include "common.glsl"
#include "octet.glsl"
#include "dot.glsl"
layout(local_size_x = 32, local_size_y = 4) in;
layout(push_constant) uniform Push {
  uint64_t weight, source, target, bias;
  uint64_t weight_row, weight_batch, source_row, source_batch, target_row, target_batch;
  uint width, outputs, rows, batch, accumulate, groups;
} p;

void main() {
  const uint group = GroupIndex();
  if (group >= p.groups) return;
  const uint row_tiles = (p.rows + ROWS - 1u) / ROWS;
  const uint output_tiles = (p.outputs + 3u) / 4u;
  const uint row_begin = group % row_tiles * ROWS;
  const uint tile = group / row_tiles;
  const uint output_begin = tile % output_tiles * 4u;
  const uint64_t b = uint64_t(tile / output_tiles);
  // Outputs and rows beyond the last are computed from the last and not written.
  const uint o = min(output_begin + gl_LocalInvocationID.y, p.outputs - 1u);
  uint64_t rows[ROWS];
  [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
    rows[r] = p.source + uint64_t(min(row_begin + r, p.rows - 1u)) * p.source_row + b * p.source_batch;
  }
  float sums[ROWS];
  [[unroll]] for (uint r = 0u; r < ROWS; ++r) sums[r] = 0.0;
  AddDots(DTYPE, p.weight + b * p.weight_batch + uint64_t(o) * p.weight_row, rows, p.width, sums);
  const float total = Reduce(sums);
  const uint t = gl_LocalInvocationIndex;
  if (t >= 4u * ROWS) return;
  const uint row = row_begin + t % ROWS;
  const uint mine = output_begin + t / ROWS;
  if (row >= p.rows || mine >= p.outputs) return;
  Floats target = Floats(p.target + uint64_t(row) * p.target_row + b * p.target_batch);
  float value = total;
  if (p.bias != 0ul) value += Floats(p.bias).v[mine];
  if (p.accumulate != 0u) value += target.v[mine];
  target.v[mine] = value;
}
