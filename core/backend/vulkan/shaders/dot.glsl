// Dot products of one weight row with up to ROWS rows of activations. What is added in which order
// is one definition for every shader that multiplies (also matmul_tiles.comp), so that a row has the
// same bits alone and in a batch, whatever instructions the device has:
//   quantised weights  activations are int8 in blocks of 32 (quantize.comp); a row's blocks are cut
//                      into 8 runs, each a chain of f32 fused multiply-adds of exact integer sums;
//   plain weights      a row's octets are cut into 32 runs, each a chain of f32 fused multiply-adds;
// and the runs are added in order. Needs octet.glsl and blocks.glsl; 128 invocations.
layout(constant_id = 1) const uint ROWS = 1;     // 1, 2, 4 or 8
layout(constant_id = 2) const uint ALIGNED = 0;  // 1: plain activation rows begin at 16 bytes
const bool PLAIN = DTYPE == kF32 || DTYPE == kF16 || DTYPE == kBF16;
const uint RUNS = PLAIN ? 32u : 8u;
// Invocations of one output: one for each run, or four, with a quarter of every block each and
// neighbours reading neighbouring bytes, where a subgroup's quads can add.
#ifdef QUADS
const uint LANES = 32u;
uint Thread() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }
#else
const uint LANES = PLAIN ? 32u : 8u;
uint Thread() { return gl_LocalInvocationIndex; }
#endif
const uint OUTPUTS = 128u / LANES;  // of a workgroup

shared float partial[16u * ROWS * 9u];

// Rows of activations: addresses of plain floats, or of int8 codes and (step, sum) of their blocks.
struct Source {
  uint64_t codes;  // plain: floats
  uint64_t scales;
};

void LoadActivations(uint64_t row, uint octet, uint count, out float x[8]) {
  if (ALIGNED != 0u && count == 8u) {
    Vectors v = Vectors(row + uint64_t(octet) * 32ul);
    const vec4 a = v.v[0], b = v.v[1];
    x = float[8](a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w);
  } else {
    Floats f = Floats(row + uint64_t(octet) * 32ul);
    for (uint i = 0u; i < 8u; ++i) x[i] = i < count ? f.v[i] : 0.0;
  }
}

// Of invocation t < OUTPUTS * ROWS: the dot product of output t / ROWS with rows[t % ROWS], where
// `weight` is the row of the invocation's own output, Thread() / LANES.
float Dot(uint64_t weight, Source rows[ROWS], uint width) {
  const uint lane = Thread() % LANES;
  float chains[ROWS];
  [[unroll]] for (uint r = 0u; r < ROWS; ++r) chains[r] = 0.0;
  if (PLAIN) {
    const uint octets = (width + 7u) / 8u, length = (octets + 31u) / 32u;
    const uint end = min(octets, (lane + 1u) * length);
    for (uint octet = lane * length; octet < end; ++octet) {
      float w[8];
      LoadOctet(DTYPE, weight, octet, w);
      const uint count = min(8u, width - octet * 8u);
      for (uint i = count; i < 8u; ++i) w[i] = 0.0;
      [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
        float x[8];
        LoadActivations(rows[r].codes, octet, count, x);
        precise float sum = chains[r];
        [[unroll]] for (uint i = 0u; i < 8u; ++i) sum = fma(w[i], x[i], sum);
        chains[r] = sum;
      }
    }
  } else {
    const uint blocks = width / 32u, length = (blocks + 7u) / 8u;
#ifdef QUADS
    const uint first = lane / 4u * length, part = lane % 4u;
    for (uint i = 0u; i < length; ++i) {
      const bool there = first + i < blocks;  // a quad adds together
      const uint block = there ? first + i : blocks - 1u;
      vec2 factors;
      ivec3 ints;
      LoadScales(DTYPE, weight, block, factors, ints);
      const uvec2 w = LoadCodes(DTYPE, weight, block, part);
      const int scale = HasScale(DTYPE) ? part < 2u ? ints.x : ints.y : 1;
      [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
        Words x = Words(rows[r].codes + uint64_t(block * 32u + part * 8u));
        int dot = (Dot4(w.x, x.v[0]) + Dot4(w.y, x.v[1])) * scale;
        dot += subgroupQuadSwapHorizontal(dot);
        dot += subgroupQuadSwapVertical(dot);
        Words s = Words(rows[r].scales + uint64_t(block) * 8ul);
        const float sum = AddBlock(DTYPE, chains[r], dot, factors, ints.z, uvec2(s.v[0], s.v[1]));
        if (there) chains[r] = sum;
      }
    }
#else
    const uint end = min(blocks, (lane + 1u) * length);
    for (uint block = lane * length; block < end; ++block) {
      vec2 factors;
      ivec3 ints;
      LoadScales(DTYPE, weight, block, factors, ints);
      int dots[ROWS];
      [[unroll]] for (uint r = 0u; r < ROWS; ++r) dots[r] = 0;
      for (uint part = 0u; part < 4u; ++part) {
        const uvec2 w = LoadCodes(DTYPE, weight, block, part);
        const int scale = HasScale(DTYPE) ? part < 2u ? ints.x : ints.y : 1;
        [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
          Words x = Words(rows[r].codes + uint64_t(block * 32u + part * 8u));
          dots[r] += (Dot4(w.x, x.v[0]) + Dot4(w.y, x.v[1])) * scale;
        }
      }
      [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
        Words s = Words(rows[r].scales + uint64_t(block) * 8ul);
        chains[r] = AddBlock(DTYPE, chains[r], dots[r], factors, ints.z, uvec2(s.v[0], s.v[1]));
      }
    }
#endif
  }
  barrier();
  const uint t = Thread();
  const uint run = LANES == RUNS ? lane : lane / 4u;
  [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
    if (LANES == RUNS || lane % 4u == 0u) {
      partial[(t / LANES * ROWS + r) * (RUNS + 1u) + run] = chains[r];
    }
  }
  barrier();
  if (t >= OUTPUTS * ROWS) return 0.0;
  precise float total = 0.0;
  for (uint i = 0u; i < RUNS; ++i) total = total + partial[t * (RUNS + 1u) + i];
  return total;
}
