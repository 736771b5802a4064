// The kernels for aarch64 with dot products: four lanes. Compiled with those flags; nothing here may
// be inline in the linker's sense (see kernels.h).
#include <arm_neon.h>

#include "core/backend/cpu/kernels.h"

namespace raison::cpu {
namespace {

constexpr int kLanes = 4;
constexpr int kTileTokens = 8;
constexpr bool kHasDotSigned = true;

typedef float32x4_t F;
typedef int32x4_t I;
typedef uint32x4_t Mask;

inline F Zero() { return vdupq_n_f32(0); }
inline F Set(float x) { return vdupq_n_f32(x); }
inline F Load(const float *p) { return vld1q_f32(p); }
inline void Store(float *p, F v) { vst1q_f32(p, v); }
inline F Add(F a, F b) { return vaddq_f32(a, b); }
inline F Sub(F a, F b) { return vsubq_f32(a, b); }
inline F Mul(F a, F b) { return vmulq_f32(a, b); }
inline F Div(F a, F b) { return vdivq_f32(a, b); }
inline F Fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
inline Mask IsLess(F a, F b) { return vcltq_f32(a, b); }
inline Mask IsNan(F a) { return vmvnq_u32(vceqq_f32(a, a)); }
inline F Select(Mask m, F a, F b) { return vbslq_f32(m, a, b); }
// As the x86 instructions: the second operand where either is NaN.
inline F Max(F a, F b) { return Select(vcgtq_f32(a, b), a, b); }
inline F Min(F a, F b) { return Select(vcltq_f32(a, b), a, b); }
inline F Abs(F a) { return vabsq_f32(a); }

inline I ZeroI() { return vdupq_n_s32(0); }
inline I SetI(int32_t x) { return vdupq_n_s32(x); }
inline I LoadI(const void *p) { return vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)p)); }
inline void StoreI(int32_t *p, I v) { vst1q_s32(p, v); }
inline I AndI(I a, I b) { return vandq_s32(a, b); }
inline I OrI(I a, I b) { return vorrq_s32(a, b); }
inline I XorI(I a, I b) { return veorq_s32(a, b); }
inline I AddI(I a, I b) { return vaddq_s32(a, b); }
inline I MulLow(I a, I b) { return vmulq_s32(a, b); }
inline I ShiftBy(I a, int n) {
  return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(n)));
}
template <int n>
inline I ShiftLeft(I a) {
  return ShiftBy(a, n);
}
template <int n>
inline I ShiftRight(I a) {
  return ShiftBy(a, -n);
}
inline I ShiftRightBy(I a, int n) { return ShiftBy(a, -n); }

inline F AsFloat(I a) { return vreinterpretq_f32_s32(a); }
inline F ToFloat(I a) { return vcvtq_f32_s32(a); }
inline I ToIntNearest(F a) { return vcvtnq_s32_f32(a); }
inline float SumLanes(F a) {
  const float32x2_t pairs = vadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vget_lane_f32(pairs, 0) + vget_lane_f32(pairs, 1);
}
inline float MaxLanes(F a) { return vmaxvq_f32(a); }

inline uint16x4_t Widen(const uint8_t *p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vget_low_u16(vmovl_u8(vcreate_u8(four)));
}
inline I LoadU8(const uint8_t *p) { return vreinterpretq_s32_u32(vmovl_u16(Widen(p))); }
inline I LoadS8(const uint8_t *p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four))));
}
inline uint16x4_t LoadU16(const void *p) {
  uint64_t four;
  __builtin_memcpy(&four, p, 8);
  return vcreate_u16(four);
}
inline F LoadF16(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u16(LoadU16(p))); }
inline F LoadBF16(const void *p) { return vreinterpretq_f32_u32(vshll_n_u16(LoadU16(p), 16)); }
inline void StoreF16(uint16_t *p, F v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }

inline int8x16_t Broadcast4(const int8_t *x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
// Unsigned codes stay below 128: the signed product serves both kinds.
inline I DotSigned(I acc, I w, const int8_t *x) {
  return vdotq_s32(acc, vreinterpretq_s8_s32(w), Broadcast4(x));
}
inline I Dot(I acc, I w, const int8_t *x) { return DotSigned(acc, w, x); }

#include "core/backend/cpu/kernels_inl.h"

}  // namespace

const Kernels &NeonKernels() {
  static const Kernels kernels = MakeKernels("neon");
  return kernels;
}

}  // namespace raison::cpu
