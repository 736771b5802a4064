#version 450
// silu_mul: one invocation per element; `target` may be either operand.
#include "common.glsl"
#include "math.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t gate, up, target, gate_row, up_row, target_row;
  uint rows, width;
} p;

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  if (index >= uint64_t(p.rows) * uint64_t(p.width)) return;
  const uint64_t row = index / uint64_t(p.width);
  const uint i = uint(index % uint64_t(p.width));
  const float z = Floats(p.gate + row * p.gate_row).v[i];
  const float up = Floats(p.up + row * p.up_row).v[i];
  Floats(p.target + row * p.target_row).v[i] = SiluMul(z, up);
}
