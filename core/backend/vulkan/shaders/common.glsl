// What every shader shares: memory by address, the flat group number, sums over a workgroup with a
// fixed order of additions, and the conversions of 16-bit floats in integer arithmetic (drivers may
// flush subnormals or round otherwise). All memory is reached by device address: a buffer may be
// larger than the range that a descriptor could bind.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_control_flow_attributes : require
#ifdef INTEGER_DOT
#extension GL_EXT_spirv_intrinsics : require
#endif

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Ints { int v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Vectors { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 2) buffer Halves { uint16_t v[]; };

const uint kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ4_1 = 3, kQ5_0 = 6, kQ5_1 = 7, kQ8_0 = 8, kQ4_K = 12,
           kQ5_K = 13, kQ6_K = 14, kBF16 = 30;

// Groups are counted over x and y: most devices allow no more than 65535 in one dimension.
uint GroupIndex() { return gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x; }

float Infinity() { return uintBitsToFloat(0x7f800000u); }
bool IsNan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
bool IsMinusInfinity(float x) { return floatBitsToUint(x) == 0xff800000u; }

float FromF16(uint h) {
  const uint sign = (h & 0x8000u) << 16;
  const uint magnitude = h & 0x7fffu;
  if (magnitude >= 0x7c00u) return uintBitsToFloat(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x0400u) return uintBitsToFloat(sign | ((magnitude << 13) + 0x38000000u));
  const float value = float(magnitude) * uintBitsToFloat(0x33800000u);  // 2^-24: exact
  return uintBitsToFloat(sign | floatBitsToUint(value));
}
float FromBF16(uint h) { return uintBitsToFloat(h << 16); }

// To nearest, ties to even; NaNs stay NaNs.
uint ToF16(float f) {
  const uint bits = floatBitsToUint(f);
  const uint sign = bits >> 16 & 0x8000u;
  const uint magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x47800000u) return sign | 0x7c00u;
  if (magnitude >= 0x38800000u) {
    return sign | (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  }
  const uint shift = 126u - (magnitude >> 23);  // of the 24-bit significand; 14 or more
  if (shift > 25u) return sign;
  const uint significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint half_ulp = 1u << (shift - 1u);
  return sign | (significand + half_ulp - 1u + (significand >> shift & 1u)) >> shift;
}
uint ToBF16(float f) {
  const uint bits = floatBitsToUint(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

// Four bytes at any alignment. May read up to 7 bytes beyond: buffers are padded.
uint WordAt(uint64_t address) {
  const uint shift = (uint(address) & 3u) * 8u;
  Words w = Words(address & ~uint64_t(3));
  if (shift == 0u) return w.v[0];
  return w.v[0] >> shift | w.v[1] << (32u - shift);
}
uint HalfAt(uint64_t address) {  // an even one
  return Words(address & ~uint64_t(3)).v[0] >> (uint(address) & 2u) * 8u & 0xffffu;
}

#ifdef GROUP
shared float group_floats[GROUP];
// The value of every invocation, added in the same tree whatever the values.
float GroupSum(float value) {
  const uint t = gl_LocalInvocationIndex;
  group_floats[t] = value;
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    if (t < s) group_floats[t] += group_floats[t + s];
    barrier();
  }
  const float sum = group_floats[0];
  barrier();
  return sum;
}
// NaNs are passed over.
float GroupMax(float value) {
  const uint t = gl_LocalInvocationIndex;
  group_floats[t] = IsNan(value) ? -Infinity() : value;
  barrier();
  for (uint s = GROUP / 2u; s > 0u; s >>= 1) {
    if (t < s && group_floats[t + s] > group_floats[t]) group_floats[t] = group_floats[t + s];
    barrier();
  }
  const float largest = group_floats[0];
  barrier();
  return largest;
}
#endif
