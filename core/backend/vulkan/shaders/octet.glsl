// Weights as the file has them: octet o of a row is its elements 8 o to 8 o + 7 as floats, for every
// type. `type` comes from a specialisation constant: the driver keeps one case. The products and sums are
// those of the format's definition, unfused, so that embed has the definition's bits.
layout(constant_id = 0) const uint DTYPE = 0;

uint ByteOf(uint word, uint i) { return bitfieldExtract(word, int(i * 8u), 8); }

// Bytes of an octet's row up to its block; K blocks hold 32 octets, the others 4.
float SplitNibble(uint low, uint high, uint i, uint shift) {
  return float(ByteOf(i < 4u ? low : high, i & 3u) >> shift & 15u);
}

// Six-bit scale and minimum k of a K block whose twelve bytes begin at `address`.
uvec2 KScales(uint64_t address, uint k) {
  const uint a = WordAt(address), b = WordAt(address + 4ul), c = WordAt(address + 8ul);
  const uint i = k & 3u;
  if (k < 4u) return uvec2(ByteOf(a, i) & 63u, ByteOf(b, i) & 63u);
  return uvec2((ByteOf(c, i) & 15u) | ByteOf(a, i) >> 6 << 4, ByteOf(c, i) >> 4 | ByteOf(b, i) >> 6 << 4);
}

void LoadOctet(uint type, uint64_t row, uint octet, out float w[8]) {
  if (type == kF32) {
    Floats f = Floats(row + uint64_t(octet) * 32ul);
    [[unroll]] for (uint i = 0u; i < 8u; ++i) w[i] = f.v[i];
  } else if (type == kF16 || type == kBF16) {
    const uint64_t at = row + uint64_t(octet) * 16ul;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
      const uint word = WordAt(at + uint64_t(4u * i));
      w[2u * i] = type == kF16 ? FromF16(word & 0xffffu) : FromBF16(word & 0xffffu);
      w[2u * i + 1u] = type == kF16 ? FromF16(word >> 16) : FromBF16(word >> 16);
    }
  } else if (type == kQ8_0) {
    const uint64_t block = row + uint64_t(octet >> 2) * 34ul;
    const uint j = octet & 3u;
    const float d = FromF16(HalfAt(block));
    const uint low = WordAt(block + uint64_t(2u + 8u * j)), high = WordAt(block + uint64_t(6u + 8u * j));
    [[unroll]] for (uint i = 0u; i < 8u; ++i) {
      w[i] = d * float(bitfieldExtract(int(i < 4u ? low : high), int((i & 3u) * 8u), 8));
    }
  } else if (type == kQ4_0 || type == kQ4_1 || type == kQ5_0 || type == kQ5_1) {
    const bool has_minimum = type == kQ4_1 || type == kQ5_1;
    const bool has_fifth = type == kQ5_0 || type == kQ5_1;
    const uint head = 2u + (has_minimum ? 2u : 0u) + (has_fifth ? 4u : 0u);
    const uint64_t block = row + uint64_t(octet >> 2) * uint64_t(head + 16u);
    const uint j = octet & 3u;
    const float d = FromF16(HalfAt(block));
    const float m = has_minimum ? FromF16(HalfAt(block + 2ul)) : 0.0;
    const uint fifth = has_fifth ? WordAt(block + uint64_t(head - 4u)) >> (8u * j) : 0u;
    const uint64_t codes = block + uint64_t(head + 8u * (j & 1u));
    const uint low = WordAt(codes), high = WordAt(codes + 4ul);
    const uint shift = (j >> 1) * 4u;
    const float offset = has_minimum ? 0.0 : has_fifth ? 16.0 : 8.0;
    [[unroll]] for (uint i = 0u; i < 8u; ++i) {
      const float code = SplitNibble(low, high, i, shift) + float((fifth >> i & 1u) << 4);
      precise float v = d * (code - offset);
      if (has_minimum) v = v + m;
      w[i] = v;
    }
  } else if (type == kQ4_K || type == kQ5_K) {
    const bool fifth = type == kQ5_K;
    const uint64_t block = row + uint64_t(octet >> 5) * (fifth ? 176ul : 144ul);
    const uint k = octet >> 2 & 7u;  // which 32 of the 256
    const uint l = (octet & 3u) * 8u;
    const uvec2 scales = KScales(block + 4ul, k);
    const uint head = WordAt(block);
    precise float d = FromF16(head & 0xffffu) * float(scales.x);
    precise float m = FromF16(head >> 16) * float(scales.y);
    const uint64_t codes = block + uint64_t((fifth ? 48u : 16u) + 32u * (k >> 1) + l);
    const uint low = WordAt(codes), high = WordAt(codes + 4ul);
    uint fifth_low = 0u, fifth_high = 0u;
    if (fifth) {
      fifth_low = WordAt(block + uint64_t(16u + l));
      fifth_high = WordAt(block + uint64_t(20u + l));
    }
    [[unroll]] for (uint i = 0u; i < 8u; ++i) {
      float code = SplitNibble(low, high, i, (k & 1u) * 4u);
      if (fifth) code += float((ByteOf(i < 4u ? fifth_low : fifth_high, i & 3u) >> k & 1u) << 4);
      precise float v = d * code;
      v = v - m;
      w[i] = v;
    }
  } else if (type == kQ6_K) {
    const uint64_t block = row + uint64_t(octet >> 5) * 210ul;
    const uint n = octet >> 4 & 1u, j = octet >> 2 & 3u, l = (octet & 3u) * 8u;
    const float d = FromF16(HalfAt(block + 208ul));
    const uint group = (octet & 31u) >> 1;  // of 16 weights
    const int scale = bitfieldExtract(int(WordAt(block + uint64_t(192u + group))), 0, 8);
    precise float s = d * float(scale);
    const uint64_t lows = block + uint64_t(64u * n + 32u * (j & 1u) + l);
    const uint64_t highs = block + uint64_t(128u + 32u * n + l);
    const uint low0 = WordAt(lows), low1 = WordAt(lows + 4ul);
    const uint high0 = WordAt(highs), high1 = WordAt(highs + 4ul);
    [[unroll]] for (uint i = 0u; i < 8u; ++i) {
      const uint four = ByteOf(i < 4u ? low0 : low1, i & 3u) >> (j >> 1) * 4u & 15u;
      const uint two = ByteOf(i < 4u ? high0 : high1, i & 3u) >> 2u * j & 3u;
      precise float v = s * (float(four | two << 4) - 32.0);
      w[i] = v;
    }
  }
}
