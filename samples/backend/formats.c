/* Rows of f32, f16 and Q8_0 (GGUF: blocks of 32, an f16 scale and 32 signed bytes). */
#include <math.h>
#include <string.h>

#include "example.h"

enum { BLOCK = 32, BLOCK_BYTES = 2 + BLOCK };

static float half_to_float(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const float fraction = (float)(half & 1023);
  float value;
  if (exponent == 31) {
    value = (half & 1023) != 0 ? NAN : INFINITY;
  } else if (exponent == 0) {
    value = ldexpf(fraction, -24);
  } else {
    value = ldexpf(1024 + fraction, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

/* To nearest, ties to even. */
static uint16_t float_to_half(float value) {
  const uint16_t sign = signbit(value) ? 0x8000 : 0;
  const float size = fabsf(value);
  int exponent;
  if (isnan(value)) return (uint16_t)(sign | 0x7e00);
  if (size >= 65520) return (uint16_t)(sign | 0x7c00);
  if (size < 0x1p-14f) return (uint16_t)(sign | (uint16_t)lrintf(size * 0x1p24f));
  frexpf(size, &exponent); /* size = f 2^exponent, f in [0.5, 1) */
  /* A fraction that rounds up to 2048 carries into the exponent by itself. */
  return (uint16_t)(sign | (((exponent + 13) << 10) + lrintf(ldexpf(size, 11 - exponent))));
}

int64_t row_bytes(uint32_t dtype, int64_t n) {
  switch (dtype) {
    case RSN_DTYPE_F32:
    case RSN_DTYPE_I32:
      return n * 4;
    case RSN_DTYPE_F16:
      return n * 2;
    case RSN_DTYPE_Q8_0:
      return n % BLOCK == 0 ? n / BLOCK * BLOCK_BYTES : -1;
    default:
      return -1;
  }
}

void decode_row(uint32_t dtype, const char *from, int64_t n, float *to) {
  if (dtype == RSN_DTYPE_F32) {
    memcpy(to, from, (size_t)n * 4);
    return;
  }
  float scale = 0;
  for (int64_t i = 0; i < n; ++i) {
    uint16_t half;
    if (dtype == RSN_DTYPE_F16) {
      memcpy(&half, from + 2 * i, 2);
      to[i] = half_to_float(half);
      continue;
    }
    const char *block = from + i / BLOCK * BLOCK_BYTES;
    if (i % BLOCK == 0) {
      memcpy(&half, block, 2);
      scale = half_to_float(half);
    }
    to[i] = scale * (float)(signed char)block[2 + i % BLOCK];
  }
}

void encode_row(uint32_t dtype, const float *from, int64_t n, char *to) {
  if (dtype == RSN_DTYPE_F32) {
    memcpy(to, from, (size_t)n * 4);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t half = float_to_half(from[i]);
    memcpy(to + 2 * i, &half, 2);
  }
}
