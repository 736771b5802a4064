#version 450
// rope_table: angles modulo a turn in 64-bit fixed point. frequency / (2 pi) is a fraction of 2^64
// to the last bit, so position * fraction, which wraps as turns do, is off by at most position / 2^64
// of a turn. No f64 is needed.
#include "common.glsl"
#include "math.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t positions, frequencies, target, frequency_row, target_row, target_pair;
  uint rows, pairs;
  float magnitude;
} p;

const uint64_t kTwoOverPi = 0xA2F9836E4E441529ul;  // times 2^64

uint64_t MultiplyHigh(uint64_t a, uint64_t b) {
  const uint64_t mask = 0xfffffffful;
  const uint64_t low = (a & mask) * (b & mask);
  const uint64_t first = (a >> 32) * (b & mask) + (low >> 32);
  const uint64_t second = (a & mask) * (b >> 32) + (first & mask);
  return (a >> 32) * (b >> 32) + (first >> 32) + (second >> 32);
}

// |f| * 2^shift, rounded towards zero; f normal or zero.
uint64_t Fixed(float f, int shift) {
  const uint bits = floatBitsToUint(f);
  const int exponent = int(bits >> 23 & 0xffu);
  if (exponent == 0) return 0ul;
  const uint64_t significand = uint64_t((bits & 0x7fffffu) | 0x800000u);
  const int by = exponent - 150 + shift;
  if (by >= 0) return by < 64 ? significand << by : 0ul;
  return by > -64 ? significand >> -by : 0ul;
}

void main() {
  const uint64_t index = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  if (index >= uint64_t(p.rows) * uint64_t(p.pairs)) return;
  const uint row = uint(index / uint64_t(p.pairs)), pair = uint(index % uint64_t(p.pairs));
  Floats parts = Floats(p.frequencies + uint64_t(pair) * p.frequency_row);
  Floats target = Floats(p.target + uint64_t(row) * p.target_row + uint64_t(pair) * p.target_pair);
  const float high = parts.v[0], low = parts.v[1];
  const int exponent = int(floatBitsToUint(high) >> 23 & 0xffu) - 127;
  if (exponent > 40) {  // also NaN and infinity: no frequency of a rotation
    const float nan = uintBitsToFloat(0x7fc00000u);
    target.v[0] = nan;
    target.v[1] = nan;
    return;
  }
  // The frequency in units of 2^-62, or of 2^(extra - 62) where it is 2 or more.
  const int extra = max(exponent, 0);
  uint64_t frequency = Fixed(high, 62 - extra);
  const bool negative = high < 0.0;
  const uint64_t rest = Fixed(low, 62 - extra);
  frequency = (low < 0.0) == negative ? frequency + rest : frequency - rest;
  const uint64_t turn = MultiplyHigh(frequency, kTwoOverPi) << extra;  // per position, of 2^64
  const int64_t position = int64_t(Ints(p.positions).v[row]);
  const uint64_t turns = uint64_t(negative ? -position : position) * turn;
  const uint64_t quadrant = (turns + (1ul << 61)) >> 62;
  const int64_t offset = int64_t(turns - (quadrant << 62));  // within an eighth of a turn
  const int top = int(offset >> 30);
  const vec2 steps = TwoSum(float(top >> 16) * 65536.0, float(top & 0xffff));
  // 2 pi / 2^34 as two floats.
  const vec2 angle = Multiply2(steps, vec2(6.28318548202514648, -1.74845553146495e-7) *
                                          uintBitsToFloat(0x2e800000u));
  precise float z = angle.x * angle.x;
  precise float s = 1.0 / 362880.0;
  s = s * z - 1.0 / 5040.0;
  s = s * z + 1.0 / 120.0;
  s = s * z - 1.0 / 6.0;
  precise float sine = angle.x + (s * z * angle.x + angle.y * (1.0 - 0.5 * z));
  precise float c = -1.0 / 3628800.0;
  c = c * z + 1.0 / 40320.0;
  c = c * z - 1.0 / 720.0;
  c = c * z + 1.0 / 24.0;
  precise float half_z = 0.5 * z;
  precise float near_one = 1.0 - half_z;
  precise float cosine = near_one + (((1.0 - near_one) - half_z) + (c * z * z - angle.x * angle.y));
  const uint q = uint(quadrant) & 3u;
  const float u = (q & 1u) == 0u ? cosine : sine;
  const float v = (q & 1u) == 0u ? sine : cosine;
  target.v[0] = (q == 1u || q == 2u ? -u : u) * p.magnitude;
  target.v[1] = (q >= 2u ? -v : v) * p.magnitude;
}
