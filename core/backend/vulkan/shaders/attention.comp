#version 450
// attention: one workgroup per row and head (PARTS 0), or per row, head and block of 128 keys
// (PARTS 1: the block's sums go to scratch, attention_fold.comp folds them). A row whose numbers in
// the step buffer make no sense gives zeros; pages outside the cache weigh nothing.
#define GROUP 128u
#include "common.glsl"
#include "math.glsl"
#include "attention.glsl"
#include "ragged.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint DTYPE = 0;
layout(constant_id = 1) const uint PARTS = 0;
layout(constant_id = 2) const uint SLOTS = 1;  // values per invocation: ceil(value_width / 128)
// A model's own numbers are constants, which also keeps the rest within 128 bytes of push constants.
layout(constant_id = 3) const uint QUERIES = 1;  // query heads to a key head
layout(constant_id = 4) const uint WIDTH = 1;
layout(constant_id = 5) const uint VALUE_WIDTH = 1;
layout(constant_id = 6) const uint PAGE_TOKENS = 1;
layout(push_constant) uniform Push {
  uint64_t q, k, v;
  uint64_t target;  // the scratch if PARTS: (rows, heads, blocks, 2 + value_width)
  uint64_t row_begin, kv_length, page_begin, pages;
  uint q_row, q_head, k_page, k_head, k_token, v_page, v_head, v_token, target_row, target_head;
  uint rows, heads, page_count, capacity, sequences;
  float scale;
} p;

const uint64_t kPartBytes = uint64_t(2u + VALUE_WIDTH) * 4ul;

shared float query[2048];
shared float weights[128];
shared uint64_t value_rows[128];

float Element(uint64_t row, uint i) {
  if (DTYPE == kF32) return Floats(row).v[i];
  const uint bits = uint(Halves(row).v[i]);
  return DTYPE == kF16 ? FromF16(bits) : FromBF16(bits);
}

void main() {
  uint group = GroupIndex();
  const uint blocks = (p.capacity * PAGE_TOKENS + kBlock - 1u) / kBlock;  // of one row, if PARTS
  uint only_block = 0u;
  if (PARTS != 0u) {
    only_block = group % blocks;
    group /= blocks;
  }
  if (group >= p.rows * p.heads) return;
  const uint row = group / p.heads, head = group % p.heads, t = gl_LocalInvocationIndex;
  Ragged ragged = Ragged(p.row_begin, p.kv_length, p.page_begin, p.pages, p.sequences, p.capacity,
                         PAGE_TOKENS);
  uint keys, first_page;
  FindPlace(ragged, row, keys, first_page);
  const uint key_blocks = (keys + kBlock - 1u) / kBlock;
  if (PARTS != 0u && only_block >= key_blocks) return;
  Floats q = Floats(p.q + uint64_t(row) * uint64_t(p.q_row) + uint64_t(head) * uint64_t(p.q_head));
  for (uint i = t; i < WIDTH; i += GROUP) query[i] = q.v[i];
  const uint64_t kv_head = uint64_t(head / QUERIES);
  Running total = Running(-Infinity(), 0.0);
  float sums[SLOTS];
  for (uint j = 0u; j < SLOTS; ++j) sums[j] = 0.0;
  const uint first_block = PARTS != 0u ? only_block : 0u;
  const uint end_block = PARTS != 0u ? only_block + 1u : key_blocks;
  for (uint block = first_block; block < end_block; ++block) {
    barrier();  // the query is there, and the last block's weights are used up
    const uint position = block * kBlock + t;
    float score = -Infinity();
    uint64_t value_row = 0ul;
    if (position < keys) {
      const int page = Ints(p.pages).v[first_page + position / PAGE_TOKENS];
      if (page >= 0 && uint(page) < p.page_count) {
        const uint64_t token = uint64_t(position % PAGE_TOKENS);
        const uint64_t k = p.k + uint64_t(page) * uint64_t(p.k_page) + kv_head * uint64_t(p.k_head) + token * uint64_t(p.k_token);
        value_row = p.v + uint64_t(page) * uint64_t(p.v_page) + kv_head * uint64_t(p.v_head) + token * uint64_t(p.v_token);
        precise float part[4] = float[4](0.0, 0.0, 0.0, 0.0);
        uint i = 0u;
        for (; i + 4u <= WIDTH; i += 4u) {
          [[unroll]] for (uint j = 0u; j < 4u; ++j) {
            part[j] = fma(query[i + j], Element(k, i + j), part[j]);
          }
        }
        for (; i < WIDTH; ++i) part[0] = fma(query[i], Element(k, i), part[0]);
        score = ((part[0] + part[1]) + (part[2] + part[3])) * p.scale;
      }
    }
    const float largest = GroupMax(score);
    const float weight = Weight(score, largest);
    weights[t] = weight;
    value_rows[t] = value_row;
    const float sum = GroupSum(weight);  // its barriers also publish the weights
    const uint count = min(kBlock, keys - block * kBlock);
    const float above = Larger(total.largest, largest);
    const float old_scale = Weight(total.largest, above), scale = Weight(largest, above);
    precise float total_sum = total.sum * old_scale + sum * scale;
    if (PARTS != 0u) {
      Floats part = Floats(p.target + uint64_t(group * blocks + block) * kPartBytes);
      if (t == 0u) {
        part.v[0] = largest;
        part.v[1] = sum;
      }
    }
    for (uint j = 0u; j < SLOTS; ++j) {
      const uint i = t + j * GROUP;
      if (i >= VALUE_WIDTH) break;
      precise float value = 0.0;
      for (uint n = 0u; n < count; ++n) {
        if (value_rows[n] != 0ul) value = fma(weights[n], Element(value_rows[n], i), value);
      }
      if (PARTS != 0u) {
        Floats(p.target + uint64_t(group * blocks + block) * kPartBytes).v[2u + i] = value;
      } else {
        precise float folded = sums[j] * old_scale + value * scale;
        sums[j] = folded;
      }
    }
    total = Running(above, total_sum);
  }
  if (PARTS != 0u) return;
  Floats target = Floats(p.target + uint64_t(row) * uint64_t(p.target_row) + uint64_t(head) * uint64_t(p.target_head));
  for (uint j = 0u; j < SLOTS; ++j) {
    const uint i = t + j * GROUP;
    if (i < VALUE_WIDTH) target.v[i] = total.sum == 0.0 ? 0.0 : sums[j] / total.sum;
  }
}
