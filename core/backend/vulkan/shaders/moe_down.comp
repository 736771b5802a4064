#version 450
// moe_experts for few rows, second half: out[t] (+)= sum over the chosen experts, ascending, of
// weight * down_e hidden[t, i]. Some outputs of one row to a workgroup.
#include "common.glsl"
#ifdef QUADS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
#endif
#include "octet.glsl"
#include "blocks.glsl"
#include "dot.glsl"
#include "choices.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Push {
  uint64_t hidden, scales;  // rows of pairs
  uint64_t ids, weights, slots, down, target;
  uint64_t ids_row, weights_row, down_slot, down_row, target_row;
  uint rows, used, experts, stacked, inner, width_and_accumulate;
} p;

void main() {
  const uint width = p.width_and_accumulate >> 1;
  const uint tiles = (width + OUTPUTS - 1u) / OUTPUTS;
  const uint group = GroupIndex();
  if (group >= p.rows * tiles) return;
  const uint tile = group % tiles, row = group / tiles;
  const uint o = min(tile * OUTPUTS + Thread() / LANES, width - 1u);
  Ints ids = Ints(p.ids + uint64_t(row) * p.ids_row);
  Floats gains = Floats(p.weights + uint64_t(row) * p.weights_row);
  float mixed = 0.0;
  Choice choice = Choice(-1, 0u);
  for (uint n = 0u; n < p.used && NextChoice(ids, p.used, p.experts, choice); ++n) {
    const int slot = Ints(p.slots).v[choice.expert];
    if (slot < 0 || uint(slot) >= p.stacked) continue;
    const uint64_t pair = uint64_t(row * p.used + choice.place);
    Source rows[ROWS];
    rows[0].codes = p.hidden + pair * uint64_t(PLAIN ? p.inner * 4u : p.inner);
    rows[0].scales = p.scales + pair * uint64_t(p.inner / 32u * 8u);
    const float product = Dot(p.down + uint64_t(slot) * p.down_slot + uint64_t(o) * p.down_row, rows, p.inner);
    precise float next = fma(gains.v[choice.place], product, mixed);
    mixed = next;
  }
  const uint t = Thread(), mine = tile * OUTPUTS + t;
  if (t >= OUTPUTS || mine >= width) return;
  Floats target = Floats(p.target + uint64_t(row) * p.target_row);
  if ((p.width_and_accumulate & 1u) != 0u) mixed += target.v[mine];
  target.v[mine] = mixed;
}
