// The kernels for AVX2 with FMA and F16C: eight lanes. Compiled with those flags; nothing here may
// be inline in the linker's sense (see kernels.h).
#include <immintrin.h>

#include "core/backend/cpu/kernels.h"

namespace raison::cpu {
namespace {

constexpr int kLanes = 8;
constexpr int kTileTokens = 4;
constexpr bool kHasDotSigned = true;

typedef __m256 F;
typedef __m256i I;

inline F Zero() { return _mm256_setzero_ps(); }
inline F Set(float x) { return _mm256_set1_ps(x); }
inline F Load(const float *p) { return _mm256_loadu_ps(p); }
inline void Store(float *p, F v) { _mm256_storeu_ps(p, v); }
inline F Add(F a, F b) { return _mm256_add_ps(a, b); }
inline F Sub(F a, F b) { return _mm256_sub_ps(a, b); }
inline F Mul(F a, F b) { return _mm256_mul_ps(a, b); }
inline F Div(F a, F b) { return _mm256_div_ps(a, b); }
inline F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
inline F Max(F a, F b) { return _mm256_max_ps(a, b); }
inline F Min(F a, F b) { return _mm256_min_ps(a, b); }
inline F Abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }

inline I ZeroI() { return _mm256_setzero_si256(); }
inline I SetI(int32_t x) { return _mm256_set1_epi32(x); }
inline I LoadI(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
inline void StoreI(int32_t *p, I v) { _mm256_storeu_si256((__m256i *)p, v); }
inline I AndI(I a, I b) { return _mm256_and_si256(a, b); }
inline I OrI(I a, I b) { return _mm256_or_si256(a, b); }
inline I XorI(I a, I b) { return _mm256_xor_si256(a, b); }
inline I AddI(I a, I b) { return _mm256_add_epi32(a, b); }
inline I MulLow(I a, I b) { return _mm256_mullo_epi32(a, b); }
template <int n>
inline I ShiftLeft(I a) {
  return _mm256_slli_epi32(a, n);
}
template <int n>
inline I ShiftRight(I a) {
  return _mm256_srli_epi32(a, n);
}
inline I ShiftRightBy(I a, int n) { return _mm256_srl_epi32(a, _mm_cvtsi32_si128(n)); }

inline F IsLess(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
inline F IsNan(F a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
inline F Select(F m, F a, F b) { return _mm256_blendv_ps(b, a, m); }
inline F AsFloat(I a) { return _mm256_castsi256_ps(a); }
inline F ToFloat(I a) { return _mm256_cvtepi32_ps(a); }
inline I ToIntNearest(F a) { return _mm256_cvtps_epi32(a); }
inline float SumLanes(F a) {
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
inline float MaxLanes(F a) {
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

inline I LoadU8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
inline I LoadS8(const uint8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
inline F LoadF16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
inline F LoadBF16(const void *p) {
  return AsFloat(ShiftLeft<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p))));
}
inline void StoreF16(uint16_t *p, F v) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

inline I Broadcast4(const int8_t *x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  return _mm256_set1_epi32(four);
}
// Codes up to 127 on the unsigned side: pair sums stay below 32767, where vpmaddubsw would saturate.
inline I Dot(I acc, I w, const int8_t *x) {
  const I pairs = _mm256_maddubs_epi16(w, Broadcast4(x));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// The sign moves to the activation, which is never -128; |-128| = 128 is right as an unsigned byte,
// and 2 * 128 * 127 still fits.
inline I DotSigned(I acc, I w, const int8_t *x) {
  const I pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(Broadcast4(x), w));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "core/backend/cpu/kernels_inl.h"

}  // namespace

const Kernels &Avx2Kernels() {
  static const Kernels kernels = MakeKernels("avx2");
  return kernels;
}

}  // namespace raison::cpu
