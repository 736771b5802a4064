// What the parts of a model weigh, and what a device has for them.
#pragma once

#include <string>
#include <vector>

#include "core/backend/device.h"
#include "core/file/checkpoint.h"
#include "core/model/config.h"

namespace raison {

// Kept free on a device for activations, the step buffer and what its driver takes.
inline constexpr uint64_t kReserve = uint64_t{256} << 20;
// When a device does not say how much memory it has.
inline constexpr uint64_t kUnknownMemory = uint64_t{1} << 30;

// Tensors that lie together.
struct TensorGroup {
  uint64_t bytes = 0;
  const StoredTensor* largest = nullptr;

  void Add(const StoredTensor& t);
};

// Weights by where they would lie.
struct LayerSizes {
  std::vector<TensorGroup> layers;   // without the routed experts
  std::vector<TensorGroup> experts;  // (layers): the routed experts
  TensorGroup embedding;
  TensorGroup head;  // none if the embedding is the head too and one device holds both ends

  const TensorGroup& Output() const { return head.largest != nullptr ? head : embedding; }
  uint64_t Head(bool one_device) const {
    return head.bytes != 0 || one_device ? head.bytes : embedding.bytes;
  }
};
LayerSizes Measure(const Checkpoint& checkpoint, const Config& config);

// OK: the device makes a buffer of the largest of these tensors, or of `part` of the `of` experts in
// it. RESOURCE_EXHAUSTED names it.
absl::Status CheckLargest(const std::string& device, const rsn_device_info& info,
                          const TensorGroup& group, uint32_t part = 1, uint32_t of = 1);

// The memory that may be planned with: what is free, or what there is, or an assumption.
struct Room {
  uint64_t bytes = 0;
  bool told = true;  // it is what the device calls free

  // "cuda:0 has 500 MiB free"
  std::string Text(const std::string& device) const;
};
Room RoomOf(const rsn_device_info& info);

}  // namespace raison
