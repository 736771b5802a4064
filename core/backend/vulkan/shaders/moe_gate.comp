#version 450
// moe_experts, first half: hidden[t, i] = silu(gate_e x_t) * (up_e x_t) for the i-th chosen expert e
// of row t. Four elements of `inner` to a workgroup, 32 invocations each. Experts that live
// elsewhere, and ids or slots that make no sense, are passed over.
#include "common.glsl"
#include "math.glsl"
#include "octet.glsl"
#define COMPENSATED
#include "dot.glsl"
layout(constant_id = 3) const uint UP_DTYPE = 0;
layout(local_size_x = 32, local_size_y = 4) in;
layout(push_constant) uniform Push {
  uint64_t source, ids, slots, gate, up, hidden;
  uint64_t source_row, ids_row, gate_slot, gate_row, up_slot, up_row;
  uint rows, used, experts, stacked, width, inner;
} p;

void main() {
  const uint tiles = (p.inner + 3u) / 4u;
  const uint group = GroupIndex();
  if (group >= p.rows * p.used * tiles) return;
  const uint tile = group % tiles, choice = group / tiles;
  const uint row = choice / p.used, i = choice % p.used;
  const int expert = Ints(p.ids + uint64_t(row) * p.ids_row).v[i];
  if (expert < 0 || uint(expert) >= p.experts) return;
  const int slot = Ints(p.slots).v[expert];
  if (slot < 0 || uint(slot) >= p.stacked) return;
  const uint o = min(tile * 4u + gl_LocalInvocationID.y, p.inner - 1u);
  const uint64_t x = p.source + uint64_t(row) * p.source_row;
  vec2 sum = vec2(0, 0);
  AddDot2(DTYPE, p.gate + uint64_t(slot) * p.gate_slot + uint64_t(o) * p.gate_row, x, p.width, sum);
  const float gate = Reduce2(sum);
  sum = vec2(0, 0);
  AddDot2(UP_DTYPE, p.up + uint64_t(slot) * p.up_slot + uint64_t(o) * p.up_row, x, p.width, sum);
  const float up = Reduce2(sum);
  const uint t = gl_LocalInvocationIndex;
  if (t >= 4u || tile * 4u + t >= p.inner) return;
  Floats(p.hidden + uint64_t(choice) * uint64_t(p.inner) * 4ul).v[tile * 4u + t] = SiluMul(gate, up);
}
