// What a checkpoint says about rotary positions, reduced to frequencies and one magnitude.
#pragma once

#include "core/model/config.h"

namespace raison {

struct Llama3Scaling {
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
};

// 0.1 * a * ln(factor) + 1 for factor > 1, else 1.
double YarnMscale(double factor, double a);

// theta^(-2i/dimension), i < dimension/2.
void SetPlainFrequencies(RopeConfig& rope);
void ApplyLinear(RopeConfig& rope, double factor);
void ApplyLlama3(RopeConfig& rope, const Llama3Scaling& scaling);
void ApplyYarn(RopeConfig& rope, const YarnScaling& scaling);

}  // namespace raison
