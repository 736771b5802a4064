// The loops of kernels.h over the vector primitives of one instruction level. Included once by each
// kernels_<level>.cc inside its own unnamed namespace, after the primitives:
//   kLanes; F (kLanes x f32), I (kLanes x i32), Zero, Set, Load, Store, Add, Sub, Mul, Div, Fma, Max,
//   Select(mask, a, b), IsLess, ToFloat, ToIntNearest, ZeroI, SetI, LoadI, AndI, OrI, AddI, SubI,
//   ShiftLeft<n>, ShiftRight<n> (logical), LoadU8, LoadS8, LoadF16, LoadBF16 (kLanes values, widened),
//   Dot (u8 x s8), DotSigned (s8 x s8) when kHasDotSigned, SumLanes, MaxLanes, StoreF16.
// Uses no std:: template: an instance made here could be linked into baseline code.

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

// -------- exp -----------------------------------------------------------------------------------------

// exp(x) for x <= 88: 2^n * p(r), n = round(x / ln 2); the polynomial is the Taylor series to degree
// 6, whose remainder for |r| <= ln 2 / 2 is below 2^-26 relative. 0 below -87.3; NaN stays NaN.
inline F Exp(F x) {
  const F clamped = Max(Min(x, Set(88.0f)), Set(-87.5f));
  // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
  const F magic = Set(12582912.0f);
  const F n = Sub(Fma(clamped, Set(1.44269504088896341f), magic), magic);
  F r = Fma(n, Set(-0.693359375f), clamped);       // ln 2, its upper bits exact in the product
  r = Fma(n, Set(2.12194440054690583e-4f), r);     // and the rest
  F p = Fma(r, Set(1.0f / 720), Set(1.0f / 120));
  p = Fma(p, r, Set(1.0f / 24));
  p = Fma(p, r, Set(1.0f / 6));
  p = Fma(p, r, Set(0.5f));
  p = Fma(p, r, Set(1.0f));
  p = Fma(p, r, Set(1.0f));
  const F two_n = AsFloat(ShiftLeft<23>(AddI(ToIntNearest(n), SetI(127))));
  F result = Mul(p, two_n);
  result = Select(IsLess(x, Set(-87.33654f)), Zero(), result);
  return Select(IsNan(x), x, result);
}

// -------- attention ------------------------------------------------------------------------------------

// One element, widened as the vectors are.
template <class Type>
float LoadOne(const uint8_t *row, int at) {
  alignas(64) uint8_t bytes[kLanes * Type::kBytes] = {};
  __builtin_memcpy(bytes, row + Type::kBytes * at, Type::kBytes);
  alignas(64) float values[kLanes];
  Store(values, Type::At(bytes));
  return values[0];
}

constexpr int kPackKeys = 32;  // keys whose dimensions are packed side by side

#ifndef RSN_OWN_TRANSPOSE
// r[i][j] <-> r[j][i]
void TransposeSquare(F *r) {
  alignas(64) float in[kLanes][kLanes], out[kLanes][kLanes];
  for (int i = 0; i < kLanes; ++i) Store(in[i], r[i]);
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) out[j][i] = in[i][j];
  }
  for (int i = 0; i < kLanes; ++i) r[i] = Load(out[i]);
}
#endif

// packed[d * kPackKeys + j] = key j's dimension d; absent keys are 0.
template <class Type>
void PackKeys(const AttendBlock &b, int first) {
  const int n = b.keys - first < kPackKeys ? b.keys - first : kPackKeys;
  for (int j = 0; j < kPackKeys; j += kLanes) {
    int d = 0;
    for (; d + kLanes <= b.key_width; d += kLanes) {
      F r[kLanes];
      RSN_UNROLL for (int i = 0; i < kLanes; ++i) {
        r[i] = j + i < n ? Type::At(b.key_rows[first + j + i] + Type::kBytes * d) : Zero();
      }
      TransposeSquare(r);
      RSN_UNROLL for (int i = 0; i < kLanes; ++i) Store(b.packed + (d + i) * kPackKeys + j, r[i]);
    }
    for (; d < b.key_width; ++d) {
      for (int i = j; i < j + kLanes; ++i) {
        b.packed[d * kPackKeys + i] = i < n ? LoadOne<Type>(b.key_rows[first + i], d) : 0.0f;
      }
    }
  }
}

// scores[q][first + j] for kQueries queries: one chain over the dimensions per score.
template <int kQueries>
void Scores(const AttendBlock &b, int query, int first) {
  constexpr int kVectors = kPackKeys / kLanes;
  constexpr int kTogether = kVectors < 2 ? kVectors : 2;
  for (int v = 0; v < kVectors; v += kTogether) {
    F acc[kQueries][kTogether];
    RSN_UNROLL for (int q = 0; q < kQueries; ++q) {
      RSN_UNROLL for (int i = 0; i < kTogether; ++i) acc[q][i] = Zero();
    }
    const float *k = b.packed + v * kLanes;
    for (int d = 0; d < b.key_width; ++d, k += kPackKeys) {
      F key[kTogether];
      RSN_UNROLL for (int i = 0; i < kTogether; ++i) key[i] = Load(k + i * kLanes);
      RSN_UNROLL for (int q = 0; q < kQueries; ++q) {
        const F x = Set(b.q[query + q][d]);
        RSN_UNROLL for (int i = 0; i < kTogether; ++i) acc[q][i] = Fma(key[i], x, acc[q][i]);
      }
    }
    RSN_UNROLL for (int q = 0; q < kQueries; ++q) {
      RSN_UNROLL for (int i = 0; i < kTogether; ++i) {
        Store(b.scores + (query + q) * kKeyBlock + first + (v + i) * kLanes, acc[q][i]);
      }
    }
  }
}

// Scores to weights exp(score - maximum), in place; the lanes' sums are taken in key order.
void SoftmaxBlock(float *scores, int n, float *maximum, float *sum) {
  alignas(64) static const float kIndex[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                               8, 9, 10, 11, 12, 13, 14, 15};
  F highest = Set(scores[0]), poison = Zero();
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F x = Load(scores + i);
    highest = Max(x, highest);
    poison = Add(poison, Select(IsNan(x), x, Zero()));
  }
  float most = MaxLanes(highest), bad = SumLanes(poison);
  for (; i < n; ++i) {
    if (scores[i] != scores[i]) bad = scores[i];
    most = scores[i] > most ? scores[i] : most;
  }
  if (bad != bad) most = bad;
  F total = Zero();
  for (int j = 0; j < n; j += kLanes) {
    F p = Exp(Sub(Load(scores + j), Set(most)));
    if (j + kLanes > n) {
      p = Select(IsLess(Load(kIndex), Set((float)(n - j))), p, Zero());
    }
    Store(scores + j, p);
    total = Add(total, p);
  }
  *maximum = most;
  *sum = SumLanes(total);
}

// value[q][at..] += sum over keys [from, to) of weight * value row, keys in order.
template <class Type, int kQueries, int kVectors>
void Values(const AttendBlock &b, int query, int at, int from, int to) {
  F acc[kQueries][kVectors];
  RSN_UNROLL for (int q = 0; q < kQueries; ++q) {
    RSN_UNROLL for (int i = 0; i < kVectors; ++i) acc[q][i] = Load(b.value[query + q] + at + i * kLanes);
  }
  const float *p = b.scores + query * kKeyBlock;
  for (int j = from; j < to; ++j) {
    const uint8_t *row = b.value_rows[j] + at * Type::kBytes;
    F v[kVectors];
    RSN_UNROLL for (int i = 0; i < kVectors; ++i) v[i] = Type::At(row + i * kLanes * Type::kBytes);
    RSN_UNROLL for (int q = 0; q < kQueries; ++q) {
      const F w = Set(p[q * kKeyBlock + j]);
      RSN_UNROLL for (int i = 0; i < kVectors; ++i) acc[q][i] = Fma(v[i], w, acc[q][i]);
    }
  }
  RSN_UNROLL for (int q = 0; q < kQueries; ++q) {
    RSN_UNROLL for (int i = 0; i < kVectors; ++i) Store(b.value[query + q] + at + i * kLanes, acc[q][i]);
  }
}

template <class Type, int kQueries>
void ValueRange(const AttendBlock &b, int query, int from, int to) {
  if (from >= to) return;
  // As many accumulators as the registers hold: 32 with sixteen lanes or on aarch64, 16 elsewhere.
  constexpr int kVectors = kTileTokens >= 8 && kQueries <= 6 ? 4 : 2;
  int at = 0;
  for (; at + kVectors * kLanes <= b.value_width; at += kVectors * kLanes) {
    Values<Type, kQueries, kVectors>(b, query, at, from, to);
  }
  for (; at + kLanes <= b.value_width; at += kLanes) {
    Values<Type, kQueries, 1>(b, query, at, from, to);
  }
  for (; at < b.value_width; ++at) {
    for (int q = query; q < query + kQueries; ++q) {
      F acc = Set(b.value[q][at]);  // one lane's worth, with the same fused operation
      for (int j = from; j < to; ++j) {
        acc = Fma(Set(LoadOne<Type>(b.value_rows[j], at)), Set(b.scores[q * kKeyBlock + j]), acc);
      }
      alignas(64) float lanes[kLanes];
      Store(lanes, acc);
      b.value[q][at] = lanes[0];
    }
  }
}

template <class Type, int kQueries>
void ValueTile(const AttendBlock &b, int query) {
  // Keys that only some queries see are never read for the others: a later row's NaN stays there.
  int common = b.visible[query];
  for (int q = 1; q < kQueries; ++q) {
    if (b.visible[query + q] < common) common = b.visible[query + q];
  }
  ValueRange<Type, kQueries>(b, query, 0, common);
  for (int q = 0; q < kQueries; ++q) {
    ValueRange<Type, 1>(b, query + q, common, b.visible[query + q]);
  }
}

// Rows of a page table jump where the hardware foresees nothing.
inline void PrefetchRow(const uint8_t *row, int bytes) {
  for (int i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, 0, 2);
}

template <class Type>
void AttendTyped(const AttendBlock &b) {
  constexpr int kTile = kTileTokens >= 8 ? 8 : 4;
  constexpr int kSix = kTile >= 8 ? 6 : 2, kFour = kTile >= 8 ? 4 : 2;
  for (int first = 0; first < b.keys; first += kPackKeys) {
    for (int j = first; j < first + kPackKeys && j < b.keys; ++j) {
      if (j + kPackKeys < b.keys) PrefetchRow(b.key_rows[j + kPackKeys], b.key_width * Type::kBytes);
      if (b.value_rows[j] != b.key_rows[j]) PrefetchRow(b.value_rows[j], b.value_width * Type::kBytes);
    }
    PackKeys<Type>(b, first);
    int q = 0;
    for (; q + kTile <= b.queries; q += kTile) Scores<kTile>(b, q, first);
    for (; q + kSix <= b.queries; q += kSix) Scores<kSix>(b, q, first);
    for (; q + kFour <= b.queries; q += kFour) Scores<kFour>(b, q, first);
    for (; q + 2 <= b.queries; q += 2) Scores<2>(b, q, first);
    for (; q < b.queries; ++q) Scores<1>(b, q, first);
  }
  for (int q = 0; q < b.queries; ++q) {
    if (b.visible[q] <= 0) continue;
    SoftmaxBlock(b.scores + q * kKeyBlock, b.visible[q], b.maximum + q, b.sum + q);
    for (int i = 0; i < b.value_width; ++i) b.value[q][i] = 0;
  }
  int q = 0;
  for (; q + kTile <= b.queries; q += kTile) ValueTile<Type, kTile>(b, q);
  for (; q + kSix <= b.queries; q += kSix) ValueTile<Type, kSix>(b, q);
  for (; q + kFour <= b.queries; q += kFour) ValueTile<Type, kFour>(b, q);
  for (; q + 2 <= b.queries; q += 2) ValueTile<Type, 2>(b, q);
  for (; q < b.queries; ++q) ValueTile<Type, 1>(b, q);
}

void Attend(const AttendBlock &b) {
  if (b.type == CacheType::kF32) return AttendTyped<FloatF32>(b);
  if (b.type == CacheType::kF16) return AttendTyped<FloatF16>(b);
  AttendTyped<FloatBF16>(b);
}

float ExpOne(float x) {
  alignas(64) float lanes[kLanes];
  Store(lanes, Exp(Set(x)));
  return lanes[0];
}

void Merge(float *maximum, float *sum, float *value, float m, float s, const float *v, int width) {
  const float most = m > *maximum ? m : *maximum;
  const float keep = ExpOne(*maximum - most), take = ExpOne(m - most);
  *maximum = most;
  *sum = *sum * keep + s * take;
  int i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Store(value + i, Fma(Load(v + i), Set(take), Mul(Load(value + i), Set(keep))));
  }
  for (; i < width; ++i) {
    alignas(64) float lanes[kLanes];
    Store(lanes, Fma(Set(v[i]), Set(take), Mul(Set(value[i]), Set(keep))));
    value[i] = lanes[0];
  }
}

// -------- rows ---------------------------------------------------------------------------------------

void RmsNorm(const float *in, const float *weight, float epsilon, float *out, int64_t n) {
  F sums[4] = {Zero(), Zero(), Zero(), Zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    RSN_UNROLL for (int v = 0; v < 4; ++v) {
      const F x = Load(in + i + v * kLanes);
      sums[v] = Fma(x, x, sums[v]);
    }
  }
  float sum = SumLanes(Add(Add(sums[0], sums[1]), Add(sums[2], sums[3])));
  for (; i < n; ++i) sum += in[i] * in[i];
  const float factor = 1.0f / __builtin_sqrtf(sum / (float)n + epsilon);
  for (i = 0; i + kLanes <= n; i += kLanes) {
    Store(out + i, Mul(Mul(Load(in + i), Set(factor)), Load(weight + i)));
  }
  for (; i < n; ++i) out[i] = in[i] * factor * weight[i];
}

inline F Silu(F gate) { return Div(gate, Add(Set(1.0f), Exp(Sub(Zero(), gate)))); }

void SiluMul(const float *gate, const float *up, float *out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(out + i, Mul(Silu(Load(gate + i)), Load(up + i)));
  for (; i < n; ++i) {
    alignas(64) float lanes[kLanes];
    Store(lanes, Mul(Silu(Set(gate[i])), Set(up[i])));
    out[i] = lanes[0];
  }
}

void Scale(const float *in, float factor, float *out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] * factor;
}

void AddScaled(const float *in, float factor, float *out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] += in[i] * factor;
}

void ToF16(const float *in, uint16_t *out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) StoreF16(out + i, Load(in + i));
  if (i < n) {
    alignas(64) float lanes[kLanes] = {};
    alignas(64) uint16_t bits[kLanes];
    __builtin_memcpy(lanes, in + i, (size_t)(n - i) * 4);
    StoreF16(bits, Load(lanes));
    __builtin_memcpy(out + i, bits, (size_t)(n - i) * 2);
  }
}

void ToBF16(const float *in, uint16_t *out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    __builtin_memcpy(&bits, in + i, 4);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    const uint32_t quiet = bits >> 16 | 0x40u;
    out[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
}

// Lanes are added into doubles every 1024 values: a pairwise sum in effect.
LogitSums LogitSumsOf(const float *x, int64_t n) {
  LogitSums r{-__builtin_inf(), 0, 0, false};
  F most = Set(-__builtin_inff());
  F poison = Zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F v = Load(x + i);
    most = Max(most, v);
    // NaN for NaN and +inf; a masked -inf logit is legal.
    poison = Fma(Max(v, Zero()), Zero(), Add(poison, Select(IsNan(v), v, Zero())));
  }
  float maximum = MaxLanes(most), bad = SumLanes(poison);
  for (; i < n; ++i) {
    maximum = x[i] > maximum ? x[i] : maximum;
    if (x[i] != x[i]) bad = x[i];
    if (x[i] == __builtin_inff()) bad = __builtin_nanf("");
  }
  r.bad = bad != bad;
  r.maximum = maximum;
  if (r.bad || maximum == -__builtin_inff()) return r;
  i = 0;
  while (i < n) {
    const int64_t stop = i + 1024 < n ? i + 1024 : n;
    F sum = Zero(), weighted = Zero();
    float tail = 0, tail_weighted = 0;
    for (; i + kLanes <= stop; i += kLanes) {
      const F z = Sub(Load(x + i), Set(maximum));
      const F p = Exp(z);
      sum = Add(sum, p);
      // -inf * 0 would be NaN: such a token adds nothing.
      weighted = Fma(Max(z, Set(-1000.0f)), p, weighted);
    }
    for (; i < stop; ++i) {
      const float z = x[i] - maximum, p = ExpOne(z);
      tail += p;
      tail_weighted += (z > -1000.0f ? z : -1000.0f) * p;
    }
    r.sum += (double)SumLanes(sum) + (double)tail;
    r.weighted += (double)SumLanes(weighted) + (double)tail_weighted;
  }
  return r;
}

#ifndef RSN_OWN_INTERLEAVE4
void Interleave4(const uint8_t *const *rows, int64_t units, uint8_t *out) {
  for (int64_t u = 0; u < units; ++u, out += 4 * kGroupRows) {
    for (int r = 0; r < kGroupRows; ++r) __builtin_memcpy(out + 4 * r, rows[r] + 4 * u, 4);
  }
}
#endif

Kernels MakeKernels(const char *name) {
  Kernels k = {};
  k.name = name;
  k.best_tokens = kTileTokens;
  k.quantize = Quantize;
  k.dots[0] = DotsF32;
  k.dots[1] = DotsF16;
  k.dots[2] = DotsQ4_0;
  k.dots[3] = DotsQ4_1;
  k.dots[6] = DotsQ5_0;
  k.dots[7] = DotsQ5_1;
  k.dots[8] = DotsQ8_0;
  k.dots[12] = DotsQ4_K;
  k.dots[13] = DotsQ5_K;
  k.dots[14] = DotsQ6_K;
  k.dots[30] = DotsBF16;
  k.interleave4 = Interleave4;
  k.attend = Attend;
  k.merge = Merge;
  k.rms_norm = RmsNorm;
  k.silu_mul = SiluMul;
  k.scale = Scale;
  k.add_scaled = AddScaled;
  k.to_f16 = ToF16;
  k.to_bf16 = ToBF16;
  k.logit_sums = LogitSumsOf;
  return k;
}
