// Whether a device can do what the forward pass will ask of it: its `supports` hears the pass's own
// operations, with the checkpoint's element types and shapes, before a weight is read. No device is
// known here, and where the pass composes an operation of others, these are asked for.
#pragma once

#include "core/backend/device.h"
#include "core/kv/kv_cache.h"
#include "core/model/config.h"

namespace raison {

class Checkpoint;

// Each is UNIMPLEMENTED with a sentence that names device, operation and tensor, or OK.
struct OpCheck {
  const Checkpoint& checkpoint;
  const Config& config;
  KvGeometry cache;
  bool exact = false;

  absl::Status Embedding(const Device& device) const;
  // A layer without its routed experts.
  absl::Status Layer(const Device& device, uint32_t layer) const;
  // `count` of a MoE layer's.
  absl::Status Experts(const Device& device, uint32_t layer, uint32_t count) const;
  absl::Status Output(const Device& device) const;
};

}  // namespace raison
