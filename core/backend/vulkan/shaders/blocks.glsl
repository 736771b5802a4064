// Quantised weights as integers: part p of a block of 32 is its weights 8 p to 8 p + 7, as eight
// int8 in two words, and the numbers that the integer sums are multiplied with. `type` comes from a
// specialisation constant. Needs octet.glsl.

bool HasMinimum(uint type) {
  return type == kQ4_1 || type == kQ5_1 || type == kQ4_K || type == kQ5_K;
}
// Eight bytes at any alignment. May read up to 11 bytes beyond the first: buffers are padded.
uvec2 PairAt(uint type, uint64_t address) {
  const uint shift = (uint(address) & 3u) * 8u;
  Words w = Words(address & ~uint64_t(3));
  // With two halves at their head blocks are whole words: one branch for all of a row.
  if (HasMinimum(type) && shift == 0u) return uvec2(w.v[0], w.v[1]);
  const uint middle = w.v[1];
  return uvec2(w.v[0] >> shift | middle << 1u << (31u - shift),
               middle >> shift | w.v[2] << 1u << (31u - shift));
}

// Four bytes below 128, minus `less` each: no byte borrows from the next.
uvec2 SubtractBytes(uvec2 v, uint less) {
  return ((v | 0x80808080u) - less * 0x01010101u) ^ 0x80808080u;
}
// Bits 0 to 3 to bit 4 of four bytes.
uint SpreadBits(uint bits) {
  return (bits & 1u) << 4 | (bits & 2u) << 11 | (bits & 4u) << 18 | (bits & 8u) << 25;
}

bool HasScale(uint type) { return type == kQ4_K || type == kQ5_K || type == kQ6_K; }

uvec2 LoadCodes(uint type, uint64_t row, uint block, uint part) {
  if (type == kQ8_0) return PairAt(type, row + uint64_t(block) * 34ul + uint64_t(2u + 8u * part));
  if (type == kQ4_K || type == kQ5_K) {
    const bool fifth = type == kQ5_K;
    const uint64_t base = row + uint64_t(block >> 3) * (fifth ? 176ul : 144ul);
    const uint k = block & 7u;
    uvec2 v = PairAt(type, base + uint64_t((fifth ? 48u : 16u) + 32u * (k >> 1) + 8u * part));
    v = v >> (k & 1u) * 4u & 0x0f0f0f0fu;
    if (fifth) v |= (PairAt(type, base + uint64_t(16u + 8u * part)) >> k & 0x01010101u) << 4u;
    return v;
  }
  if (type == kQ6_K) {
    const uint64_t base = row + uint64_t(block >> 3) * 210ul;
    const uint n = block >> 2 & 1u, j = block & 3u;
    const uvec2 four = PairAt(type, base + uint64_t(64u * n + 32u * (j & 1u) + 8u * part));
    const uvec2 two = PairAt(type, base + uint64_t(128u + 32u * n + 8u * part));
    const uvec2 v = (four >> (j >> 1) * 4u & 0x0f0f0f0fu) | (two >> 2u * j & 0x03030303u) << 4u;
    return SubtractBytes(v, 32u);
  }
  const bool fifth = type == kQ5_0 || type == kQ5_1;
  const bool minimum = type == kQ4_1 || type == kQ5_1;
  const uint head = 2u + (minimum ? 2u : 0u) + (fifth ? 4u : 0u);
  const uint64_t base = row + uint64_t(block) * uint64_t(head + 16u);
  uvec2 v = PairAt(type, base + uint64_t(head + 8u * (part & 1u))) >> (part >> 1) * 4u & 0x0f0f0f0fu;
  if (fifth) {
    const uint bits = WordAt(base + uint64_t(head - 4u)) >> 8u * part;
    v |= uvec2(SpreadBits(bits), SpreadBits(bits >> 4));
  }
  return minimum ? v : SubtractBytes(v, fifth ? 16u : 8u);
}

// A block is worth factors.x * dot - factors.y * ints.z * (sum of its activations), where dot
// counts the first 16 products ints.x times and the others ints.y times.
void LoadScales(uint type, uint64_t row, uint block, out vec2 factors, out ivec3 ints) {
  ints = ivec3(1, 1, 1);
  if (type == kQ4_K || type == kQ5_K) {
    const uint64_t base = row + uint64_t(block >> 3) * (type == kQ5_K ? 176ul : 144ul);
    const uint head = WordAt(base);
    const uvec2 scales = KScales(base + 4ul, block & 7u);
    factors = vec2(FromF16(head & 0xffffu), FromF16(head >> 16));
    ints = ivec3(scales.xxy);
  } else if (type == kQ6_K) {
    const uint64_t base = row + uint64_t(block >> 3) * 210ul;
    const int scales = int(HalfAt(base + uint64_t(192u + 2u * (block & 7u))));
    factors = vec2(FromF16(HalfAt(base + 208ul)), 0);
    ints.xy = ivec2(bitfieldExtract(scales, 0, 8), bitfieldExtract(scales, 8, 8));
  } else if (type == kQ4_1 || type == kQ5_1) {
    const uint head = WordAt(row + uint64_t(block) * (type == kQ5_1 ? 24ul : 20ul));
    factors = vec2(FromF16(head & 0xffffu), -FromF16(head >> 16));
  } else {
    const uint64_t bytes = type == kQ8_0 ? 34ul : type == kQ5_0 ? 22ul : 18ul;
    factors = vec2(FromF16(HalfAt(row + uint64_t(block) * bytes)), 0);
  }
}

#ifdef INTEGER_DOT
// OpSDot of four int8 packed in a word: this compiler cannot spell it otherwise.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int PackedDot(uint a, uint b, spirv_literal int format);
int Dot4(uint a, uint b) { return PackedDot(a, b, 0); }
#else
int Dot4(uint a, uint b) {
  const int x = int(a), y = int(b);
  return bitfieldExtract(x, 0, 8) * bitfieldExtract(y, 0, 8) +
         bitfieldExtract(x, 8, 8) * bitfieldExtract(y, 8, 8) +
         bitfieldExtract(x, 16, 8) * bitfieldExtract(y, 16, 8) + (x >> 24) * (y >> 24);
}
#endif

// chain + step * the block's worth. scale: (step, sum) of the activations' block, as bits.
float AddBlock(uint type, float chain, int dot, vec2 factors, int minimum_scale, uvec2 scale) {
  precise float value = factors.x * float(dot);
  if (HasMinimum(type)) value = value - factors.y * float(minimum_scale * int(scale.y));
  return fma(uintBitsToFloat(scale.x), value, chain);
}
