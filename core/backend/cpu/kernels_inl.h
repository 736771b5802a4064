// The loops of kernels.h over the vector primitives of one instruction level. Included once by each
// kernels_<level>.cc inside its own unnamed namespace, after the primitives:
//   kLanes; F (kLanes x f32), I (kLanes x i32), Zero, Set, Load, Store, Add, Sub, Mul, Div, Fma, Max,
//   Select(mask, a, b), IsLess, ToFloat, ToIntNearest, ZeroI, SetI, LoadI, AndI, OrI, XorI, AddI,
//   ShiftLeft<n>, ShiftRight<n> (logical), LoadU8, LoadS8, LoadF16, LoadBF16 (kLanes values, widened),
//   Dot (u8 x s8), DotSigned (s8 x s8) when kHasDotSigned, SumLanes, MaxLanes, StoreF16.
// Uses no std:: template: an instance made here could be linked into baseline code.

#include "core/backend/cpu/kernels_dots_inl.h"

#include "core/backend/cpu/kernels_attention_inl.h"

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
  k.widen = Widen;
  k.logit_sums = LogitSumsOf;
  return k;
}
