#version 450
// moe_experts, second half: out[t] (+)= sum over the chosen experts, ascending, of weight * down_e
// hidden[t, i]. Four outputs of one row to a workgroup, 32 invocations each.
#include "common.glsl"
#include "octet.glsl"
#include "dot.glsl"
layout(local_size_x = 32, local_size_y = 4) in;
layout(push_constant) uniform Push {
  uint64_t hidden, ids, weights, slots, down, target;
  uint64_t ids_row, weights_row, down_slot, down_row, target_row;
  uint rows, used, experts, stacked, width, inner, accumulate;
} p;

void main() {
  const uint tiles = (p.width + 3u) / 4u;
  const uint group = GroupIndex();
  if (group >= p.rows * tiles) return;
  const uint tile = group % tiles, row = group / tiles;
  const uint o = min(tile * 4u + gl_LocalInvocationID.y, p.width - 1u);
  Ints ids = Ints(p.ids + uint64_t(row) * p.ids_row);
  Floats gains = Floats(p.weights + uint64_t(row) * p.weights_row);
  float mixed[ROWS];
  mixed[0] = 0.0;
  int last_expert = -1;
  uint last_place = 0u;
  for (uint n = 0u; n < p.used; ++n) {
    // The next of (expert, place) in ascending order, whatever order they were given in.
    int expert = 0x7fffffff;
    uint place = 0u;
    for (uint i = 0u; i < p.used; ++i) {
      const int e = ids.v[i];
      const bool after = e > last_expert || (e == last_expert && i > last_place);
      if (e >= 0 && after && e < expert) {
        expert = e;
        place = i;
      }
    }
    if (uint(expert) >= p.experts) break;
    last_expert = expert;
    last_place = place;
    const int slot = Ints(p.slots).v[expert];
    if (slot < 0 || uint(slot) >= p.stacked) continue;
    uint64_t rows[ROWS];
    rows[0] = p.hidden + uint64_t(row * p.used + place) * uint64_t(p.inner) * 4ul;
    float sums[ROWS];
    sums[0] = 0.0;
    AddDots(DTYPE, p.down + uint64_t(slot) * p.down_slot + uint64_t(o) * p.down_row, rows, p.inner, sums);
    precise float next = fma(gains.v[place], sums[0], mixed[0]);
    mixed[0] = next;
  }
  float total = Reduce(mixed);
  const uint t = gl_LocalInvocationIndex;
  const uint mine = tile * 4u + t;
  if (t >= 4u || mine >= p.width) return;
  Floats target = Floats(p.target + uint64_t(row) * p.target_row);
  if (p.accumulate != 0u) total += target.v[mine];
  target.v[mine] = total;
}
