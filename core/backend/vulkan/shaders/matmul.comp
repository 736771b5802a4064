#version 450
// matmul for few rows of activations, and (PAIRS) one product for each chosen expert: pair i of row
// t is row t * used + i of the result, its weight the slot of the expert ids[t, i]. Experts that live
// elsewhere, and ids or slots that make no sense, are passed over. A workgroup decodes each weight
// once for up to ROWS rows.
#include "common.glsl"
#ifdef QUADS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
#endif
#include "octet.glsl"
#include "blocks.glsl"
#include "dot.glsl"
layout(constant_id = 3) const uint PAIRS = 0;  // 1: `ROWS` is 1
layout(local_size_x = 128) in;
layout(push_constant) uniform Push {
  uint64_t weight, source, scales, target, bias, ids, slots;
  uint64_t weight_row, weight_batch, source_row, source_batch, target_row;
  uint64_t target_batch;  // PAIRS: the stride of `ids`
  uint width, outputs, rows;
  uint batch;       // PAIRS: used
  uint accumulate;  // PAIRS: experts
  uint stacked;
} p;

void main() {
  const uint group = GroupIndex();
  const uint row_tiles = (p.rows + ROWS - 1u) / ROWS;
  const uint output_tiles = (p.outputs + OUTPUTS - 1u) / OUTPUTS;
  const uint row_begin = group % row_tiles * ROWS;
  const uint tile = group / row_tiles;
  const uint output_begin = tile % output_tiles * OUTPUTS;
  const uint b = tile / output_tiles;
  if (b >= (PAIRS != 0u ? 1u : p.batch)) return;
  uint64_t slot = uint64_t(b);
  uint first = row_begin;
  if (PAIRS != 0u) {
    first = row_begin / p.batch;
    const int expert = Ints(p.ids + uint64_t(first) * p.target_batch).v[row_begin % p.batch];
    if (expert < 0 || uint(expert) >= p.accumulate) return;
    const int s = Ints(p.slots).v[expert];
    if (s < 0 || uint(s) >= p.stacked) return;
    slot = uint64_t(s);
  }
  // Outputs and rows beyond the last are computed from the last and not written.
  const uint o = min(output_begin + Thread() / LANES, p.outputs - 1u);
  Source rows[ROWS];
  [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
    const uint row = PAIRS != 0u ? first : min(row_begin + r, p.rows - 1u);
    if (PLAIN) {
      rows[r].codes = p.source + uint64_t(row) * p.source_row + uint64_t(b) * p.source_batch;
    } else {
      const uint64_t n = PAIRS != 0u ? uint64_t(row) : uint64_t(row) * uint64_t(p.batch) + uint64_t(b);
      rows[r].codes = p.source + n * uint64_t(p.width);
      rows[r].scales = p.scales + n * uint64_t(p.width / 32u * 8u);
    }
  }
  const float total = Dot(p.weight + slot * p.weight_batch + uint64_t(o) * p.weight_row, rows, p.width);
  const uint t = Thread();
  if (t >= OUTPUTS * ROWS) return;
  const uint row = row_begin + t % ROWS, mine = output_begin + t / ROWS;
  if (row >= p.rows || mine >= p.outputs) return;
  uint64_t at = p.target + uint64_t(row) * p.target_row;
  if (PAIRS == 0u) at += uint64_t(b) * p.target_batch;
  Floats target = Floats(at);
  float value = total;
  if (p.bias != 0ul) value += Floats(p.bias).v[mine];
  if (PAIRS == 0u && p.accumulate != 0u) value += target.v[mine];
  target.v[mine] = value;
}
