#include "core/base/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/blocks.h"
#include "core/base/half.h"

namespace raison {
namespace {

// Below this a block is all zeros: dividing by it would overflow.
constexpr float kTiny = 1e-15f;

// Adding and subtracting 1.5 * 2^23 leaves no bits behind the point: nearest, ties to even, quicker
// than a call of the library, and may be vectorised.
constexpr float kRound = 12582912.0f;

// Nearest integer in [low, high]; a NaN gives low.
int Nearest(float x, int low, int high) {
  x = x > static_cast<float>(low) ? x : static_cast<float>(low);
  x = x < static_cast<float>(high) ? x : static_cast<float>(high);
  return static_cast<int>((x + kRound) - kRound);
}
// Nearest integer in [-127, 127], ties away from zero; a NaN gives 0.
int NearestAway(float x) {
  const float magnitude = std::fabs(x) < 127 ? std::fabs(x) + 0.5f : 127;
  return x != x ? 0 : static_cast<int>(std::copysign(magnitude, x));
}
// x truncated to int and kept in [0, high]; a NaN gives 0.
int Truncate(float x, int high) {
  return x >= static_cast<float>(high) ? high : x > 0 ? static_cast<int>(x) : 0;
}

float LargestMagnitude(const float* x, int n) {  // signed, the first one on ties
  float best = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(best)) best = x[i];
  }
  return best;
}

void Block(const float* x, BlockQ8_0& b) {
  const float d = std::fabs(LargestMagnitude(x, 32)) / 127;
  const float inverse = d != 0 ? 1 / d : 0;
  b.d = F32ToF16(d);
  for (int j = 0; j < 32; ++j) {
    b.qs[j] = static_cast<int8_t>(NearestAway(x[j] * inverse));
  }
}

// Codes of the 32 weights for the largest-magnitude types (offset: 8 or 16).
uint16_t SymmetricCodes(const float* x, int offset, int codes[32]) {
  const float d = LargestMagnitude(x, 32) / static_cast<float>(-offset);
  const float inverse = d != 0 ? 1 / d : 0;
  for (int j = 0; j < 32; ++j) {
    codes[j] = Truncate(x[j] * inverse + (static_cast<float>(offset) + 0.5f), 2 * offset - 1);
  }
  return F32ToF16(d);
}

struct ScaleAndMin {
  uint16_t d, m;
};
ScaleAndMin AsymmetricCodes(const float* x, int levels, int codes[32]) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const float min = *low, d = (*high - min) / static_cast<float>(levels);
  const float inverse = d != 0 ? 1 / d : 0;
  for (int j = 0; j < 32; ++j) codes[j] = Truncate((x[j] - min) * inverse + 0.5f, levels);
  return {F32ToF16(d), F32ToF16(min)};
}

void PackNibbles(const int codes[32], uint8_t qs[16]) {
  for (int j = 0; j < 16; ++j) {
    qs[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }
}
uint32_t FifthBits(const int codes[32]) {
  uint32_t bits = 0;
  for (int j = 0; j < 32; ++j) bits |= static_cast<uint32_t>(codes[j] >> 4 & 1) << j;
  return bits;
}

void Block(const float* x, BlockQ4_0& b) {
  int codes[32];
  b.d = SymmetricCodes(x, 8, codes);
  PackNibbles(codes, b.qs);
}
void Block(const float* x, BlockQ5_0& b) {
  int codes[32];
  b.d = SymmetricCodes(x, 16, codes);
  b.qh = FifthBits(codes);
  PackNibbles(codes, b.qs);
}
void Block(const float* x, BlockQ4_1& b) {
  int codes[32];
  const ScaleAndMin s = AsymmetricCodes(x, 15, codes);
  b.d = s.d;
  b.m = s.m;
  PackNibbles(codes, b.qs);
}
void Block(const float* x, BlockQ5_1& b) {
  int codes[32];
  const ScaleAndMin s = AsymmetricCodes(x, 31, codes);
  b.d = s.d;
  b.m = s.m;
  b.qh = FifthBits(codes);
  PackNibbles(codes, b.qs);
}

// Sums run in eight lanes, so that the compiler may keep them in vectors without changing an order.
constexpr int kLanes = 8;
struct Lanes {
  float v[kLanes] = {};
  float Sum() const { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }
};

// x ~ scale * code - min with codes 0..levels and min >= 0, weighted least squares over a sweep of
// starting scales.
struct Fit {
  float scale = 0, min = 0;
};
struct Sweep {
  int levels;
  float start, step;
  int steps;
};

class AsymmetricSearch {
 public:
  AsymmetricSearch(const float* x, const float* w, const Sweep& sweep)
      : x_(x), w_(w), sweep_(sweep), levels_(static_cast<float>(sweep.levels)) {}

  Fit Run() {
    low_ = std::min(*std::min_element(x_, x_ + 32), 0.0f);
    const float high = *std::max_element(x_, x_ + 32);
    if (!(high > low_)) return {0, -low_};
    Lanes sum_w, sum_wx;
    for (int i = 0; i < 32; ++i) {
      sum_w.v[i % kLanes] += w_[i];
      sum_wx.v[i % kLanes] += w_[i] * x_[i];
    }
    const float range = high - low_, w = sum_w.Sum(), wx = sum_wx.Sum();
    Assign(levels_ / range);
    float scale = range / levels_, min = low_, best = Error(scale, min);
    for (int step = 0; step <= sweep_.steps; ++step) {
      Assign((sweep_.start + sweep_.step * static_cast<float>(step) + levels_) / range);
      Lanes sum_l, sum_l2, sum_xl;
      for (int i = 0; i < 32; i += kLanes) {
        for (int lane = 0; lane < kLanes; ++lane) {
          const float l = codes_[i + lane], wl = w_[i + lane] * l;
          sum_l.v[lane] += wl;
          sum_l2.v[lane] += wl * l;
          sum_xl.v[lane] += wl * x_[i + lane];
        }
      }
      const float l = sum_l.Sum(), l2 = sum_l2.Sum(), xl = sum_xl.Sum();
      const float determinant = w * l2 - l * l;
      if (!(determinant > 0)) continue;
      float s = (w * xl - wx * l) / determinant, m = (l2 * wx - l * xl) / determinant;
      if (m > 0) {
        m = 0;
        s = xl / l2;
      }
      const float error = Error(s, m);
      if (error < best) {
        best = error;
        scale = s;
        min = m;
      }
    }
    return {scale, -min};
  }

 private:
  void Assign(float inverse) {
    for (int i = 0; i < 32; ++i) {
      float code = inverse * (x_[i] - low_);
      code = code > 0 ? code : 0;
      code = code < levels_ ? code : levels_;
      codes_[i] = (code + kRound) - kRound;
    }
  }
  float Error(float scale, float min) const {
    Lanes sum;
    for (int i = 0; i < 32; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const float d = scale * codes_[i + lane] + min - x_[i + lane];
        sum.v[lane] += w_[i + lane] * d * d;
      }
    }
    return sum.Sum();
  }

  const float* x_;  // (32)
  const float* w_;  // (32)
  const Sweep& sweep_;
  const float levels_;
  float low_ = 0;
  float codes_[32];
};

struct SuperScales {
  uint16_t d, dmin;
  uint8_t sc[8], mn[8];
};

// Scales of Q4_K and Q5_K for 256 weights, and the codes against the scales as stored.
SuperScales SuperBlock(const float* x, const Sweep& sweep, uint8_t codes[256]) {
  Fit fits[8];
  float max_scale = 0, max_min = 0;
  for (int k = 0; k < 8; ++k) {
    const float* part = x + 32 * k;
    float sum = 0, w[32];
    for (int i = 0; i < 32; ++i) sum += part[i] * part[i];
    const float mean = std::sqrt(sum / 32);
    for (int i = 0; i < 32; ++i) w[i] = mean + std::fabs(part[i]);
    fits[k] = AsymmetricSearch(part, w, sweep).Run();
    max_scale = std::max(max_scale, fits[k].scale);
    max_min = std::max(max_min, fits[k].min);
  }
  SuperScales s{.d = F32ToF16(max_scale / 63), .dmin = F32ToF16(max_min / 63)};
  const float to_scale = max_scale > 0 ? 63 / max_scale : 0;
  const float to_min = max_min > 0 ? 63 / max_min : 0;
  const float d = F16ToF32(s.d), dmin = F16ToF32(s.dmin);
  for (int k = 0; k < 8; ++k) {
    s.sc[k] = static_cast<uint8_t>(Nearest(to_scale * fits[k].scale, 0, 63));
    s.mn[k] = static_cast<uint8_t>(Nearest(to_min * fits[k].min, 0, 63));
    const float scale = d * static_cast<float>(s.sc[k]), min = dmin * static_cast<float>(s.mn[k]);
    for (int i = 0; i < 32; ++i) {
      const int code = scale != 0 ? Nearest((x[32 * k + i] + min) / scale, 0, sweep.levels) : 0;
      codes[32 * k + i] = static_cast<uint8_t>(code);
    }
  }
  return s;
}

void PackLowNibbles(const uint8_t codes[256], uint8_t qs[128]) {
  for (int k = 0; k < 4; ++k) {
    for (int l = 0; l < 32; ++l) {
      qs[32 * k + l] = static_cast<uint8_t>((codes[64 * k + l] & 15) |
                                            (codes[64 * k + 32 + l] & 15) << 4);
    }
  }
}

void Block(const float* x, BlockQ4_K& b) {
  uint8_t codes[256];
  const SuperScales s = SuperBlock(x, {.levels = 15, .start = -1, .step = 0.1f, .steps = 20}, codes);
  b.d = s.d;
  b.dmin = s.dmin;
  PackScales(s.sc, s.mn, b.scales);
  PackLowNibbles(codes, b.qs);
}

void Block(const float* x, BlockQ5_K& b) {
  uint8_t codes[256];
  const SuperScales s =
      SuperBlock(x, {.levels = 31, .start = -0.5f, .step = 0.1f, .steps = 15}, codes);
  b.d = s.d;
  b.dmin = s.dmin;
  PackScales(s.sc, s.mn, b.scales);
  PackLowNibbles(codes, b.qs);
  for (int l = 0; l < 32; ++l) {
    b.qh[l] = 0;
    for (int k = 0; k < 8; ++k) {
      b.qh[l] = static_cast<uint8_t>(b.qh[l] | (codes[32 * k + l] >> 4 & 1) << k);
    }
  }
}

// The best signed scale of 16 weights for codes -32..31, each weighing x^2, over a sweep around
// -32 / largest.
float SymmetricSearch(const float* x) {
  constexpr int n = 16;
  const float largest = LargestMagnitude(x, n);
  if (std::fabs(largest) < kTiny) return 0;
  float best_scale = 0, best_gain = -1;
  for (int k = 0; k < 19; ++k) {
    // The plain scale is tried first, so that it wins ties.
    const int offset = k == 0 ? 0 : k <= 9 ? k - 10 : k - 9;
    const float inverse = -(32 + 0.1f * static_cast<float>(offset)) / largest;
    Lanes lanes_xl, lanes_l2;
    for (int i = 0; i < n; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const float v = x[i + lane];
        float l = inverse * v;
        l = l > -32 ? l : -32;
        l = l < 31 ? l : 31;
        l = (l + kRound) - kRound;
        lanes_xl.v[lane] += v * v * v * l;
        lanes_l2.v[lane] += v * v * l * l;
      }
    }
    const float sum_xl = lanes_xl.Sum(), sum_l2 = lanes_l2.Sum();
    if (sum_l2 > 0 && sum_xl * sum_xl > best_gain * sum_l2) {
      best_scale = sum_xl / sum_l2;
      best_gain = sum_xl * best_scale;
    }
  }
  return best_scale;
}

void Block(const float* x, BlockQ6_K& b) {
  float scales[16];
  for (int k = 0; k < 16; ++k) scales[k] = SymmetricSearch(x + 16 * k);
  const float largest = LargestMagnitude(scales, 16);
  std::memset(&b, 0, sizeof b);
  if (std::fabs(largest) < kTiny) return;
  b.d = F32ToF16(largest / -128);
  const float d = F16ToF32(b.d), inverse = -128 / largest;
  for (int i = 0; i < 256; ++i) {
    const int k = i / 16;
    if (i % 16 == 0) {
      b.scales[k] = static_cast<int8_t>(Nearest(inverse * scales[k], -128, 127));
    }
    const float scale = d * static_cast<float>(b.scales[k]);
    const int code = scale != 0 ? Nearest(x[i] / scale, -32, 31) + 32 : 32;
    const int n = i / 128, j = i % 128 / 32, l = i % 32;
    uint8_t& low = b.ql[64 * n + 32 * (j & 1) + l];
    low = static_cast<uint8_t>(low | (code & 15) << (j < 2 ? 0 : 4));
    uint8_t& high = b.qh[32 * n + l];
    high = static_cast<uint8_t>(high | (code >> 4) << (2 * j));
  }
}

template <typename B>
void Blocks(const float* src, size_t n, int weights, std::byte* dst) {
  for (size_t i = 0; i < n; i += weights, dst += sizeof(B)) {
    B block;
    Block(src + i, block);
    std::memcpy(dst, &block, sizeof(B));
  }
}

}  // namespace

void QuantizeRow(DType type, const float* src, size_t n, std::byte* dst) {
  switch (type) {
    case DType::kF32:
      if (n > 0) std::memcpy(dst, src, n * sizeof(float));
      return;
    case DType::kI32:
      std::memset(dst, 0, n * 4);
      return;
    case DType::kF16:
    case DType::kBF16:
      for (size_t i = 0; i < n; ++i) {
        const uint16_t h = type == DType::kF16 ? F32ToF16(src[i]) : F32ToBF16(src[i]);
        std::memcpy(dst + 2 * i, &h, 2);
      }
      return;
    case DType::kQ4_0: return Blocks<BlockQ4_0>(src, n, kBlock, dst);
    case DType::kQ4_1: return Blocks<BlockQ4_1>(src, n, kBlock, dst);
    case DType::kQ5_0: return Blocks<BlockQ5_0>(src, n, kBlock, dst);
    case DType::kQ5_1: return Blocks<BlockQ5_1>(src, n, kBlock, dst);
    case DType::kQ8_0: return Blocks<BlockQ8_0>(src, n, kBlock, dst);
    case DType::kQ4_K: return Blocks<BlockQ4_K>(src, n, kSuperBlock, dst);
    case DType::kQ5_K: return Blocks<BlockQ5_K>(src, n, kSuperBlock, dst);
    case DType::kQ6_K: return Blocks<BlockQ6_K>(src, n, kSuperBlock, dst);
  }
}

}  // namespace raison
