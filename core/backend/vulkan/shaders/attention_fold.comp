#version 450
// Folds the blocks that attention.comp left in scratch: the same steps in the same order as its own
// loop. One workgroup per row and head.
#define GROUP 128u
#include "common.glsl"
#include "math.glsl"
#include "attention.glsl"
#include "ragged.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Push {
  uint64_t scratch, target, row_begin, kv_length, page_begin, pages, target_row, target_head;
  uint first_row, rows, heads, value_width, page_tokens, capacity, sequences, places;
} p;

void main() {
  const uint group = GroupIndex();
  if (group >= p.rows * p.heads) return;
  const uint row = p.first_row + group / p.heads, head = group % p.heads;
  Ragged ragged = Ragged(p.row_begin, p.kv_length, p.page_begin, p.pages, p.sequences, p.capacity,
                         p.page_tokens);
  uint keys, first_page;
  FindPlace(ragged, row, keys, first_page);
  uint key_blocks = (keys + kBlock - 1u) / kBlock;
  if (key_blocks > p.places) key_blocks = 1u;  // folded already
  const uint stride = 2u + p.value_width;
  const uint64_t base = p.scratch + uint64_t(group) * uint64_t(p.places) * uint64_t(stride) * 4ul;
  Floats target = Floats(p.target + uint64_t(row) * p.target_row + uint64_t(head) * p.target_head);
  for (uint i = gl_LocalInvocationIndex; i < p.value_width; i += GROUP) {
    Running total = Running(-Infinity(), 0.0);
    float folded = 0.0;
    for (uint block = 0u; block < key_blocks; ++block) {
      Floats part = Floats(base + uint64_t(block) * uint64_t(stride) * 4ul);
      const float above = Larger(total.largest, part.v[0]);
      const float old_scale = Weight(total.largest, above), scale = Weight(part.v[0], above);
      precise float total_sum = total.sum * old_scale + part.v[1] * scale;
      precise float next = folded * old_scale + part.v[2u + i] * scale;
      folded = next;
      total = Running(above, total_sum);
    }
    target.v[i] = total.sum == 0.0 ? 0.0 : folded / total.sum;
  }
}
