// What lies where: the device of every layer (its attention weights, cache, dense feed-forward and
// shared experts) and of the parts of its routed experts. Made once at load, printed as the plan,
// followed by the forward pass. Refuses devices that do not open and splits that do not add up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend/device.h"
#include "core/kv/kv_cache.h"
#include "core/model/config.h"
#include "core/model/expert_part.h"

namespace raison {

class Checkpoint;

struct Placement {
  std::vector<std::shared_ptr<Device>> devices;
  std::vector<uint32_t> layers;        // (layers): index of the device
  std::vector<bool> routes;            // (layers): has routed experts
  std::vector<ExpertPart> experts;     // ascending: all routed experts of each such layer
  std::vector<uint64_t> weight_bytes;  // (devices): of the weights that lie there
  std::string why;                     // who chose, and what ended it or was passed over
  bool latent_attention = false;       // the model's layers have it
  // Worth a word in the trace: a plug-in's device, several devices, or a plug-in's that does not
  // fit.
  bool notable = false;

  Device& DeviceOf(uint32_t index) const { return *devices[index]; }
  uint32_t ExpertDevice(uint32_t layer, const ExpertPart& part) const {
    return part.device.value_or(layers[layer]);
  }
  // Parts of the layer's routed experts that come before the first on another device: all, if none
  // of them lie elsewhere.
  uint32_t LeadingOwnExperts(uint32_t layer) const;
  // "cuda:0" or "cuda:0,cpu": the devices in use.
  std::string Name() const;
  // What one device holds: "layers 0-3, experts of layers 1-3, embedding".
  std::string Contents(uint32_t index) const;
  // All of it in one line, and why.
  std::string Sentence() const;
  // Bytes that a cache over all layers may take: what the weights leave free on the devices of the
  // layers, bounded by the one whose layers fill it first. Weights that stay in the file's own
  // pages take nothing.
  uint64_t RoomForCache() const;
};

struct PlacementRequest {
  std::shared_ptr<Device> opened;  // everything there, whatever `device` says
  // "cuda:0": everything there. "cuda:0=20,cpu": the first 20 layers there, the rest on the CPU.
  // "cuda:0,cpu": as many layers as fit, the rest on the next; what takes none is not used. Empty:
  // the best device that holds the model and supports its operations.
  std::string device;
  // Empty: the routed experts lie with their layers. "cpu": all there. "cuda:0=96,cpu": of every
  // layer the first 96 there, the rest on the CPU; "cuda:0,cpu": as many as fit. "own" is the
  // device of the layer.
  std::string experts;
  std::string backend_path;
  uint32_t threads = 0;
  KvGeometry cache;  // of all layers; bytes: what it takes at least
  bool exact = false;
  LogFunction log;
};

absl::StatusOr<Placement> Place(const Checkpoint& checkpoint, const Config& config,
                                const PlacementRequest& request);

}  // namespace raison
