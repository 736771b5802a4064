#version 450
// rms_norm: one workgroup per row and head. In place is fine: a value is read again only by the
// invocation that replaces it.
#define GROUP 128u
#include "common.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Push {
  uint64_t source, weight, target, source_row, source_head, target_row, target_head;
  uint rows, heads, width;
  float epsilon;
} p;

void main() {
  const uint group = GroupIndex();
  if (group >= p.rows * p.heads) return;
  const uint row = group / p.heads, head = group % p.heads;
  const uint64_t r = uint64_t(row), h = uint64_t(head);
  Floats source = Floats(p.source + r * p.source_row + h * p.source_head);
  Floats target = Floats(p.target + r * p.target_row + h * p.target_head);
  Floats weight = Floats(p.weight);
  float sum = 0.0;
  // Four are read before the first is used: a row has but one workgroup.
  for (uint i = gl_LocalInvocationIndex; i < p.width; i += 4u * GROUP) {
    float x[4];
    [[unroll]] for (uint m = 0u; m < 4u; ++m) x[m] = source.v[min(i + m * GROUP, p.width - 1u)];
    [[unroll]] for (uint m = 0u; m < 4u; ++m) {
      if (i + m * GROUP < p.width) sum += x[m] * x[m];
    }
  }
  const float value = GroupSum(sum) / float(p.width) + p.epsilon;
  // One step of Newton's method: drivers may be off by two units in the last place.
  float scale = inversesqrt(value);
  if (scale > 0.0 && scale < Infinity()) {
    precise float rest = 1.0 - value * scale * scale;
    scale = scale + 0.5 * scale * rest;
  }
  for (uint i = gl_LocalInvocationIndex; i < p.width; i += GROUP) {
    target.v[i] = source.v[i] * scale * weight.v[i];
  }
}
