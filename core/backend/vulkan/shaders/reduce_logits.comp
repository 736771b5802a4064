#version 450
// reduce_logits, first pass: one workgroup per row and chunk of kChunk logits. It leaves the adjusted
// logits, the chunk's sums and its best candidates in scratch, for reduce_logits_fold.comp.
#define GROUP 256u
#include "common.glsl"
#include "math.glsl"
#include "logits.glsl"
layout(local_size_x = 256) in;
layout(push_constant) uniform Push {
  uint64_t logits, adjust_begin, adjust_id, adjust_divisor, adjust_add;
  uint64_t scratch;
  uint logits_row, rows, vocabulary, capacity, keep, sorted;
} p;

Adjusted z;        // the row's
uint first, size;  // the chunk's

#include "candidates.glsl"
uint64_t RankAt(uint i) { return RankOf(z.v[first + i], first + i); }

shared vec2 pairs[GROUP];
vec2 GroupSum2(vec2 value) {
  const uint t = gl_LocalInvocationIndex;
  pairs[t] = value;
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    if (t < s) pairs[t] = Add2(pairs[t], pairs[t + s]);
    barrier();
  }
  const vec2 sum = pairs[0];
  barrier();
  return sum;
}

Sums Summarize(bool with_entropy) {
  const uint t = gl_LocalInvocationIndex;
  float largest = -Infinity();
  for (uint i = t; i < size; i += GROUP) {
    const float v = z.v[first + i];
    if (v > largest) largest = v;
  }
  largest = GroupMax(largest);
  vec2 sum = vec2(0, 0), weighted = vec2(0, 0);
  for (uint i = t; i < size; i += GROUP) {
    const vec2 d = TwoSum(z.v[first + i], -largest);
    if (!(d.x >= -80.0)) continue;  // below 2^-115 of the largest: nothing
    const vec2 e = Exp2Parts(d);
    sum = Add2(sum, e);
    if (with_entropy) weighted = Add2(weighted, Multiply2(e, d));
  }
  sum = GroupSum2(sum);
  if (with_entropy) weighted = GroupSum2(weighted);
  return Sums(sum, weighted, largest);
}

void main() {
  const uint chunks = (p.vocabulary + kChunk - 1u) / kChunk;
  const uint row = GroupIndex() / chunks, chunk = GroupIndex() % chunks, t = gl_LocalInvocationIndex;
  if (row >= p.rows) return;
  first = chunk * kChunk;
  size = min(kChunk, p.vocabulary - first);
  const LogitScratch scratch = ScratchOf(p.scratch, row, p.vocabulary, p.keep, p.sorted);
  z = Adjusted(scratch.adjusted);
  Floats raw = Floats(p.logits + uint64_t(row) * uint64_t(p.logits_row));

  float strange = 0.0;
  for (uint i = t; i < size; i += GROUP) {
    const float v = raw.v[first + i];
    if (IsNan(v) || floatBitsToUint(v) == 0x7f800000u) strange = 1.0;
    z.v[first + i] = v;
  }
  strange = GroupMax(strange);
  memoryBarrierBuffer();
  barrier();
  const Sums sums = Summarize(true);
  barrier();
  // Adjustments of one id are made by one invocation, in their order.
  const ivec2 list = AdjustmentsOf(p.adjust_begin, row, p.capacity);
  for (int i = list.x; i < list.y; ++i) {
    const int id = Ints(p.adjust_id).v[i];
    if (id < 0 || uint(id) < first || uint(id) >= first + size || uint(id) % GROUP != t) continue;
    const float divisor = Floats(p.adjust_divisor).v[i], value = z.v[id];
    precise float changed = value > 0.0 ? Divide(value, divisor) : value * divisor;
    changed = changed + Floats(p.adjust_add).v[i];
    z.v[id] = changed;
  }
  memoryBarrierBuffer();
  barrier();
  Sums adjusted = sums;
  if (list.x != list.y) adjusted = Summarize(false);
  if (t == 0u) {
    const Chunk of = Chunk(sums, adjusted, strange);
    Store(scratch.chunks, chunk, of);
  }
  if (p.keep == 0u) return;
  const uint64_t least = LeastOfBest(size, min(p.keep, size));
  Gather(size, least, Ranks(scratch.candidates + uint64_t(chunk * p.keep) * 8ul), p.keep);
}
