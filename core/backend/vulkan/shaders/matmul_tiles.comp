#version 450
// matmul for many rows of activations, and the experts' products over rows sorted by expert. A
// workgroup of 16 x 16 makes 64 outputs of 16 TOKENS rows and goes over the width once; weights and
// activations pass through shared memory. Every output is added up as dot.glsl defines it, so that
// the batch's size changes no bit. MODE 1, 2: a tile's expert, its first sorted pair and their number
// come from moe_group.comp; 1 reads the row of a pair and writes by sorted place (gate, up), 2 reads
// by sorted place and writes by pair (down).
// With MATRIX the device's matrix units form the integer sums, which are exact whoever forms them.
#ifdef MATRIX  // needs a newer compiler: prebuilt.sh
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#pragma use_vulkan_memory_model
#endif
#include "common.glsl"
#include "octet.glsl"
#include "blocks.glsl"
layout(constant_id = 1) const uint TOKENS = 1;   // of an invocation: 1, 2 or 4
layout(constant_id = 2) const uint ALIGNED = 0;  // 1: plain activation rows begin at 16 bytes
layout(constant_id = 3) const uint MODE = 0;
#ifdef MATRIX
const bool PLAIN = false;
#else
const bool PLAIN = DTYPE == kF32 || DTYPE == kF16 || DTYPE == kBF16;
#endif
layout(local_size_x = 256) in;  // in x: a matrix unit wants whole subgroups there
layout(push_constant) uniform Push {
  uint64_t weight, source, scales, target, bias;
  uint64_t groups;  // MODE 1, 2: (tiles, pairs) counted, then the pairs sorted, then the tiles
  uint64_t weight_row, weight_batch, source_row, source_batch, target_row, target_batch;
  uint width, outputs, rows;  // MODE 1, 2: pairs
  uint batch;                 // MODE 1, 2: the most tiles
  uint accumulate, used;
} p;

const uint kOutputs = 64;
const uint kSteps = 2;    // blocks of 32 columns in shared memory at a time
const uint kStride = 65;  // of 64 columns of shared memory: neighbours in other banks

#ifdef MATRIX
layout(constant_id = 4) const uint MATRIX_K = 32;  // 16 or 32 columns at a time; one scale to a block
const uint kRow = 3;      // four words each: 32 codes, and a gap that keeps rows in other banks
const uint kSums = 68;    // of a row of sums
shared uvec4 weight_rows[kSteps * 64u * kRow];
shared uvec4 input_rows[kSteps * 64u * kRow];
shared int sums_of[64u * kSums];  // (output, token) of one block
#endif
// Quantised: codes (step, word, output or token); plain: floats (column, output or token) of 16.
shared uint weights[kSteps * 8u * kStride];
shared uint inputs[kSteps * 8u * kStride];
shared vec2 weight_factors[kSteps * kStride];
shared uint weight_ints[kSteps * kStride];  // three bytes each
shared uvec2 input_scales[kSteps * kStride];

uint64_t Sorted() { return p.groups + 8ul; }

void main() {
  const uint group = GroupIndex(), t = gl_LocalInvocationIndex;
  const uint x = t % 16u, y = t / 16u;
  const uint kTokens = 16u * TOKENS;
  const uint output_tiles = (p.outputs + kOutputs - 1u) / kOutputs;
  uint output_begin, first, count, b;
  uint64_t slot;
  if (MODE == 0u) {
    const uint row_tiles = (p.rows + kTokens - 1u) / kTokens;
    const uint tile = group / row_tiles;
    output_begin = tile % output_tiles * kOutputs;
    b = tile / output_tiles;
    if (b >= p.batch) return;
    slot = uint64_t(b);
    first = group % row_tiles * kTokens;
    count = min(kTokens, p.rows - first);
  } else {
    const uint tile = group % p.batch;
    output_begin = group / p.batch * kOutputs;
    if (output_begin >= p.outputs || tile >= Words(p.groups).v[0]) return;
    Words found = Words(Sorted() + uint64_t(p.rows) * 4ul + uint64_t(tile) * 12ul);
    slot = uint64_t(found.v[0]);
    first = found.v[1];
    count = found.v[2];
    b = 0u;
  }
  const uint64_t weight = p.weight + slot * p.weight_batch;
  float totals[4][TOKENS], chains[4][TOKENS];
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
      totals[i][j] = 0.0;
      chains[i][j] = 0.0;
    }
  }
  // What this invocation brings to shared memory: quarters, or fours, of rows t / 4.
  const uint bring = t / 4u, part = t % 4u;
  const uint64_t bring_weight = weight + uint64_t(min(output_begin + bring, p.outputs - 1u)) * p.weight_row;
  uint64_t row = uint64_t(first + min(bring, count - 1u));
  if (MODE == 1u) row = uint64_t(Words(Sorted()).v[uint(row)] / p.used);
  if (PLAIN) {
    const uint64_t bring_input = p.source + row * p.source_row + uint64_t(b) * p.source_batch;
    const uint octets = (p.width + 7u) / 8u, length = (octets + 31u) / 32u;
    for (uint pair = 0u; pair < octets; pair += 2u) {
      barrier();
      const uint octet = pair + (part >> 1);
      if ((part & 1u) == 0u) {
        float w[8];
        if (octet < octets) LoadOctet(DTYPE, bring_weight, octet, w);
        [[unroll]] for (uint i = 0u; i < 8u; ++i) {
          const bool there = octet * 8u + i < p.width;
          weights[((part >> 1) * 8u + i) * kStride + bring] = there ? floatBitsToUint(w[i]) : 0u;
        }
      } else if (bring < kTokens) {
        Words f = Words(bring_input + uint64_t(octet) * 32ul);
        for (uint i = 0u; i < 8u; ++i) {
          const bool there = octet * 8u + i < p.width;
          inputs[((part >> 1) * 8u + i) * kStride + bring] = there ? f.v[i] : 0u;
        }
      }
      barrier();
      for (uint half_pair = 0u; half_pair < 2u; ++half_pair) {
        const uint mine = pair + half_pair;
        if (mine >= octets) break;
        if (mine % length == 0u && mine > 0u) {
          [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
              precise float total = totals[i][j] + chains[i][j];
              totals[i][j] = total;
              chains[i][j] = 0.0;
            }
          }
        }
        for (uint k = half_pair * 8u; k < half_pair * 8u + 8u; ++k) {
          float w[4], a[TOKENS];
          [[unroll]] for (uint i = 0u; i < 4u; ++i) w[i] = uintBitsToFloat(weights[k * kStride + x + 16u * i]);
          [[unroll]] for (uint j = 0u; j < TOKENS; ++j) a[j] = uintBitsToFloat(inputs[k * kStride + y + 16u * j]);
          [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
              precise float sum = fma(w[i], a[j], chains[i][j]);
              chains[i][j] = sum;
            }
          }
        }
      }
    }
  } else {
    const uint64_t n = MODE == 0u ? row * uint64_t(p.batch) + uint64_t(b) : row;
    const uint64_t bring_input = p.source + n * uint64_t(p.width);
    const uint blocks = p.width / 32u, length = (blocks + 7u) / 8u;
    Words scales = Words(p.scales + n * uint64_t(blocks * 8u));
    for (uint begin = 0u; begin < blocks; begin += kSteps) {
      barrier();
      for (uint s = 0u; s < kSteps; ++s) {
        const uint block = begin + s;
        if (block >= blocks) break;
        const uvec2 w = LoadCodes(DTYPE, bring_weight, block, part);
#ifdef MATRIX
        const uint at = ((s * 64u + bring) * kRow + part / 2u), half_at = part % 2u * 2u;
        weight_rows[at][half_at] = w.x;
        weight_rows[at][half_at + 1u] = w.y;
#else
        weights[(s * 8u + part * 2u) * kStride + bring] = w.x;
        weights[(s * 8u + part * 2u + 1u) * kStride + bring] = w.y;
#endif
        if (part == s) {
          vec2 factors;
          ivec3 ints;
          LoadScales(DTYPE, bring_weight, block, factors, ints);
          weight_factors[s * kStride + bring] = factors;
          weight_ints[s * kStride + bring] = uint(ints.x) & 0xffu | (uint(ints.y) & 0xffu) << 8 | uint(ints.z) << 16;
        }
        if (bring < kTokens) {
          Words codes = Words(bring_input + uint64_t(block * 32u + part * 8u));
#ifdef MATRIX
          input_rows[at][half_at] = codes.v[0];
          input_rows[at][half_at + 1u] = codes.v[1];
#else
          inputs[(s * 8u + part * 2u) * kStride + bring] = codes.v[0];
          inputs[(s * 8u + part * 2u + 1u) * kStride + bring] = codes.v[1];
#endif
          if (part == s + 2u) {
            input_scales[s * kStride + bring] = uvec2(scales.v[block * 2u], scales.v[block * 2u + 1u]);
          }
        }
      }
      barrier();
      for (uint s = 0u; s < kSteps; ++s) {
        const uint block = begin + s;
        if (block >= blocks) break;
        if (block % length == 0u && block > 0u) {
          [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
              precise float total = totals[i][j] + chains[i][j];
              totals[i][j] = total;
              chains[i][j] = 0.0;
            }
          }
        }
        int dots[4][TOKENS];
#ifdef MATRIX
        for (uint square = gl_SubgroupID; square < 4u * TOKENS; square += gl_NumSubgroups) {
          const uint o = square / TOKENS * 16u, tokens = square % TOKENS * 16u;
          coopmat<int, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> c =
              coopmat<int, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0);
          [[unroll]] for (uint k = 0u; k < 32u; k += MATRIX_K) {
            coopmat<int8_t, gl_ScopeSubgroup, 16, MATRIX_K, gl_MatrixUseA> a;
            coopmat<int8_t, gl_ScopeSubgroup, MATRIX_K, 16, gl_MatrixUseB> b_part;
            coopMatLoad(a, weight_rows, (s * 64u + o) * kRow + k / 16u, kRow, gl_CooperativeMatrixLayoutRowMajor);
            coopMatLoad(b_part, input_rows, (s * 64u + tokens) * kRow + k / 16u, kRow, gl_CooperativeMatrixLayoutColumnMajor);
            c = coopMatMulAdd(a, b_part, c);
          }
          coopMatStore(c, sums_of, o * kSums + tokens, kSums, gl_CooperativeMatrixLayoutRowMajor);
        }
        barrier();
        [[unroll]] for (uint i = 0u; i < 4u; ++i) {
          const int scale = HasScale(DTYPE) ? int(weight_ints[s * kStride + x + 16u * i] & 0xffu) : 1;
          [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
            dots[i][j] = sums_of[(x + 16u * i) * kSums + y + 16u * j] * scale;
          }
        }
        barrier();
#else
        [[unroll]] for (uint i = 0u; i < 4u; ++i) {
          [[unroll]] for (uint j = 0u; j < TOKENS; ++j) dots[i][j] = 0;
        }
        for (uint side = 0u; side < 2u; ++side) {
          int sums[4][TOKENS];
          [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            [[unroll]] for (uint j = 0u; j < TOKENS; ++j) sums[i][j] = 0;
          }
          for (uint k = 0u; k < 4u; ++k) {
            const uint at = (s * 8u + side * 4u + k) * kStride;
            uint w[4], a[TOKENS];
            [[unroll]] for (uint i = 0u; i < 4u; ++i) w[i] = weights[at + x + 16u * i];
            [[unroll]] for (uint j = 0u; j < TOKENS; ++j) a[j] = inputs[at + y + 16u * j];
            [[unroll]] for (uint i = 0u; i < 4u; ++i) {
              [[unroll]] for (uint j = 0u; j < TOKENS; ++j) sums[i][j] += Dot4(w[i], a[j]);
            }
          }
          [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            const int scale = HasScale(DTYPE) ? bitfieldExtract(int(weight_ints[s * kStride + x + 16u * i]), int(side * 8u), 8) : 1;
            [[unroll]] for (uint j = 0u; j < TOKENS; ++j) dots[i][j] += sums[i][j] * scale;
          }
        }
#endif
        [[unroll]] for (uint i = 0u; i < 4u; ++i) {
          const vec2 factors = weight_factors[s * kStride + x + 16u * i];
          const int minimum = int(weight_ints[s * kStride + x + 16u * i] >> 16);
          [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
            chains[i][j] = AddBlock(DTYPE, chains[i][j], dots[i][j], factors, minimum, input_scales[s * kStride + y + 16u * j]);
          }
        }
      }
    }
  }
  [[unroll]] for (uint j = 0u; j < TOKENS; ++j) {
    const uint token = y + 16u * j;
    if (token >= count) continue;
    uint64_t to = uint64_t(first + token);
    if (MODE == 2u) to = uint64_t(Words(Sorted()).v[uint(to)]);
    Floats target = Floats(p.target + to * p.target_row + uint64_t(b) * p.target_batch);
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
      const uint o = output_begin + x + 16u * i;
      if (o >= p.outputs) continue;
      precise float value = totals[i][j] + chains[i][j];
      if (p.bias != 0ul) value += Floats(p.bias).v[o];
      if (p.accumulate != 0u) value += target.v[o];
      target.v[o] = value;
    }
  }
}
