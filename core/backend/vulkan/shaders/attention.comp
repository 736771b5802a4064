#version 450
// attention: one workgroup per row and TILE heads, or (SHARED) several, which take the blocks of 128 keys in
// turn (the blocks' sums go to scratch, attention_fold.comp folds them). A row of more blocks than
// scratch has places is all done by the first workgroup, which leaves its sums as if they were one block's.
// A row whose numbers in the step buffer make no sense gives zeros; pages outside the cache weigh nothing.
#define GROUP 128u
#include "common.glsl"
#include "math.glsl"
#include "attention.glsl"
#include "ragged.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint DTYPE = 0;
layout(constant_id = 1) const uint SHARED = 0;
// Query heads of one key head that a workgroup takes together: each key and value is read once for
// them. Every query's arithmetic is its own.
layout(constant_id = 2) const uint TILE = 1;
// A model's own numbers are constants, which also keeps the rest within 128 bytes of push constants.
layout(constant_id = 3) const uint QUERIES = 1;  // query heads to a key head
layout(constant_id = 4) const uint WIDTH = 1;
layout(constant_id = 5) const uint VALUE_WIDTH = 1;
layout(constant_id = 6) const uint PAGE_TOKENS = 1;
layout(constant_id = 7) const uint HEADS = 1;
layout(constant_id = 8) const uint ALIGNED = 0;  // 1: rows of keys begin at 16 bytes
layout(push_constant) uniform Push {
  uint64_t q, k, v;
  uint64_t target;  // the scratch if SHARED: (rows, heads, places, 2 + value_width)
  uint64_t row_begin, kv_length, page_begin, pages;
  uint q_row, q_head, k_page, k_head, k_token, v_page, v_head, v_token;
  uint target_row;   // SHARED: the places
  uint target_head;  // SHARED: the workgroups
  uint first_row, rows, page_count, capacity, sequences;
  float scale;
} p;

layout(buffer_reference, std430, buffer_reference_align = 16) buffer WordVectors { uvec4 v[]; };

const uint64_t kPartBytes = uint64_t(2u + VALUE_WIDTH) * 4ul;

const uint SLOTS = (VALUE_WIDTH + 127u) / 128u;  // values per invocation

shared float query[TILE * WIDTH];
shared float weights[TILE * 128u];
shared uint64_t value_rows[128];
shared float tile_floats[TILE * GROUP];

// As GroupMax and GroupSum, for each query.
void GroupMaxes(inout float v[TILE]) {
  const uint t = gl_LocalInvocationIndex;
  [[unroll]] for (uint q = 0u; q < TILE; ++q) tile_floats[q * GROUP + t] = IsNan(v[q]) ? -Infinity() : v[q];
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    for (uint q = 0u; q < TILE; ++q) {
      const uint at = q * GROUP + t;
      if (t < s && tile_floats[at + s] > tile_floats[at]) tile_floats[at] = tile_floats[at + s];
    }
    barrier();
  }
  [[unroll]] for (uint q = 0u; q < TILE; ++q) v[q] = tile_floats[q * GROUP];
  barrier();
}
void GroupSums(inout float v[TILE]) {
  const uint t = gl_LocalInvocationIndex;
  [[unroll]] for (uint q = 0u; q < TILE; ++q) tile_floats[q * GROUP + t] = v[q];
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    for (uint q = 0u; q < TILE; ++q) {
      if (t < s) tile_floats[q * GROUP + t] += tile_floats[q * GROUP + t + s];
    }
    barrier();
  }
  [[unroll]] for (uint q = 0u; q < TILE; ++q) v[q] = tile_floats[q * GROUP];
  barrier();
}

float Element(uint64_t row, uint i) {
  if (DTYPE == kF32) return Floats(row).v[i];
  const uint bits = uint(Halves(row).v[i]);
  return DTYPE == kF16 ? FromF16(bits) : FromBF16(bits);
}

// Elements i to i + 7 of a row that is aligned: neighbours' rows lie apart, so each reads as much as it can.
void EightElements(uint64_t row, uint i, out float e[8]) {
  WordVectors from = WordVectors(row);
  if (DTYPE == kF32) {
    const uvec4 a = from.v[i / 4u], b = from.v[i / 4u + 1u];
    [[unroll]] for (uint j = 0u; j < 4u; ++j) {
      e[j] = uintBitsToFloat(a[j]);
      e[j + 4u] = uintBitsToFloat(b[j]);
    }
  } else {
    const uvec4 a = from.v[i / 8u];
    [[unroll]] for (uint j = 0u; j < 8u; ++j) {
      const uint bits = (j & 1u) == 0u ? a[j / 2u] & 0xffffu : a[j / 2u] >> 16;
      e[j] = DTYPE == kF16 ? FromF16(bits) : FromBF16(bits);
    }
  }
}

void main() {
  uint group = GroupIndex();
  uint first_block = 0u;
  const uint parts = SHARED != 0u ? p.target_head : 1u;
  if (SHARED != 0u) {
    first_block = group % parts;
    group /= parts;
  }
  const uint tiles = HEADS / TILE;
  if (group >= p.rows * tiles) return;
  const uint place = group / tiles, row = p.first_row + place, head = group % tiles * TILE;
  const uint t = gl_LocalInvocationIndex;
  Ragged ragged = Ragged(p.row_begin, p.kv_length, p.page_begin, p.pages, p.sequences, p.capacity,
                         PAGE_TOKENS);
  uint keys, first_page;
  FindPlace(ragged, row, keys, first_page);
  const uint key_blocks = (keys + kBlock - 1u) / kBlock;
  const bool split = SHARED != 0u && key_blocks <= p.target_row;
  if (SHARED != 0u && first_block >= (split ? key_blocks : 1u)) return;
  for (uint q = 0u; q < TILE; ++q) {
    Floats from = Floats(p.q + uint64_t(row) * uint64_t(p.q_row) + uint64_t(head + q) * uint64_t(p.q_head));
    for (uint i = t; i < WIDTH; i += GROUP) query[q * WIDTH + i] = from.v[i];
  }
  const uint64_t kv_head = uint64_t(head / QUERIES);
  Running total[TILE];
  float sums[SLOTS][TILE];
  for (uint q = 0u; q < TILE; ++q) {
    total[q] = Running(-Infinity(), 0.0);
    for (uint j = 0u; j < SLOTS; ++j) sums[j][q] = 0.0;
  }
  for (uint block = first_block; block < key_blocks; block += split ? parts : 1u) {
    barrier();  // the queries are there, and the last block's weights are used up
    const uint position = block * kBlock + t;
    float score[TILE];
    [[unroll]] for (uint q = 0u; q < TILE; ++q) score[q] = -Infinity();
    uint64_t value_row = 0ul;
    if (position < keys) {
      const int page = Ints(p.pages).v[first_page + position / PAGE_TOKENS];
      if (page >= 0 && uint(page) < p.page_count) {
        const uint64_t token = uint64_t(position % PAGE_TOKENS);
        const uint64_t k = p.k + uint64_t(page) * uint64_t(p.k_page) + kv_head * uint64_t(p.k_head) + token * uint64_t(p.k_token);
        value_row = p.v + uint64_t(page) * uint64_t(p.v_page) + kv_head * uint64_t(p.v_head) + token * uint64_t(p.v_token);
        precise float part[TILE][4];
        [[unroll]] for (uint q = 0u; q < TILE; ++q) part[q] = float[4](0.0, 0.0, 0.0, 0.0);
        uint i = 0u;
        if (ALIGNED != 0u) {
          for (; i + 8u <= WIDTH; i += 8u) {
            float keys_of[8];
            EightElements(k, i, keys_of);
            [[unroll]] for (uint j = 0u; j < 8u; ++j) {
              [[unroll]] for (uint q = 0u; q < TILE; ++q) {
                part[q][j & 3u] = fma(query[q * WIDTH + i + j], keys_of[j], part[q][j & 3u]);
              }
            }
          }
        }
        for (; i + 4u <= WIDTH; i += 4u) {
          [[unroll]] for (uint j = 0u; j < 4u; ++j) {
            const float key = Element(k, i + j);
            [[unroll]] for (uint q = 0u; q < TILE; ++q) part[q][j] = fma(query[q * WIDTH + i + j], key, part[q][j]);
          }
        }
        for (; i < WIDTH; ++i) {
          const float key = Element(k, i);
          [[unroll]] for (uint q = 0u; q < TILE; ++q) part[q][0] = fma(query[q * WIDTH + i], key, part[q][0]);
        }
        [[unroll]] for (uint q = 0u; q < TILE; ++q) {
          precise float product = ((part[q][0] + part[q][1]) + (part[q][2] + part[q][3])) * p.scale;
          score[q] = product;
        }
      }
    }
    float largest[TILE];
    [[unroll]] for (uint q = 0u; q < TILE; ++q) largest[q] = score[q];
    GroupMaxes(largest);
    float sum[TILE];
    [[unroll]] for (uint q = 0u; q < TILE; ++q) {
      sum[q] = Weight(score[q], largest[q]);
      weights[q * 128u + t] = sum[q];
    }
    value_rows[t] = value_row;
    GroupSums(sum);  // its barriers also publish the weights
    const uint count = min(kBlock, keys - block * kBlock);
    float old_scale[TILE], scale[TILE];
    [[unroll]] for (uint q = 0u; q < TILE; ++q) {
      const float above = Larger(total[q].largest, largest[q]);
      old_scale[q] = Weight(total[q].largest, above);
      scale[q] = Weight(largest[q], above);
      precise float total_sum = total[q].sum * old_scale[q] + sum[q] * scale[q];
      total[q] = Running(above, total_sum);
    }
    const uint64_t first_part = uint64_t(place * HEADS + head) * uint64_t(p.target_row) + uint64_t(block);
    if (split && t == 0u) {
      for (uint q = 0u; q < TILE; ++q) {
        Floats part = Floats(p.target + (first_part + uint64_t(q * p.target_row)) * kPartBytes);
        part.v[0] = largest[q];
        part.v[1] = sum[q];
      }
    }
    for (uint j = 0u; j < SLOTS; ++j) {
      const uint i = t + j * GROUP;
      if (i >= VALUE_WIDTH) break;
      precise float value[TILE];
      [[unroll]] for (uint q = 0u; q < TILE; ++q) value[q] = 0.0;
      for (uint n = 0u; n < count; n += 8u) {
        // All eight are read before the first is used: a key that is not there reads a number of the query.
        float v[8];
        bool there[8];
        [[unroll]] for (uint m = 0u; m < 8u; ++m) {
          const uint64_t from = value_rows[n + m];
          there[m] = from != 0ul;
          v[m] = Element(there[m] ? from : p.q, there[m] ? i : 0u);
        }
        [[unroll]] for (uint m = 0u; m < 8u; ++m) {
          [[unroll]] for (uint q = 0u; q < TILE; ++q) {
            precise float sum = fma(weights[q * 128u + n + m], v[m], value[q]);
            value[q] = there[m] ? sum : value[q];
          }
        }
      }
      [[unroll]] for (uint q = 0u; q < TILE; ++q) {
        if (split) {
          Floats(p.target + (first_part + uint64_t(q * p.target_row)) * kPartBytes).v[2u + i] = value[q];
        } else {
          precise float folded = sums[j][q] * old_scale[q] + value[q] * scale[q];
          sums[j][q] = folded;
        }
      }
    }
  }
  if (split) return;
  if (SHARED != 0u) {
    const uint64_t first_part = uint64_t(place * HEADS + head) * uint64_t(p.target_row);
    [[unroll]] for (uint q = 0u; q < TILE; ++q) {
      Floats part = Floats(p.target + (first_part + uint64_t(q * p.target_row)) * kPartBytes);
      if (t == 0u) {
        part.v[0] = total[q].largest;
        part.v[1] = total[q].sum;
      }
      for (uint j = 0u; j < SLOTS; ++j) {
        const uint i = t + j * GROUP;
        if (i < VALUE_WIDTH) part.v[2u + i] = sums[j][q];
      }
    }
    return;
  }
  [[unroll]] for (uint q = 0u; q < TILE; ++q) {
    Floats target = Floats(p.target + uint64_t(row) * uint64_t(p.target_row) + uint64_t(head + q) * uint64_t(p.target_head));
    for (uint j = 0u; j < SLOTS; ++j) {
      const uint i = t + j * GROUP;
      if (i < VALUE_WIDTH) target.v[i] = total[q].sum == 0.0 ? 0.0 : sums[j][q] / total[q].sum;
    }
  }
}
