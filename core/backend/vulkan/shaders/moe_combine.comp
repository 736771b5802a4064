#version 450
// moe_experts, the last step of the grouped form: out[t] (+)= sum over the chosen experts, ascending,
// of weight * product, as moe_down.comp adds.
#include "common.glsl"
#include "choices.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t products;  // (rows * used, width)
  uint64_t ids, weights, slots, target, ids_row, weights_row, target_row;
  uint rows, used, experts, stacked, width, accumulate;
} p;

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  if (index >= uint64_t(p.rows) * uint64_t(p.width)) return;
  const uint64_t row = index / uint64_t(p.width);
  const uint o = uint(index % uint64_t(p.width));
  Ints ids = Ints(p.ids + row * p.ids_row);
  Floats gains = Floats(p.weights + row * p.weights_row);
  float mixed = 0.0;
  Choice choice = Choice(-1, 0u);
  for (uint n = 0u; n < p.used && NextChoice(ids, p.used, p.experts, choice); ++n) {
    const int slot = Ints(p.slots).v[choice.expert];
    if (slot < 0 || uint(slot) >= p.stacked) continue;
    const uint64_t pair = row * uint64_t(p.used) + uint64_t(choice.place);
    const float product = Floats(p.products + pair * uint64_t(p.width) * 4ul).v[o];
    precise float next = fma(gains.v[choice.place], product, mixed);
    mixed = next;
  }
  Floats target = Floats(p.target + row * p.target_row);
  if (p.accumulate != 0u) mixed += target.v[o];
  target.v[o] = mixed;
}
