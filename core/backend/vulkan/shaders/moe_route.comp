#version 450
// moe_route: one workgroup per row. Scores are formed with about 2^-29 of error and rounded once,
// because their bits decide which experts are chosen. At most 1024 experts and 512 groups.
#define GROUP 64u
#include "common.glsl"
#include "math.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t logits, bias, ids, weights, logits_row, ids_row, weights_row;
  uint rows, experts, used, scoring, groups, groups_used, group_rule, masked_are_zero, normalize;
  float scale;
} p;

shared float scores[1024];
shared uint ranks[1024];  // ordered as the choices are; 0: taken
shared uint group_ranks[512];
shared vec2 pairs[64];

// Larger choices have larger numbers; a NaN ranks as -inf; never 0.
uint RankOf(float value) {
  uint bits = floatBitsToUint(IsNan(value) ? -Infinity() : value);
  if (bits == 0x80000000u) bits = 0u;  // -0 and 0 are one value
  return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}
float ValueOf(uint rank) {
  return uintBitsToFloat((rank & 0x80000000u) != 0u ? rank & 0x7fffffffu : ~rank);
}

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

shared uint best_rank[64];
shared uint best_index[64];
// The place of the largest of count ranks, the lowest of equals.
uint Best(bool of_groups, uint count) {
  const uint t = gl_LocalInvocationIndex;
  uint rank = 0u, index = t < count ? t : 0xffffffffu;
  for (uint i = t; i < count; i += GROUP) {
    const uint r = of_groups ? group_ranks[i] : ranks[i];
    if (r > rank) {
      rank = r;
      index = i;
    }
  }
  best_rank[t] = rank;
  best_index[t] = index;
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    if (t < s) {
      const uint r = best_rank[t + s], i = best_index[t + s];
      if (r > best_rank[t] || (r == best_rank[t] && i < best_index[t])) {
        best_rank[t] = r;
        best_index[t] = i;
      }
    }
    barrier();
  }
  const uint best = best_index[0];
  barrier();
  return best;
}

void main() {
  const uint row = GroupIndex(), t = gl_LocalInvocationIndex;
  if (row >= p.rows) return;
  Floats logits = Floats(p.logits + uint64_t(row) * p.logits_row);
  // Scores.
  if (p.scoring == 1u) {
    for (uint e = t; e < p.experts; e += GROUP) {
      const float x = logits.v[e];
      if (IsNan(x)) {
        scores[e] = x;
      } else {
        const vec2 low = Add2(vec2(1, 0), Exp2Parts(vec2(-x, 0)));
        const vec2 s = Divide2(vec2(1, 0), low);
        scores[e] = x < -80.0 ? 0.0 : s.x + s.y;
      }
    }
  } else {
    float largest = -Infinity();
    float nan = 0.0;
    for (uint e = t; e < p.experts; e += GROUP) {
      const float x = logits.v[e];
      if (IsNan(x)) nan = 1.0;
      if (x > largest) largest = x;
    }
    largest = GroupMax(largest);
    // No number at all, nothing but -inf, or +inf: the definition's inf - inf.
    const bool none = GroupMax(nan) > 0.0 || IsMinusInfinity(largest) || largest == Infinity();
    vec2 sum = vec2(0, 0);
    for (uint e = t; e < p.experts; e += GROUP) {
      const vec2 d = TwoSum(logits.v[e], -largest);
      if (!none && d.x >= -80.0) sum = Add2(sum, Exp2Parts(d));
    }
    sum = GroupSum2(sum);
    for (uint e = t; e < p.experts; e += GROUP) {
      const vec2 d = TwoSum(logits.v[e], -largest);
      const vec2 s = Divide2(Exp2Parts(d), sum);
      scores[e] = none ? uintBitsToFloat(0x7fc00000u) : d.x >= -80.0 ? s.x + s.y : 0.0;
    }
  }
  for (uint e = t; e < p.experts; e += GROUP) {
    precise float choice = scores[e];
    if (p.bias != 0ul) choice = choice + Floats(p.bias).v[e];
    ranks[e] = RankOf(choice);
  }
  barrier();
  if (p.groups > 1u) {
    const uint members = p.experts / p.groups;
    for (uint g = t; g < p.groups; g += GROUP) {
      uint first = 0u, second = 0u;
      for (uint i = g * members; i < (g + 1u) * members; ++i) {
        const uint r = ranks[i];
        if (r > first) {
          second = first;
          first = r;
        } else if (r > second) {
          second = r;
        }
      }
      precise float value = ValueOf(first);
      if (p.group_rule == 1u) value = value + ValueOf(second);
      group_ranks[g] = RankOf(value);
    }
    barrier();
    for (uint n = 0u; n < p.groups_used; ++n) {
      const uint g = Best(true, p.groups);
      if (t == 0u) group_ranks[g] = 0u;
      barrier();
    }
    for (uint e = t; e < p.experts; e += GROUP) {
      if (group_ranks[e / members] != 0u) {
        ranks[e] = RankOf(p.masked_are_zero != 0u ? 0.0 : -Infinity());
      }
    }
    barrier();
  }
  for (uint n = 0u; n < p.used; ++n) {
    const uint e = Best(false, p.experts);
    if (t == 0u) ranks[e] = 0u;
    barrier();
  }
  // The taken ones, ascending.
  if (t != 0u) return;
  Ints ids = Ints(p.ids + uint64_t(row) * p.ids_row);
  Floats weights = Floats(p.weights + uint64_t(row) * p.weights_row);
  vec2 sum = vec2(0, 0);
  uint count = 0u;
  for (uint e = 0u; e < p.experts && count < p.used; ++e) {
    if (ranks[e] != 0u) continue;
    ids.v[count++] = int(e);
    sum = Add2(sum, vec2(scores[e], 0));
  }
  const bool divide = p.normalize != 0u;
  for (uint i = 0u; i < p.used; ++i) {
    const float score = scores[ids.v[i]];
    vec2 weight = vec2(score, 0);
    if (divide) {
      // 1e-20 matters only where the sum is as small: then one rounding more does not.
      weight = sum.x > 1e-6 ? Divide2(weight, sum) : vec2(score / (sum.x + 1e-20), 0);
    }
    const vec2 scaled = Multiply2(weight, vec2(p.scale, 0));
    weights.v[i] = IsNan(score) || IsNan(sum.x) && divide ? uintBitsToFloat(0x7fc00000u) : scaled.x + scaled.y;
  }
}
