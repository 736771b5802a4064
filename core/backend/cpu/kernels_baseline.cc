// The kernels for any machine: four lanes of the compiler's portable vectors, no instruction beyond
// what the target's baseline has (SSE2 on x86-64). Multiply and add are rounded separately here.
#include "core/backend/cpu/kernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace raison::cpu {
namespace {

constexpr int kLanes = 4;
constexpr int kTileTokens = 4;
constexpr bool kHasDotSigned = true;

typedef float F __attribute__((vector_size(16)));
typedef int32_t I __attribute__((vector_size(16)));
typedef uint32_t U __attribute__((vector_size(16)));

inline F Zero() { return F{0, 0, 0, 0}; }
inline F Set(float x) { return F{x, x, x, x}; }
inline F Load(const float *p) {
  F v;
  __builtin_memcpy(&v, p, 16);
  return v;
}
inline void Store(float *p, F v) { __builtin_memcpy(p, &v, 16); }
inline F Add(F a, F b) { return a + b; }
inline F Sub(F a, F b) { return a - b; }
inline F Mul(F a, F b) { return a * b; }
inline F Div(F a, F b) { return a / b; }
inline F Fma(F a, F b, F c) { return a * b + c; }

inline I ZeroI() { return I{0, 0, 0, 0}; }
inline I SetI(int32_t x) { return I{x, x, x, x}; }
inline I LoadI(const void *p) {
  I v;
  __builtin_memcpy(&v, p, 16);
  return v;
}
inline void StoreI(int32_t *p, I v) { __builtin_memcpy(p, &v, 16); }
inline I AndI(I a, I b) { return a & b; }
inline I OrI(I a, I b) { return a | b; }
inline I XorI(I a, I b) { return a ^ b; }
inline I AddI(I a, I b) { return (I)((U)a + (U)b); }
inline I MulLow(I a, I b) { return (I)((U)a * (U)b); }
template <int n>
inline I ShiftLeft(I a) {
  return (I)((U)a << n);
}
template <int n>
inline I ShiftRight(I a) {
  return (I)((U)a >> n);
}
inline I ShiftRightBy(I a, int n) { return (I)((U)a >> (uint32_t)n); }

inline I IsLess(F a, F b) { return a < b; }
inline I IsNan(F a) { return a != a; }
inline F AsFloat(I a) { return (F)a; }
inline I AsInt(F a) { return (I)a; }
inline F Select(I mask, F a, F b) { return AsFloat((AsInt(a) & mask) | (AsInt(b) & ~mask)); }
// As the x86 instructions: the second operand where either is NaN.
inline F Max(F a, F b) { return Select(IsLess(b, a), a, b); }
inline F Min(F a, F b) { return Select(IsLess(a, b), a, b); }
inline F Abs(F a) { return AsFloat(AsInt(a) & SetI(0x7fffffff)); }
inline F ToFloat(I a) { return __builtin_convertvector(a, F); }
inline I ToIntNearest(F a) {
#if defined(__SSE2__)
  return (I)_mm_cvtps_epi32((__m128)a);
#else
  // |a| < 2^22 here: adding 1.5 * 2^23 rounds to the nearest even integer.
  return AsInt(a + Set(12582912.0f)) - SetI(0x4b400000);
#endif
}
inline float SumLanes(F a) { return (a[0] + a[2]) + (a[1] + a[3]); }
inline float MaxLanes(F a) {
  const float x = a[0] > a[2] ? a[0] : a[2], y = a[1] > a[3] ? a[1] : a[3];
  return x > y ? x : y;
}

inline I LoadU8(const uint8_t *p) { return I{p[0], p[1], p[2], p[3]}; }
inline I LoadS8(const uint8_t *p) {
  return I{(int8_t)p[0], (int8_t)p[1], (int8_t)p[2], (int8_t)p[3]};
}
inline U LoadU16(const void *p) {
  uint16_t h[4];
  __builtin_memcpy(h, p, 8);
  return U{h[0], h[1], h[2], h[3]};
}
// The magnitude's bits as an f32 with the wrong exponent, times 2^112: exact for subnormals too.
inline F LoadF16(const void *p) {
  const U h = LoadU16(p);
  const U magnitude = (h & 0x7fffu) << 13;
  const F value = (F)magnitude * Set(0x1p112f);
  const I special = (I)(magnitude >= 0x0f800000u);  // infinity and NaN keep their payload
  const F fixed = Select(special, (F)(magnitude | 0x7f800000u), value);
  return (F)((U)fixed | (h & 0x8000u) << 16);
}
inline F LoadBF16(const void *p) { return (F)(LoadU16(p) << 16); }
inline uint16_t OneToF16(float f) {
  uint32_t bits;
  __builtin_memcpy(&bits, &f, 4);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
  if (magnitude >= 0x38800000u) {
    const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
  }
  float value;
  __builtin_memcpy(&value, &magnitude, 4);
  value += 0.5f;  // whose last place is 2^-24, the smallest f16: the addition rounds
  __builtin_memcpy(&bits, &value, 4);
  return (uint16_t)(sign | (bits - 0x3f000000u));
}
inline void StoreF16(uint16_t *p, F v) {
  for (int i = 0; i < 4; ++i) p[i] = OneToF16(v[i]);
}

// Both kinds of codes: bytes widened to 16 bits, even and odd ones apart.
#if defined(__SSE2__)
inline I DotWide(I acc, __m128i even, __m128i odd, const int8_t *x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  const __m128i v = _mm_set1_epi32(four);
  const __m128i x_even = _mm_srai_epi16(_mm_slli_epi16(v, 8), 8), x_odd = _mm_srai_epi16(v, 8);
  return AddI(acc, (I)_mm_add_epi32(_mm_madd_epi16(even, x_even), _mm_madd_epi16(odd, x_odd)));
}
inline I Dot(I acc, I w, const int8_t *x) {
  const __m128i v = (__m128i)w;
  return DotWide(acc, _mm_and_si128(v, _mm_set1_epi16(0xff)), _mm_srli_epi16(v, 8), x);
}
inline I DotSigned(I acc, I w, const int8_t *x) {
  const __m128i v = (__m128i)w;
  return DotWide(acc, _mm_srai_epi16(_mm_slli_epi16(v, 8), 8), _mm_srai_epi16(v, 8), x);
}
#else
inline I Dot(I acc, I w, const int8_t *x) {
  for (int i = 0; i < 4; ++i) {
    const U shift = {(uint32_t)(8 * i), (uint32_t)(8 * i), (uint32_t)(8 * i), (uint32_t)(8 * i)};
    acc += (I)((U)w >> shift & 0xffu) * x[i];
  }
  return acc;
}
inline I DotSigned(I acc, I w, const int8_t *x) {
  for (int i = 0; i < 4; ++i) {
    const U shift = {(uint32_t)(24 - 8 * i), (uint32_t)(24 - 8 * i), (uint32_t)(24 - 8 * i),
                     (uint32_t)(24 - 8 * i)};
    acc += ((I)((U)w << shift) >> 24) * x[i];
  }
  return acc;
}
#endif

#include "core/backend/cpu/kernels_inl.h"

}  // namespace

const Kernels &BaselineKernels() {
  static const Kernels kernels = MakeKernels("baseline");
  return kernels;
}

}  // namespace raison::cpu
