// exp, and attention: one block of keys against the queries of one key head.
// Part of kernels_inl.h: included inside an unnamed namespace, after the vector primitives.

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

template <class Type>
void WidenTyped(const uint8_t *in, float *out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(out + i, Type::At(in + Type::kBytes * i));
  for (; i < n; ++i) out[i] = LoadOne<Type>(in + Type::kBytes * i, 0);
}

void Widen(CacheType type, const uint8_t *in, float *out, int64_t n) {
  if (type == CacheType::kF32) return WidenTyped<FloatF32>(in, out, n);
  if (type == CacheType::kF16) return WidenTyped<FloatF16>(in, out, n);
  WidenTyped<FloatBF16>(in, out, n);
}
