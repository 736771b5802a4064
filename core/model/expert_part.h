// Consecutive routed experts of a layer that lie on one device. Every layer with routed experts has
// the same parts; where a part lies with its layer, the device differs from layer to layer.
#pragma once

#include <cstdint>
#include <optional>

namespace raison {

struct ExpertPart {
  std::optional<uint32_t> device;  // index; none: the layer's own
  uint32_t first = 0, count = 0;
};

}  // namespace raison
