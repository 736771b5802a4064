#include "core/model/placement_fit.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace raison {

void TensorGroup::Add(const StoredTensor& t) {
  bytes += t.bytes();
  if (largest == nullptr || t.bytes() > largest->bytes()) largest = &t;
}

LayerSizes Measure(const Checkpoint& checkpoint, const Config& config) {
  LayerSizes sizes;
  sizes.layers.resize(config.num_hidden_layers);
  sizes.experts.resize(config.num_hidden_layers);
  for (const StoredTensor& t : checkpoint.tensors()) {
    uint32_t layer = 0;
    const std::vector<absl::string_view> words = absl::StrSplit(t.name, '.');
    if (words.size() < 3 || words[0] != "blk" || !absl::SimpleAtoi(words[1], &layer)) {
      (t.name == "token_embd.weight" ? sizes.embedding : sizes.head).Add(t);
    } else if (layer < sizes.layers.size()) {  // a prediction block stays in the file
      const bool routed = absl::EndsWith(words[2], "_exps");
      (routed ? sizes.experts : sizes.layers)[layer].Add(t);
    }
  }
  return sizes;
}

absl::Status CheckLargest(const std::string& device, const rsn_device_info& info,
                          const TensorGroup& group, uint32_t part, uint32_t of) {
  if (info.largest_buffer == 0 || group.largest == nullptr) return absl::OkStatus();
  const uint64_t bytes = group.largest->bytes() / of * part;
  if (bytes <= info.largest_buffer) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      device, " cannot hold ", part == of ? "" : absl::StrCat(part, " of ", of, " experts of "),
      "tensor ", group.largest->name, ": that is ", bytes,
      " bytes, and the device allocates at most ", info.largest_buffer, " at once"));
}

Room RoomOf(const rsn_device_info& info) {
  if (info.memory_free != 0) return {.bytes = info.memory_free};
  return {.bytes = info.memory_total != 0 ? info.memory_total : kUnknownMemory, .told = false};
}

std::string Room::Text(const std::string& device) const {
  return told ? absl::StrCat(device, " has ", bytes >> 20, " MiB free")
              : absl::StrCat(device, " does not say what is free and is taken to have ",
                             bytes >> 20, " MiB");
}

}  // namespace raison
