#version 450
// reduce_logits: one workgroup per row. Candidates are found by their rank, 64 bits of (value,
// place): eight rounds of counting give the rank of the last one, the chosen are gathered and sorted.
// Counts are integers and ranks differ, so the order in which invocations come changes nothing. A row
// is read some times by one workgroup, which is as large as it may be and reads four numbers at a time.
#include "common.glsl"
#include "math.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint GROUP = 256;  // a power of two, at least the digits' 256
layout(buffer_reference, std430, buffer_reference_align = 8) coherent buffer Ranks { uint64_t v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer Adjusted { float v[]; };
layout(push_constant) uniform Push {
  uint64_t logits, adjust_begin, adjust_id, adjust_divisor, adjust_add;
  uint64_t records, ids, values, raw;
  uint64_t scratch;  // (rows) of `sorted` ranks and the adjusted logits
  uint logits_row, records_row, ids_row, values_row, raw_row;
  uint rows, vocabulary, top, capacity, sorted;
} p;

shared uint counts[256];
shared uint chosen_digit, chosen_rest, gathered;
shared bool chosen_all;
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

// NaNs are passed over.
float GroupMax(float value) {
  const uint t = gl_LocalInvocationIndex;
  pairs[t].x = IsNan(value) ? -Infinity() : value;
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    if (t < s && pairs[t + s].x > pairs[t].x) pairs[t].x = pairs[t + s].x;
    barrier();
  }
  const float largest = pairs[0].x;
  barrier();
  return largest;
}

// z[i], z[i + GROUP], ...: those that there are.
void LoadFour(Adjusted z, uint i, out float v[4]) {
  [[unroll]] for (uint m = 0u; m < 4u; ++m) v[m] = z.v[min(i + m * GROUP, p.vocabulary - 1u)];
}

// Larger values first, then lower places; NaNs as -inf.
uint64_t RankOf(float value, uint place) {
  uint bits = floatBitsToUint(IsNan(value) ? -Infinity() : value);
  if (bits == 0x80000000u) bits = 0u;
  bits = (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
  return uint64_t(bits) << 32 | uint64_t(~place);
}

// {logsumexp, entropy} of a row that has neither NaN nor +inf (the flag says what it has).
vec2 Summarize(Adjusted z, bool with_entropy) {
  float largest = -Infinity();
  float v[4];
  for (uint i = gl_LocalInvocationIndex; i < p.vocabulary; i += 4u * GROUP) {
    LoadFour(z, i, v);
    [[unroll]] for (uint m = 0u; m < 4u; ++m) {
      if (v[m] > largest) largest = v[m];
    }
  }
  largest = GroupMax(largest);
  if (IsMinusInfinity(largest)) return vec2(-Infinity(), 0.0);
  vec2 sum = vec2(0, 0), weighted = vec2(0, 0);
  for (uint i = gl_LocalInvocationIndex; i < p.vocabulary; i += 4u * GROUP) {
    LoadFour(z, i, v);
    for (uint m = 0u; m < 4u && i + m * GROUP < p.vocabulary; ++m) {
      const vec2 d = TwoSum(v[m], -largest);
      if (!(d.x >= -80.0)) continue;  // below 2^-115 of the largest: nothing
      const vec2 e = Exp2Parts(d);
      sum = Add2(sum, e);
      if (with_entropy) weighted = Add2(weighted, Multiply2(e, d));
    }
  }
  sum = GroupSum2(sum);
  const float log_sum = Log(sum);
  float entropy = 0.0;
  if (with_entropy) {
    weighted = GroupSum2(weighted);
    const vec2 mean = Divide2(weighted, sum);
    entropy = log_sum - (mean.x + mean.y);
  }
  return vec2(largest + log_sum, entropy);
}

void main() {
  const uint row = GroupIndex(), t = gl_LocalInvocationIndex;
  if (row >= p.rows) return;
  const uint64_t r = uint64_t(row);
  Floats raw = Floats(p.logits + r * uint64_t(p.logits_row));
  Floats record = Floats(p.records + r * uint64_t(p.records_row));
  const uint64_t scratch_row = uint64_t(p.sorted) * 8ul + uint64_t((p.vocabulary + 1u) / 2u) * 8ul;
  Ranks ranks = Ranks(p.scratch + r * scratch_row);
  Adjusted z = Adjusted(p.scratch + r * scratch_row + uint64_t(p.sorted) * 8ul);

  float strange = 0.0;
  for (uint i = t; i < p.vocabulary; i += GROUP) {
    const float v = raw.v[i];
    if (IsNan(v) || floatBitsToUint(v) == 0x7f800000u) strange = 1.0;
    z.v[i] = v;
  }
  strange = GroupMax(strange);
  memoryBarrierBuffer();
  barrier();
  const vec2 summary = Summarize(z, true);
  barrier();
  // Adjustments of one id are made by one invocation, in their order.
  const int begin = clamp(Ints(p.adjust_begin).v[row], 0, int(p.capacity));
  const int end = clamp(Ints(p.adjust_begin).v[row + 1u], begin, int(p.capacity));
  for (int i = begin; i < end; ++i) {
    const int id = Ints(p.adjust_id).v[i];
    if (id < 0 || uint(id) >= p.vocabulary || uint(id) % GROUP != t) continue;
    const float divisor = Floats(p.adjust_divisor).v[i], value = z.v[id];
    precise float changed = value > 0.0 ? Divide(value, divisor) : value * divisor;
    changed = changed + Floats(p.adjust_add).v[i];
    z.v[id] = changed;
  }
  memoryBarrierBuffer();
  barrier();
  const vec2 adjusted = begin == end ? summary : Summarize(z, false);
  const uint count = min(p.top, p.vocabulary);
  if (t == 0u) {
    const float nan = uintBitsToFloat(0x7fc00000u);
    record.v[0] = strange > 0.0 ? nan : summary.x;
    record.v[1] = strange > 0.0 ? nan : summary.y;
    record.v[2] = strange > 0.0 ? nan : adjusted.x;
    Words words = Words(p.records + r * uint64_t(p.records_row));
    words.v[3] = strange > 0.0 ? 1u : 0u;
    words.v[4] = count;
    words.v[5] = 0u;
    words.v[6] = 0u;
    words.v[7] = 0u;
  }
  if (count == 0u) return;

  // The rank of the last candidate, digit by digit from the top.
  uint64_t prefix = 0ul;
  uint rest = count;  // candidates among those that share the prefix
  for (int digit = 7; digit >= 0; --digit) {
    if (t < 256u) counts[t] = 0u;
    barrier();
    for (uint i = t; i < p.vocabulary; i += 4u * GROUP) {
      float v[4];
      LoadFour(z, i, v);
      [[unroll]] for (uint m = 0u; m < 4u; ++m) {
        const uint place = i + m * GROUP;
        const uint64_t rank = RankOf(v[m], place);
        // Above the digit everything must be as in the prefix; a shift by 64 is not defined.
        const bool same = digit == 7 || rank >> (8 * digit + 8) == prefix >> (8 * digit + 8);
        if (same && place < p.vocabulary) atomicAdd(counts[uint(rank >> (8 * digit)) & 255u], 1u);
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
  if (t == 0u) gathered = 0u;
  for (uint i = t; i < p.sorted; i += GROUP) ranks.v[i] = 0ul;
  memoryBarrierBuffer();
  barrier();
  for (uint i = t; i < p.vocabulary; i += 4u * GROUP) {
    float v[4];
    LoadFour(z, i, v);
    [[unroll]] for (uint m = 0u; m < 4u; ++m) {
      const uint64_t rank = RankOf(v[m], i + m * GROUP);
      if (i + m * GROUP < p.vocabulary && rank >= prefix) {
        const uint place = atomicAdd(gathered, 1u);
        if (place < p.sorted) ranks.v[place] = rank;
      }
    }
  }
  memoryBarrierBuffer();
  barrier();
  // Bitonic, descending; `sorted` is a power of two.
  for (uint size = 2u; size <= p.sorted; size <<= 1) {
    for (uint distance = size >> 1; distance > 0u; distance >>= 1) {
      for (uint i = t; i < p.sorted / 2u; i += GROUP) {
        const uint low = i / distance * 2u * distance + i % distance, high = low + distance;
        const uint64_t a = ranks.v[low], b = ranks.v[high];
        if ((a < b) == ((low & size) == 0u)) {
          ranks.v[low] = b;
          ranks.v[high] = a;
        }
      }
      memoryBarrierBuffer();
      barrier();
    }
  }
  Ints ids = Ints(p.ids + r * uint64_t(p.ids_row));
  Floats values = Floats(p.values + r * uint64_t(p.values_row)), raws = Floats(p.raw + r * uint64_t(p.raw_row));
  for (uint i = t; i < count; i += GROUP) {
    const uint id = ~uint(ranks.v[i] & 0xfffffffful);
    ids.v[i] = int(id);
    values.v[i] = z.v[id];
    raws.v[i] = raw.v[id];
  }
}
