#version 450
// Rows of activations as int8: blocks of 32 with their step (largest magnitude / 127) and the sum of
// their codes. GATED: of silu(source) * up, dense rows both. One invocation per block. A block with
// a NaN or an infinity gives NaN, one below 1e-35 zeros.
#include "common.glsl"
#include "math.glsl"
layout(constant_id = 0) const uint GATED = 0;
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint64_t source, up, codes, scales, source_row, source_batch;
  uint rows, batch, width;
} p;

float Value(Floats source, Floats up, uint i) {
  return GATED != 0u ? SiluMul(source.v[i], up.v[i]) : source.v[i];
}

void main() {
  const uint blocks = p.width / 32u;
  const uint64_t n = uint64_t(GroupIndex()) * 64ul + uint64_t(gl_LocalInvocationIndex);
  if (n >= uint64_t(p.rows) * uint64_t(p.batch) * uint64_t(blocks)) return;
  const uint64_t row = n / uint64_t(blocks);
  const uint64_t at = row / uint64_t(p.batch) * p.source_row + row % uint64_t(p.batch) * p.source_batch +
                      n % uint64_t(blocks) * 128ul;
  Floats source = Floats(p.source + at);
  Floats up = Floats(p.up + at);
  float most = 0.0;
  bool finite = true;
  for (uint i = 0u; i < 32u; ++i) {
    const float x = abs(Value(source, up, i));
    finite = finite && floatBitsToUint(x) < 0x7f800000u;
    most = max(most, x);
  }
  const bool zero = !(most >= 1e-35);
  const float inverse = finite && !zero ? Divide(127.0, most) : 0.0;
  int sum = 0;
  Words codes = Words(p.codes + n * 32ul);
  for (uint w = 0u; w < 8u; ++w) {
    uint word = 0u;
    for (uint i = 0u; i < 4u; ++i) {
      precise float scaled = Value(source, up, w * 4u + i) * inverse;
      const int code = finite ? int(roundEven(scaled)) : 0;
      sum += code;
      word |= (uint(code) & 0xffu) << 8u * i;
    }
    codes.v[w] = word;
  }
  Words scales = Words(p.scales + n * 8ul);
  scales.v[0] = floatBitsToUint(!finite ? uintBitsToFloat(0x7fc00000u) : zero ? 0.0 : Divide(most, 127.0));
  scales.v[1] = uint(sum);
}
