// The best of a list of ranks, found by counting digits: counts are integers and ranks differ, so the
// order in which invocations come changes nothing. A rank is 64 bits of a logit and its place in the
// row. Who includes this defines GROUP (at least the digits' 256) and RankAt(i), the list.
layout(buffer_reference, std430, buffer_reference_align = 8) coherent buffer Ranks { uint64_t v[]; };

shared uint counts[256];
shared uint chosen_digit, chosen_rest, gathered;
shared bool chosen_all;

uint64_t RankAt(uint i);

// Larger values first, then lower places; NaNs as -inf. Never 0.
uint64_t RankOf(float value, uint place) {
  uint bits = floatBitsToUint(IsNan(value) ? -Infinity() : value);
  if (bits == 0x80000000u) bits = 0u;
  bits = (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
  return uint64_t(bits) << 32 | uint64_t(~place);
}
uint PlaceOf(uint64_t rank) { return ~uint(rank & 0xfffffffful); }

// RankAt of i, i + GROUP, ... as far as the list goes: all are read before the first is used.
void RanksFrom(uint i, uint size, out uint64_t ranks[4]) {
  [[unroll]] for (uint m = 0u; m < 4u; ++m) ranks[m] = RankAt(min(i + m * GROUP, size - 1u));
}

// What the `count` best of `size` ranks, and no others, are not below; 0 < count <= size.
uint64_t LeastOfBest(uint size, uint count) {
  const uint t = gl_LocalInvocationIndex;
  uint64_t prefix = 0ul;
  uint rest = count;  // wanted among those that share the prefix
  for (int digit = 7; digit >= 0; --digit) {
    if (t < 256u) counts[t] = 0u;
    barrier();
    for (uint i = t; i < size; i += 4u * GROUP) {
      uint64_t ranks[4];
      RanksFrom(i, size, ranks);
      [[unroll]] for (uint m = 0u; m < 4u; ++m) {
        // Above the digit everything must be as in the prefix; a shift by 64 is not defined.
        const bool same = digit == 7 || ranks[m] >> (8 * digit + 8) == prefix >> (8 * digit + 8);
        if (same && i + m * GROUP < size) atomicAdd(counts[uint(ranks[m] >> (8 * digit)) & 255u], 1u);
      }
    }
    barrier();
    if (t == 0u) {
      uint left = rest;
      int d = 255;
      while (d > 0 && counts[d] < left) left -= counts[d--];
      chosen_digit = uint(d);
      chosen_rest = left;
      chosen_all = counts[d] == left;
    }
    barrier();
    prefix |= uint64_t(chosen_digit) << (8 * digit);
    rest = chosen_rest;
    const bool all = chosen_all;
    barrier();
    if (all) break;  // whatever the digits below
  }
  return prefix;
}

// Those not below `least` in any order, and zeros up to `places`.
void Gather(uint size, uint64_t least, Ranks to, uint places) {
  const uint t = gl_LocalInvocationIndex;
  if (t == 0u) gathered = 0u;
  for (uint i = t; i < places; i += GROUP) to.v[i] = 0ul;
  memoryBarrierBuffer();
  barrier();
  for (uint i = t; i < size; i += 4u * GROUP) {
    uint64_t ranks[4];
    RanksFrom(i, size, ranks);
    [[unroll]] for (uint m = 0u; m < 4u; ++m) {
      if (i + m * GROUP >= size || ranks[m] < least) continue;
      const uint place = atomicAdd(gathered, 1u);
      if (place < places) to.v[place] = ranks[m];
    }
  }
  memoryBarrierBuffer();
  barrier();
}
