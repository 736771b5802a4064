#include "core/model/config/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace raison {

double YarnMscale(double factor, double a) {
  return factor <= 1 ? 1.0 : 0.1 * a * std::log(factor) + 1.0;
}

void SetPlainFrequencies(RopeConfig& rope) {
  rope.frequencies.resize(rope.dimension / 2);
  for (size_t i = 0; i < rope.frequencies.size(); ++i) {
    rope.frequencies[i] = std::pow(rope.rope_theta, -2.0 * static_cast<double>(i) / rope.dimension);
  }
}

void ApplyLinear(RopeConfig& rope, double factor) {
  rope.scaling = "linear";
  rope.linear_factor = factor;
  for (double& f : rope.frequencies) f /= factor;
}

void ApplyLlama3(RopeConfig& rope, const Llama3Scaling& s) {
  rope.scaling = "llama3";
  for (double& f : rope.frequencies) {
    const double wavelength = 2 * std::numbers::pi / f;
    const double turns = s.original_max_position_embeddings / wavelength;
    if (turns > s.high_freq_factor) continue;
    if (turns < s.low_freq_factor) {
      f /= s.factor;
      continue;
    }
    const double t = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    f = (1 - t) * f / s.factor + t * f;
  }
}

void ApplyYarn(RopeConfig& rope, const YarnScaling& s) {
  rope.scaling = "yarn";
  rope.yarn = s;
  const double n = rope.dimension;
  const auto bound = [&](double rotations) {
    return n * std::log(s.original_max_position_embeddings / (2 * std::numbers::pi * rotations)) /
           (2 * std::log(rope.rope_theta));
  };
  double low = bound(s.beta_fast), high = bound(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, n - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < rope.frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    double& f = rope.frequencies[i];
    f = f / s.factor * ramp + f * (1 - ramp);
  }
  if (s.attention_factor.has_value()) {
    rope.magnitude = *s.attention_factor;
  } else if (s.mscale != 0 && s.mscale_all_dim != 0) {
    rope.magnitude = YarnMscale(s.factor, s.mscale) / YarnMscale(s.factor, s.mscale_all_dim);
  } else {
    rope.magnitude = YarnMscale(s.factor, 1);
  }
}

}  // namespace raison
