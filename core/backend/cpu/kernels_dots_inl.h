// Quantisation of activations, and products with groups of 16 interleaved rows of every type.
// Part of kernels_inl.h: included inside an unnamed namespace, after the vector primitives.

// -------- quantisation ------------------------------------------------------------------------------

void Quantize(const float *x, int64_t n, ActBlock *out) {
  constexpr int kVectors = 32 / kLanes;
  for (int64_t b = 0; b < n / 32; ++b, x += 32, ++out) {
    F v[kVectors];
    F most = Zero();
    F poison = Zero();  // becomes NaN where x is not finite: x * 0
    for (int i = 0; i < kVectors; ++i) {
      v[i] = Load(x + i * kLanes);
      most = Max(most, Abs(v[i]));
      poison = Fma(v[i], Zero(), poison);
    }
    const float bad = SumLanes(poison);
    const float amax = MaxLanes(most);
    if (bad != bad) {
      __builtin_memset(out->q, 0, 32);
      out->d = __builtin_nanf("");
      out->sum = 0;
      out->minus_sum = out->minus_low = 0;
      continue;
    }
    // Below 1e-35 the reciprocal would overflow; such a block counts as zero.
    const bool tiny = amax < 1e-35f;
    const F inverse = Set(tiny ? 0.0f : 127.0f / amax);
    out->d = tiny ? 0.0f : amax / 127.0f;
    int32_t sums[2] = {0, 0};
    alignas(64) int32_t q[32];
    for (int i = 0; i < kVectors; ++i) StoreI(q + i * kLanes, ToIntNearest(Mul(v[i], inverse)));
    for (int i = 0; i < 32; ++i) {
      out->q[i] = (int8_t)q[i];
      sums[i / 16] += q[i];
    }
    out->sum = (float)(sums[0] + sums[1]);
    out->minus_sum = -(sums[0] + sums[1]);
    out->minus_low = -sums[0];
  }
}

// -------- weights: 32 of each of kLanes rows ---------------------------------------------------------
// A format unpacks sub-block `sub` of a group's block for the rows lane..lane+kLanes-1 into eight
// vectors w[c] of 4 consecutive codes per row, and says how codes become weights:
//   kOffset z: w = scale * (q - z);  kMinimum: w = scale * q + offset;
//   kHalves:   w = scale * (q - z) for the first 16 and offset * (q - z) for the last 16.

struct Unpacked {
  I w[8];
  F scale;
  F offset;
};

enum Kind { kOffset, kMinimum, kHalves };

#define RSN_UNROLL _Pragma("GCC unroll 16")

inline I NibbleMask() { return SetI(0x0f0f0f0f); }

struct FormatQ8_0 {
  static constexpr int kParts = 1, kSubs = 1, kBytes = 34;
  static constexpr Kind kKind = kOffset;
  static constexpr int kShift = 7;  // z = 128 where codes must be unsigned
  static constexpr bool kSigned = true;
  template <int>
  static inline void Unpack(const uint8_t *g, int, int lane, Unpacked &u) {
    u.scale = LoadF16(g + lane * 2);
    RSN_UNROLL for (int c = 0; c < 8; ++c) u.w[c] = LoadI(g + 16 * 2 + 64 * c + lane * 4);
  }
};

struct FormatQ4_0 {
  static constexpr int kParts = 1, kSubs = 1, kBytes = 18;
  static constexpr Kind kKind = kOffset;
  static constexpr int kShift = 3;
  static constexpr bool kSigned = false;
  template <int>
  static inline void Unpack(const uint8_t *g, int, int lane, Unpacked &u) {
    u.scale = LoadF16(g + lane * 2);
    RSN_UNROLL for (int c = 0; c < 4; ++c) {
      const I q = LoadI(g + 16 * 2 + 64 * c + lane * 4);
      u.w[c] = AndI(q, NibbleMask());
      u.w[c + 4] = AndI(ShiftRight<4>(q), NibbleMask());
    }
  }
};

struct FormatQ4_1 {
  static constexpr int kParts = 1, kSubs = 1, kBytes = 20;
  static constexpr Kind kKind = kMinimum;
  static constexpr int kShift = 0;
  static constexpr bool kSigned = false;
  template <int>
  static inline void Unpack(const uint8_t *g, int, int lane, Unpacked &u) {
    u.scale = LoadF16(g + lane * 2);
    u.offset = LoadF16(g + 16 * 2 + lane * 2);
    RSN_UNROLL for (int c = 0; c < 4; ++c) {
      const I q = LoadI(g + 16 * 4 + 64 * c + lane * 4);
      u.w[c] = AndI(q, NibbleMask());
      u.w[c + 4] = AndI(ShiftRight<4>(q), NibbleMask());
    }
  }
};

// Bits 0..3 of each lane to bit 4 of its four bytes.
inline I SpreadBits(I bits) {
  // The multiplier copies the nibble to 0, 7, 14 and 21: bit k of it then stands at bit 8k.
  const I spread = MulLow(AndI(bits, SetI(15)), SetI(0x00204081));
  return ShiftLeft<4>(AndI(spread, SetI(0x01010101)));
}

template <int kAt>  // qh's and qs's offsets
inline void UnpackFive(const uint8_t *g, int lane, Unpacked &u) {
  I high = LoadI(g + 16 * kAt + lane * 4);
  RSN_UNROLL for (int c = 0; c < 4; ++c) {
    const I q = LoadI(g + 16 * (kAt + 4) + 64 * c + lane * 4);
    u.w[c] = OrI(AndI(q, NibbleMask()), SpreadBits(high));
    u.w[c + 4] = OrI(AndI(ShiftRight<4>(q), NibbleMask()), SpreadBits(ShiftRight<16>(high)));
    high = ShiftRight<4>(high);
  }
}

struct FormatQ5_0 {
  static constexpr int kParts = 1, kSubs = 1, kBytes = 22;
  static constexpr Kind kKind = kOffset;
  static constexpr int kShift = 4;
  static constexpr bool kSigned = false;
  template <int>
  static inline void Unpack(const uint8_t *g, int, int lane, Unpacked &u) {
    u.scale = LoadF16(g + lane * 2);
    UnpackFive<2>(g, lane, u);
  }
};

struct FormatQ5_1 {
  static constexpr int kParts = 1, kSubs = 1, kBytes = 24;
  static constexpr Kind kKind = kMinimum;
  static constexpr int kShift = 0;
  static constexpr bool kSigned = false;
  template <int>
  static inline void Unpack(const uint8_t *g, int, int lane, Unpacked &u) {
    u.scale = LoadF16(g + lane * 2);
    u.offset = LoadF16(g + 16 * 2 + lane * 2);
    UnpackFive<4>(g, lane, u);
  }
};

// The k-th 6-bit scale and minimum of a Q4_K or Q5_K block; p: the 12 packed bytes, interleaved.
inline void ScaleMin(const uint8_t *g, int k, int lane, Unpacked &u) {
  const uint8_t *p = g + 16 * 4 + lane;
  const I low6 = SetI(63), low4 = SetI(15);
  I sc, mn;
  if (k < 4) {
    sc = AndI(LoadU8(p + 16 * k), low6);
    mn = AndI(LoadU8(p + 16 * (k + 4)), low6);
  } else {
    const I shared = LoadU8(p + 16 * (k + 4));
    sc = OrI(AndI(shared, low4), ShiftLeft<4>(ShiftRight<6>(LoadU8(p + 16 * (k - 4)))));
    mn = OrI(ShiftRight<4>(shared), ShiftLeft<4>(ShiftRight<6>(LoadU8(p + 16 * k))));
  }
  u.scale = Mul(LoadF16(g + lane * 2), ToFloat(sc));
  u.offset = Sub(Zero(), Mul(LoadF16(g + 16 * 2 + lane * 2), ToFloat(mn)));
}

struct FormatQ4_K {
  static constexpr int kParts = 2, kSubs = 8, kBytes = 144;
  static constexpr Kind kKind = kMinimum;
  static constexpr int kShift = 0;
  static constexpr bool kSigned = false;
  template <int kPart>
  static inline void Unpack(const uint8_t *g, int sub, int lane, Unpacked &u) {
    ScaleMin(g, sub, lane, u);
    const uint8_t *qs = g + 16 * (16 + 32 * (sub / 2)) + lane * 4;
    RSN_UNROLL for (int c = 0; c < 8; ++c) {
      const I q = LoadI(qs + 64 * c);
      u.w[c] = AndI(ShiftRight<4 * kPart>(q), NibbleMask());
    }
  }
};

struct FormatQ5_K {
  static constexpr int kParts = 2, kSubs = 8, kBytes = 176;
  static constexpr Kind kKind = kMinimum;
  static constexpr int kShift = 0;
  static constexpr bool kSigned = false;
  template <int kPart>
  static inline void Unpack(const uint8_t *g, int sub, int lane, Unpacked &u) {
    ScaleMin(g, sub, lane, u);
    const uint8_t *qs = g + 16 * (48 + 32 * (sub / 2)) + lane * 4;
    const uint8_t *qh = g + 16 * 16 + lane * 4;
    RSN_UNROLL for (int c = 0; c < 8; ++c) {
      const I q = LoadI(qs + 64 * c);
      const I high = AndI(ShiftRightBy(LoadI(qh + 64 * c), sub), SetI(0x01010101));
      u.w[c] = OrI(AndI(ShiftRight<4 * kPart>(q), NibbleMask()), ShiftLeft<4>(high));
    }
  }
};

struct FormatQ6_K {
  static constexpr int kParts = 4, kSubs = 8, kBytes = 210;
  static constexpr Kind kKind = kHalves;
  static constexpr int kShift = 5;
  static constexpr bool kSigned = false;
  template <int kPart>
  static inline void Unpack(const uint8_t *g, int sub, int lane, Unpacked &u) {
    constexpr int j = kPart;  // the file's numbering: quarter j of half n
    const int n = sub / 4;
    const uint8_t *ql = g + 16 * (64 * n + 32 * (j & 1)) + lane * 4;
    const uint8_t *qh = g + 16 * (128 + 32 * n) + lane * 4;
    const F d = LoadF16(g + 16 * 208 + lane * 2);
    const uint8_t *scales = g + 16 * (192 + 2 * sub) + lane;
    u.scale = Mul(d, ToFloat(LoadS8(scales)));
    u.offset = Mul(d, ToFloat(LoadS8(scales + 16)));
    RSN_UNROLL for (int c = 0; c < 8; ++c) {
      const I q = ShiftRight<j / 2 * 4>(LoadI(ql + 64 * c));
      const I h = LoadI(qh + 64 * c);
      const I high = j < 2 ? ShiftLeft<j < 2 ? 4 - 2 * j : 0>(h) : ShiftRight<j < 2 ? 0 : 2 * j - 4>(h);
      u.w[c] = OrI(AndI(q, NibbleMask()), AndI(high, SetI(0x30303030)));
    }
  }
};

// Weights are asked for 16 KiB ahead, into the second-level cache, where the hardware loses sight of
// them: among the streams of several rows of activations, and where the fields of a large block are
// read side by side. Measured on Zen 4: twice the rate of no hint, or of one into the first level.
constexpr int kAhead = 16384;

template <class Format>
inline I DotEight(I acc0, const I *w, const int8_t *x) {
  // Two chains hide the latency of the dot product; integer sums are exact in any order.
  I acc1 = ZeroI();
  RSN_UNROLL for (int c = 0; c < 8; c += 2) {
    if constexpr (Format::kSigned && kHasDotSigned) {
      acc0 = DotSigned(acc0, w[c], x + 4 * c);
      acc1 = DotSigned(acc1, w[c + 1], x + 4 * c + 4);
    } else {
      acc0 = Dot(acc0, w[c], x + 4 * c);
      acc1 = Dot(acc1, w[c + 1], x + 4 * c + 4);
    }
  }
  return AddI(acc0, acc1);
}

// The sum of one sub-block for one row of activations, times its scale, added to acc.
template <class Format>
inline F Accumulate(const Unpacked &u, const ActBlock &x, F acc) {
  F part;
  if constexpr (Format::kKind == kHalves) {
    I low = ShiftLeft<Format::kShift>(SetI(x.minus_low));
    I high = ShiftLeft<Format::kShift>(SetI(x.minus_sum - x.minus_low));
    RSN_UNROLL for (int c = 0; c < 4; ++c) {
      low = Dot(low, u.w[c], x.q + 4 * c);
      high = Dot(high, u.w[c + 4], x.q + 16 + 4 * c);
    }
    part = Fma(u.offset, ToFloat(high), Mul(u.scale, ToFloat(low)));
  } else if constexpr (Format::kKind == kMinimum) {
    part = Mul(u.scale, ToFloat(DotEight<Format>(ZeroI(), u.w, x.q)));
    part = Fma(u.offset, Set(x.sum), part);
  } else {
    constexpr bool kPlain = Format::kSigned && kHasDotSigned;
    const I start = kPlain ? ZeroI() : ShiftLeft<Format::kShift>(SetI(x.minus_sum));
    part = Mul(u.scale, ToFloat(DotEight<Format>(start, u.w, x.q)));
  }
  return Fma(part, Set(x.d), acc);
}

// Sub-blocks sub + kPart .. sub + kParts - 1, unrolled so that shifts are constants.
template <class Format, int kTokens, int kPart>
inline void DotParts(const uint8_t *g, int sub, int64_t at, int lane, const void *const *acts, F *acc) {
  if constexpr (kPart < Format::kParts) {
    if constexpr (kTokens > 1 || Format::kParts > 2) {
      constexpr int kBytes = kGroupRows * Format::kBytes / Format::kSubs;
      const uint8_t *next = g + kAhead + (sub + kPart) * kBytes;
      RSN_UNROLL for (int i = 0; i < kBytes; i += 64) __builtin_prefetch(next + i, 0, 2);
    }
    Unpacked u;
    Format::template Unpack<kPart>(g, sub + kPart, lane, u);
    if constexpr (Format::kSigned && !kHasDotSigned) {
      RSN_UNROLL for (int c = 0; c < 8; ++c) u.w[c] = XorI(u.w[c], SetI((int)0x80808080u));
    }
    RSN_UNROLL for (int t = 0; t < kTokens; ++t) {
      acc[t] = Accumulate<Format>(u, ((const ActBlock *)acts[t])[at + kPart], acc[t]);
    }
    DotParts<Format, kTokens, kPart + 1>(g, sub, at, lane, acts, acc);
  }
}

template <class Format, int kTokens>
void DotsOf(const uint8_t *group, int64_t blocks, const void *const *acts, float *out) {
  for (int lane = 0; lane < kGroupRows; lane += kLanes) {
    F acc[kTokens];
    RSN_UNROLL for (int t = 0; t < kTokens; ++t) acc[t] = Load(out + t * kGroupRows + lane);
    const uint8_t *g = group;
    int64_t at = 0;  // activation block
    for (int64_t b = 0; b < blocks; ++b, g += kGroupRows * Format::kBytes) {
      for (int sub = 0; sub < Format::kSubs; sub += Format::kParts, at += Format::kParts) {
        DotParts<Format, kTokens, 0>(g, sub, at, lane, acts, acc);
      }
    }
    RSN_UNROLL for (int t = 0; t < kTokens; ++t) Store(out + t * kGroupRows + lane, acc[t]);
  }
}

struct FloatF32 {
  static constexpr int kBytes = 4;
  static inline F At(const uint8_t *p) { return Load((const float *)p); }
};
struct FloatF16 {
  static constexpr int kBytes = 2;
  static inline F At(const uint8_t *p) { return LoadF16(p); }
};
struct FloatBF16 {
  static constexpr int kBytes = 2;
  static inline F At(const uint8_t *p) { return LoadBF16(p); }
};

// Float weights: one chain of fused multiply-adds per output, K in order.
template <class Format, int kTokens>
void FloatDotsOf(const uint8_t *group, int64_t n, const void *const *acts, float *out) {
  constexpr int kVectors = kGroupRows / kLanes;
  // Short rows of tokens take the group's vectors together: independent chains.
  constexpr int kTogether = kTokens * kVectors <= 16 ? kVectors : 1;
  for (int lane = 0; lane < kGroupRows; lane += kLanes * kTogether) {
    F acc[kTokens][kTogether];
    RSN_UNROLL for (int t = 0; t < kTokens; ++t) {
      RSN_UNROLL for (int v = 0; v < kTogether; ++v) {
        acc[t][v] = Load(out + t * kGroupRows + lane + v * kLanes);
      }
    }
    const uint8_t *g = group + lane * Format::kBytes;
    for (int64_t k = 0; k < n; ++k, g += kGroupRows * Format::kBytes) {
      F w[kTogether];
      RSN_UNROLL for (int v = 0; v < kTogether; ++v) w[v] = Format::At(g + v * kLanes * Format::kBytes);
      RSN_UNROLL for (int t = 0; t < kTokens; ++t) {
        const F x = Set(((const float *)acts[t])[k]);
        RSN_UNROLL for (int v = 0; v < kTogether; ++v) acc[t][v] = Fma(w[v], x, acc[t][v]);
      }
    }
    RSN_UNROLL for (int t = 0; t < kTokens; ++t) {
      RSN_UNROLL for (int v = 0; v < kTogether; ++v) {
        Store(out + t * kGroupRows + lane + v * kLanes, acc[t][v]);
      }
    }
  }
}

#define RSN_DOTS(NAME, TEMPLATE, FORMAT)                                                         \
  void NAME(const uint8_t *group, int64_t blocks, const void *const *acts, int tokens,           \
            float *out) {                                                                        \
    while (tokens > 0) {                                                                         \
      int n = 1;                                                                                 \
      if (kTileTokens >= 16 && tokens >= 16) {                                                   \
        n = 16, TEMPLATE<FORMAT, kTileTokens >= 16 ? 16 : 1>(group, blocks, acts, out);          \
      } else if (kTileTokens >= 8 && tokens >= 8) {                                              \
        n = 8, TEMPLATE<FORMAT, kTileTokens >= 8 ? 8 : 1>(group, blocks, acts, out);             \
      } else if (tokens >= 4) {                                                                  \
        n = 4, TEMPLATE<FORMAT, 4>(group, blocks, acts, out);                                    \
      } else if (tokens >= 2) {                                                                  \
        n = 2, TEMPLATE<FORMAT, 2>(group, blocks, acts, out);                                    \
      } else {                                                                                   \
        TEMPLATE<FORMAT, 1>(group, blocks, acts, out);                                           \
      }                                                                                          \
      tokens -= n, acts += n, out += n * kGroupRows;                                             \
    }                                                                                            \
  }

RSN_DOTS(DotsQ8_0, DotsOf, FormatQ8_0)
RSN_DOTS(DotsQ4_0, DotsOf, FormatQ4_0)
RSN_DOTS(DotsQ4_1, DotsOf, FormatQ4_1)
RSN_DOTS(DotsQ5_0, DotsOf, FormatQ5_0)
RSN_DOTS(DotsQ5_1, DotsOf, FormatQ5_1)
RSN_DOTS(DotsQ4_K, DotsOf, FormatQ4_K)
RSN_DOTS(DotsQ5_K, DotsOf, FormatQ5_K)
RSN_DOTS(DotsQ6_K, DotsOf, FormatQ6_K)
RSN_DOTS(DotsF32, FloatDotsOf, FloatF32)
RSN_DOTS(DotsF16, FloatDotsOf, FloatF16)
RSN_DOTS(DotsBF16, FloatDotsOf, FloatBF16)
