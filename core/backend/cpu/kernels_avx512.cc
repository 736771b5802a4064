// The kernels for AVX-512 with VNNI: sixteen lanes. Compiled with those flags; nothing here may be
// inline in the linker's sense (see kernels.h).
#include <immintrin.h>

#include "core/backend/cpu/kernels.h"

namespace raison::cpu {
namespace {

constexpr int kLanes = 16;
constexpr int kTileTokens = 16;
constexpr bool kHasDotSigned = false;  // vpdpbusd wants one unsigned side

typedef __m512 F;
typedef __m512i I;
typedef __mmask16 Mask;

inline F Zero() { return _mm512_setzero_ps(); }
inline F Set(float x) { return _mm512_set1_ps(x); }
inline F Load(const float *p) { return _mm512_loadu_ps(p); }
inline void Store(float *p, F v) { _mm512_storeu_ps(p, v); }
inline F Add(F a, F b) { return _mm512_add_ps(a, b); }
inline F Sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F Div(F a, F b) { return _mm512_div_ps(a, b); }
inline F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F Max(F a, F b) { return _mm512_max_ps(a, b); }
inline F Min(F a, F b) { return _mm512_min_ps(a, b); }
inline F Abs(F a) { return _mm512_abs_ps(a); }

inline I ZeroI() { return _mm512_setzero_si512(); }
inline I SetI(int32_t x) { return _mm512_set1_epi32(x); }
inline I LoadI(const void *p) { return _mm512_loadu_si512(p); }
inline void StoreI(int32_t *p, I v) { _mm512_storeu_si512(p, v); }
inline I AndI(I a, I b) { return _mm512_and_si512(a, b); }
inline I OrI(I a, I b) { return _mm512_or_si512(a, b); }
inline I XorI(I a, I b) { return _mm512_xor_si512(a, b); }
inline I AddI(I a, I b) { return _mm512_add_epi32(a, b); }
inline I MulLow(I a, I b) { return _mm512_mullo_epi32(a, b); }
template <int n>
inline I ShiftLeft(I a) {
  return _mm512_slli_epi32(a, n);
}
template <int n>
inline I ShiftRight(I a) {
  return _mm512_srli_epi32(a, n);
}
inline I ShiftRightBy(I a, int n) { return _mm512_srl_epi32(a, _mm_cvtsi32_si128(n)); }

inline Mask IsLess(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline Mask IsNan(F a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
inline F Select(Mask m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }
inline F AsFloat(I a) { return _mm512_castsi512_ps(a); }
inline F ToFloat(I a) { return _mm512_cvtepi32_ps(a); }
inline I ToIntNearest(F a) { return _mm512_cvtps_epi32(a); }
inline float SumLanes(F a) { return _mm512_reduce_add_ps(a); }
inline float MaxLanes(F a) { return _mm512_reduce_max_ps(a); }

inline I LoadU8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
inline I LoadS8(const uint8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
inline F LoadF16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
inline F LoadBF16(const void *p) {
  return AsFloat(ShiftLeft<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p))));
}
inline void StoreF16(uint16_t *p, F v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

inline I Dot(I acc, I w, const int8_t *x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  return _mm512_dpbusd_epi32(acc, w, _mm512_set1_epi32(four));
}

inline I DotSigned(I acc, I, const int8_t *) { return acc; }  // never instantiated

// A 16 x 16 transposition of 32-bit units.
inline void Transpose(I r[16]) {
  I t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

#define RSN_OWN_INTERLEAVE4
void Interleave4(const uint8_t *const *rows, int64_t units, uint8_t *out) {
  for (int64_t u = 0; u < units; u += 16) {
    const int64_t left = units - u;
    const Mask mask = left >= 16 ? 0xffff : (Mask)((1u << left) - 1);
    I r[16];
    for (int i = 0; i < 16; ++i) r[i] = _mm512_maskz_loadu_epi32(mask, rows[i] + 4 * u);
    Transpose(r);
    for (int i = 0; i < 16; ++i) {
      if (i < left) _mm512_storeu_si512(out + 64 * (u + i), r[i]);
    }
  }
}

#define RSN_OWN_TRANSPOSE
inline void TransposeSquare(F *r) {
  I t[16];
  for (int i = 0; i < 16; ++i) t[i] = _mm512_castps_si512(r[i]);
  Transpose(t);
  for (int i = 0; i < 16; ++i) r[i] = _mm512_castsi512_ps(t[i]);
}

#include "core/backend/cpu/kernels_inl.h"

}  // namespace

const Kernels &Avx512Kernels() {
  static const Kernels kernels = MakeKernels("avx512");
  return kernels;
}

}  // namespace raison::cpu
