// exp, log and arithmetic on sums of two floats (hi + lo, about 2^-44), written out: the precision
// that Vulkan asks of a driver's own exp is 3 + 2 |x| units in the last place, of a division 2.5.
// Nothing here may be fused or reassociated, hence `precise`; products are split by Veltkamp's
// method, so it does not matter whether fma is one rounding or two.

vec2 QuickTwoSum(float a, float b) {  // |a| >= |b|
  precise float s = a + b;
  precise float e = b - (s - a);
  return vec2(s, e);
}
vec2 TwoSum(float a, float b) {
  precise float s = a + b;
  precise float t = s - a;
  precise float e = (a - (s - t)) + (b - t);
  return vec2(s, e);
}
vec2 TwoProduct(float a, float b) {
  precise float p = a * b;
  precise float ca = 4097.0 * a;
  precise float ah = ca - (ca - a);
  precise float al = a - ah;
  precise float cb = 4097.0 * b;
  precise float bh = cb - (cb - b);
  precise float bl = b - bh;
  precise float e = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
  return vec2(p, e);
}
vec2 Add2(vec2 a, vec2 b) {
  const vec2 s = TwoSum(a.x, b.x);
  precise float low = s.y + (a.y + b.y);
  return QuickTwoSum(s.x, low);
}
vec2 Multiply2(vec2 a, vec2 b) {
  const vec2 p = TwoProduct(a.x, b.x);
  precise float low = p.y + (a.x * b.y + a.y * b.x);
  return QuickTwoSum(p.x, low);
}
// Three steps of long division; b within [2^-100, 2^100].
vec2 Divide2(vec2 a, vec2 b) {
  const float q0 = a.x / b.x;
  const vec2 p0 = Multiply2(b, vec2(q0, 0));
  const vec2 r0 = Add2(a, -p0);
  const float q1 = r0.x / b.x;
  const vec2 p1 = Multiply2(b, vec2(q1, 0));
  const vec2 r1 = Add2(r0, -p1);
  const float q2 = r1.x / b.x;
  const vec2 q = QuickTwoSum(q0, q1);
  return Add2(q, vec2(q2, 0));
}

// 2^n for -126 <= n <= 127.
float PowerOfTwo(int n) { return uintBitsToFloat(uint(n + 127) << 23); }

// ln 2 = kLn2A + kLn2B + kLn2C; n * kLn2A is exact for |n| < 2^15.
const float kLn2A = 0.693359375;
const float kLn2B = -2.12194442e-4;
const float kLn2C = 1.9046544e-12;
const float kLog2E = 1.44269504;

// About one unit in the last place; subnormal results may be 0.
float Exp(float x) {
  if (IsNan(x)) return x;
  if (x > 88.8) return Infinity();
  if (x < -103.9) return 0.0;
  precise float turns = x * kLog2E + 0.5;  // fused or not would round to another n now and then
  const float n = floor(turns);
  precise float r = x - n * kLn2A;
  r = r - n * kLn2B;
  precise float p = 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r * r + r;
  p = p + 1.0;
  const int first = int(n) / 2;
  precise float result = p * PowerOfTwo(first) * PowerOfTwo(int(n) - first);
  return result;
}

// e^(x.x + x.y) within about 2^-29, for |x| < 80; clamped to [e^-80, e^80].
vec2 Exp2Parts(vec2 x) {
  if (IsNan(x.x)) return vec2(x.x, 0);
  if (x.x > 80.0) x = vec2(80, 0);
  if (x.x < -80.0) x = vec2(-80, 0);
  precise float turns = x.x * kLog2E + 0.5;
  const float n = floor(turns);
  precise float low = x.y - n * kLn2C;
  vec2 r = Add2(TwoSum(x.x, -n * kLn2A), TwoProduct(n, -kLn2B));
  r = Add2(r, vec2(low, 0));
  precise float p = 1.0 / 5040.0;
  p = p * r.x + 1.0 / 720.0;
  p = p * r.x + 1.0 / 120.0;
  p = p * r.x + 1.0 / 24.0;
  p = p * r.x + 1.0 / 6.0;
  p = p * r.x * r.x * r.x;
  const vec2 square = Multiply2(r, r) * 0.5;
  vec2 sum = Add2(vec2(p, 0), square);
  sum = Add2(sum, r);
  sum = Add2(vec2(1, 0), sum);
  return sum * PowerOfTwo(int(n));
}

// ln x for 2^-60 < x < 2^60: the driver's logarithm and one step of Newton's method.
float Log(vec2 x) {
  const float guess = log(x.x);
  const vec2 ratio = Multiply2(x, Exp2Parts(vec2(-guess, 0)));
  precise float rest = (ratio.x - 1.0) + ratio.y;
  return guess + rest;
}

// a / b with one rounding, for any a and b: Vulkan promises 2.5 units in the last place only.
float Divide(float a, float b) {
  const uint ea = floatBitsToUint(a) >> 23 & 0xffu, eb = floatBitsToUint(b) >> 23 & 0xffu;
  const float plain = a / b;
  const int e = int(ea) - int(eb);
  // Zeros, subnormals, no numbers, and results near the ends of the range.
  if (ea == 0u || ea == 255u || eb == 0u || eb == 255u || e < -120 || e > 120) return plain;
  const uint64_t ma = uint64_t((floatBitsToUint(a) & 0x7fffffu) | 0x800000u);
  const uint64_t mb = uint64_t((floatBitsToUint(b) & 0x7fffffu) | 0x800000u);
  const uint64_t numerator = ma << 26;  // the quotient lies in (2^25, 2^27)
  uint64_t q = numerator / mb;
  if (q * mb != numerator) q |= uint64_t(1);  // sticky
  const uint bits = uint(q);
  const uint drop = bits >= (1u << 26) ? 3u : 2u;  // down to 24 bits
  const uint rounded = (bits + (1u << (drop - 1u)) - 1u + (bits >> drop & 1u)) >> drop;
  // rounded may be 2^24: the exponent then grows by itself.
  const uint sign = (floatBitsToUint(a) ^ floatBitsToUint(b)) & 0x80000000u;
  return uintBitsToFloat(sign | uint((e + 127 + (drop == 3u ? 0 : -1) - 1) << 23) + rounded);
}

// z / (1 + e^-z) * up.
float SiluMul(float z, float up) {
  precise float low = 1.0 + Exp(-z);
  precise float s = z / low;
  return s * up;
}
