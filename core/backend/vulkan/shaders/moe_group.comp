#version 450
// Pairs (row, i-th choice) sorted by the slot of their expert, and the tiles of at most `tile` pairs
// of one slot each: what matmul_tiles.comp works through, found without the host. Pairs of experts
// that live elsewhere, or whose numbers make no sense, are left out. One workgroup. The order of the
// pairs within a slot varies; no result depends on it.
#include "common.glsl"
layout(local_size_x = 256) in;
layout(push_constant) uniform Push {
  uint64_t ids, slots, groups, ids_row;
  uint rows, used, experts, stacked, tile;
} p;

const uint kMost = 1024;  // slots
shared uint counts[kMost];
shared uvec2 before[256];  // pairs and tiles of the invocations before

// The slot of a pair, kMost if there is none.
uint SlotOf(uint n) {
  const int expert = Ints(p.ids + uint64_t(n / p.used) * p.ids_row).v[n % p.used];
  if (expert < 0 || uint(expert) >= p.experts) return kMost;
  const int slot = Ints(p.slots).v[expert];
  return slot < 0 || uint(slot) >= p.stacked ? kMost : uint(slot);
}

void main() {
  const uint t = gl_LocalInvocationIndex, pairs = p.rows * p.used;
  for (uint s = t; s < kMost; s += 256u) counts[s] = 0u;
  barrier();
  for (uint n = t; n < pairs; n += 256u) {
    const uint slot = SlotOf(n);
    if (slot < kMost) atomicAdd(counts[slot], 1u);
  }
  barrier();
  uvec2 mine = uvec2(0u);
  for (uint s = t * 4u; s < t * 4u + 4u; ++s) mine += uvec2(counts[s], (counts[s] + p.tile - 1u) / p.tile);
  before[t] = mine;
  barrier();
  for (uint reach = 1u; reach < 256u; reach *= 2u) {
    const uvec2 add = t >= reach ? before[t - reach] : uvec2(0u);
    barrier();
    before[t] += add;
    barrier();
  }
  Words head = Words(p.groups);
  if (t == 255u) {
    head.v[0] = before[t].y;
    head.v[1] = before[t].x;
  }
  Words sorted = Words(p.groups + 8ul);
  Words tiles = Words(p.groups + 8ul + uint64_t(pairs) * 4ul);
  uvec2 at = before[t] - mine;
  for (uint s = t * 4u; s < t * 4u + 4u; ++s) {
    const uint count = counts[s];
    for (uint done = 0u; done < count; done += p.tile) {
      tiles.v[at.y * 3u] = s;
      tiles.v[at.y * 3u + 1u] = at.x + done;
      tiles.v[at.y * 3u + 2u] = min(p.tile, count - done);
      ++at.y;
    }
    counts[s] = at.x;  // where the slot's next pair goes
    at.x += count;
  }
  barrier();
  for (uint n = t; n < pairs; n += 256u) {
    const uint slot = SlotOf(n);
    if (slot < kMost) sorted.v[atomicAdd(counts[slot], 1u)] = n;
  }
}
