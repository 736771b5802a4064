// Dot products of one weight row with up to ROWS rows of activations by 32 invocations (x), four
// outputs (y) to a workgroup. Needs octet.glsl.
layout(constant_id = 1) const uint ROWS = 1;     // 1, 2, 4 or 8
layout(constant_id = 2) const uint ALIGNED = 0;  // 1: activation rows begin at 16 bytes

shared float partial[4u * ROWS * 33u];

void LoadActivations(uint64_t row, uint octet, uint count, out float x[8]) {
  if (ALIGNED != 0u && count == 8u) {
    Vectors v = Vectors(row + uint64_t(octet) * 32ul);
    const vec4 a = v.v[0], b = v.v[1];
    x = float[8](a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w);
  } else {
    Floats f = Floats(row + uint64_t(octet) * 32ul);
    for (uint i = 0u; i < 8u; ++i) x[i] = i < count ? f.v[i] : 0.0;
  }
}

// sums[r] += this invocation's share of weight . rows[r].
void AddDots(uint type, uint64_t weight, uint64_t rows[ROWS], uint width, inout float sums[ROWS]) {
  const uint octets = (width + 7u) / 8u;
  for (uint octet = gl_LocalInvocationID.x; octet < octets; octet += 32u) {
    float w[8];
    LoadOctet(type, weight, octet, w);
    const uint count = min(8u, width - octet * 8u);
    for (uint i = count; i < 8u; ++i) w[i] = 0.0;
    [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
      float x[8];
      LoadActivations(rows[r], octet, count, x);
      precise float sum = sums[r];
      [[unroll]] for (uint i = 0u; i < 8u; ++i) sum = fma(w[i], x[i], sum);
      sums[r] = sum;
    }
  }
}

#ifdef COMPENSATED
// The same for one row, as two floats: what follows may amplify a rounding of the sum (silu of sums
// that cancel).
void AddDot2(uint type, uint64_t weight, uint64_t row, uint width, inout vec2 sum) {
  const uint octets = (width + 7u) / 8u;
  for (uint octet = gl_LocalInvocationID.x; octet < octets; octet += 32u) {
    float w[8], x[8];
    LoadOctet(type, weight, octet, w);
    const uint count = min(8u, width - octet * 8u);
    LoadActivations(row, octet, count, x);
    precise float a = 0.0, b = 0.0;
    [[unroll]] for (uint i = 0u; i < 8u; i += 2u) {
      if (i < count) a = fma(w[i], x[i], a);
      if (i + 1u < count) b = fma(w[i + 1u], x[i + 1u], b);
    }
    sum = Add2(sum, TwoSum(a, b));
  }
}

shared vec2 partial2[4u * 33u];
// Of invocation t < 4: the total of output t.
float Reduce2(vec2 sum) {
  barrier();
  partial2[gl_LocalInvocationID.y * 33u + gl_LocalInvocationID.x] = sum;
  barrier();
  const uint t = gl_LocalInvocationIndex;
  if (t >= 4u) return 0.0;
  vec2 total = vec2(0, 0);
  for (uint i = 0u; i < 32u; ++i) total = Add2(total, partial2[t * 33u + i]);
  return total.x + total.y;
}
#endif

// Of invocation t < 4 ROWS: the total of output t / ROWS and row t % ROWS.
float Reduce(float sums[ROWS]) {
  barrier();
  [[unroll]] for (uint r = 0u; r < ROWS; ++r) {
    partial[(gl_LocalInvocationID.y * ROWS + r) * 33u + gl_LocalInvocationID.x] = sums[r];
  }
  barrier();
  const uint t = gl_LocalInvocationIndex;
  if (t >= 4u * ROWS) return 0.0;
  precise float a = 0.0, b = 0.0, c = 0.0, d = 0.0;
  for (uint i = 0u; i < 32u; i += 4u) {
    a += partial[t * 33u + i];
    b += partial[t * 33u + i + 1u];
    c += partial[t * 33u + i + 2u];
    d += partial[t * 33u + i + 3u];
  }
  precise float total = (a + b) + (c + d);
  return total;
}
