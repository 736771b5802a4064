// Attention over the paged cache, as it is and as a part of latent attention.
#pragma once

#include "core/backend/cuda/launch.h"

namespace raison::cuda {

struct Attention {
  View q, k, v, out;
  uint32_t type;
  int64_t rows, heads, kv_heads, width, value_width, cache_pages;
  float scale;
  const rsn_ragged& ragged;
};

void Attend(Context& c, const Attention& n);

}  // namespace raison::cuda
