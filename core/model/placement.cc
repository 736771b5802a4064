#include "core/model/placement.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/backend/registry.h"
#include "core/model/op_check.h"
#include "core/model/placement_fit.h"

namespace raison {
namespace {

// One part of a split: "cuda:0=20".
struct Part {
  std::string device;
  std::optional<uint32_t> layers;
};

absl::StatusOr<std::vector<Part>> ParseSplit(const std::string& text, uint32_t layers) {
  std::vector<Part> parts;
  uint64_t named = 0;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    Part part{.device = std::string(sides.first), .layers = std::nullopt};
    if (part.device.empty()) {
      return absl::UnavailableError(
          absl::StrCat("device = \"", text, "\": a device's name is empty"));
    }
    if (absl::StrContains(word, '=')) {
      uint32_t count = 0;
      if (!absl::SimpleAtoi(sides.second, &count) || count == 0) {
        return absl::UnavailableError(absl::StrCat(
            "device = \"", text, "\": after = stands the number of layers, at least 1"));
      }
      part.layers = count;
      named += count;
    }
    parts.push_back(std::move(part));
  }
  const bool open_end =
      std::any_of(parts.begin(), parts.end(), [](const Part& p) { return !p.layers.has_value(); });
  if (named > layers || (!open_end && named != layers)) {
    return absl::UnavailableError(
        absl::StrCat("device = \"", text, "\" places ", named, " layers, the model has ", layers));
  }
  return parts;
}

class Placer {
 public:
  Placer(const Checkpoint& checkpoint, const Config& config, const PlacementRequest& request)
      : request_(request),
        layers_(config.num_hidden_layers),
        sizes_(Measure(checkpoint, config)),
        config_(config),
        ops_{checkpoint, config, request.cache, request.exact} {
    placement_.latent_attention = config.IsMla();
    // A name that means nothing is refused where it is opened.
    const absl::StatusOr<DeviceId> experts = ParseDeviceName(request.experts);
    if (!request.experts.empty() && experts.ok()) experts_id_ = *experts;
  }

  absl::StatusOr<Placement> OnOpened() {
    placement_.devices.push_back(request_.opened);
    placement_.why = "as asked for";
    placement_.layers.assign(layers_, 0);
    return PlaceExperts();
  }

  absl::StatusOr<Placement> ByRequest() {
    RSN_ASSIGN_OR_RETURN(const std::vector<Part> parts, ParseSplit(request_.device, layers_));
    placement_.why = "as asked for";
    for (size_t p = 0; p < parts.size(); ++p) {
      RSN_ASSIGN_OR_RETURN(const uint32_t index, Open(parts[p].device));
      uint64_t later = 0;  // layers that later parts are sure of
      for (size_t q = p + 1; q < parts.size(); ++q) later += parts[q].layers.value_or(0);
      const uint32_t open = layers_ - static_cast<uint32_t>(placement_.layers.size());
      const uint32_t most = open > later ? open - static_cast<uint32_t>(later) : 0;
      const bool last = p + 1 == parts.size();
      const uint32_t count = parts[p].layers.has_value() ? *parts[p].layers
                             : last                      ? most
                                                         : Fit(index, most);
      placement_.layers.insert(placement_.layers.end(), count, index);
      if (count == 0) placement_.devices.pop_back();
    }
    if (placement_.layers.size() != layers_) {
      return absl::UnavailableError(
          absl::StrCat("device = \"", request_.device, "\": the devices before the last take only ",
                       placement_.layers.size(), " of ", layers_, " layers"));
    }
    return PlaceExperts();
  }

  // The fastest kind of device that holds and computes the whole model; else the one that every
  // model runs on. Says which ones were passed over, and why.
  absl::StatusOr<Placement> ByDefault() {
    std::vector<std::string> passed_over;
    for (const DeviceEntry& entry : ListPluginDevices(request_.backend_path)) {
      const absl::Status taken = TakeAll(entry);
      if (taken.ok()) {
        placement_.why = "the best device that fits";
        Explain(absl::StrJoin(passed_over, "; "));
        const Device& device = *placement_.devices.front();
        if (const Room room = RoomOf(device.Info()); !room.told) Explain(room.Text(device.name()));
        return PlaceExperts();
      }
      passed_over.emplace_back(taken.message());
      Log(passed_over.back());
      placement_.notable |= !entry.IsSoftware();
    }
    placement_.why = "no other device is known";
    if (!passed_over.empty()) {
      placement_.why = absl::StrCat("no better device: ", absl::StrJoin(passed_over, "; "));
    }
    RSN_ASSIGN_OR_RETURN(const uint32_t fallback, Open(FallbackBackend()));
    placement_.layers.assign(layers_, fallback);
    return PlaceExperts();
  }

 private:
  void Log(const std::string& text) {
    if (request_.log) request_.log(/*level: information*/ 2, text);
  }

  void Explain(absl::string_view text) {
    if (!text.empty()) absl::StrAppend(&placement_.why, "; ", text);
  }

  // All layers on one device, or why not.
  absl::Status TakeAll(const DeviceEntry& entry) {
    if (entry.IsSoftware()) {
      return absl::UnavailableError(absl::StrCat(
          entry.name, entry.problem.empty() ? " is the processor itself" : " cannot be used"));
    }
    if (!entry.problem.empty()) {
      return absl::UnavailableError(absl::StrCat(entry.name, " cannot be used: ", entry.problem));
    }
    // Some drivers know what is free only once the device is open.
    if (entry.info.memory_free != 0 || entry.info.memory_total != 0) {
      RSN_RETURN_IF_ERROR(HoldsAll(entry.name, entry.info));
    }
    RSN_ASSIGN_OR_RETURN(const uint32_t index, Open(entry.name));
    const Device& device = placement_.DeviceOf(index);
    const rsn_device_info info = device.Info();
    absl::Status status = HoldsAll(entry.name, info);
    for (uint32_t l = 0; l < layers_ && status.ok(); ++l) status = TakesLayer(device, info, l);
    status.ok() ? placement_.layers.assign(layers_, index) : placement_.devices.pop_back();
    return status;
  }

  absl::Status HoldsAll(const std::string& device, const rsn_device_info& info) const {
    RSN_ASSIGN_OR_RETURN(const DeviceId chip, ParseDeviceName(device));
    uint64_t needed =
        kReserve + sizes_.embedding.bytes + sizes_.Head(/*one_device=*/true) + Lent(chip);
    for (uint32_t l = 0; l < layers_; ++l) needed += OfLayer(l);
    const Room room = RoomOf(info);
    if (room.bytes >= needed) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat(room.Text(device), ", the model needs ", needed >> 20));
  }

  // What layer `l` and its part of the cache take on the layer's own device.
  uint64_t OfLayer(size_t l) const {
    return sizes_.layers[l].bytes + (request_.experts.empty() ? sizes_.experts[l].bytes : 0) +
           request_.cache.bytes / layers_;
  }

  // What the routed experts take on a chip that was named for them.
  uint64_t Lent(const DeviceId& chip) const {
    uint64_t bytes = 0;
    for (const TensorGroup& experts : sizes_.experts) bytes += experts.bytes;
    return experts_id_ == chip ? bytes : 0;
  }

  // What a chip has to hold as placed so far.
  uint64_t Planned(const DeviceId& chip) const {
    const auto here = [&](uint32_t index) { return placement_.DeviceOf(index).id() == chip; };
    uint64_t bytes = Lent(chip);
    for (uint32_t d = 0; d < placement_.devices.size(); ++d) bytes += here(d) ? kReserve : 0;
    for (size_t l = 0; l < placement_.layers.size(); ++l) {
      if (!here(placement_.layers[l])) continue;
      bytes += OfLayer(l) + (l == 0 ? sizes_.embedding.bytes : 0);
    }
    return bytes;
  }

  // How many of the next `most` layers the rest of the device's memory holds; says what ends them.
  uint32_t Fit(uint32_t index, uint32_t most) {
    const Device& device = placement_.DeviceOf(index);
    const rsn_device_info info = device.Info();
    const Room room = RoomOf(info);
    const size_t first = placement_.layers.size();
    uint64_t used = Planned(device.id());
    for (uint32_t count = 0; count < most; ++count) {
      const size_t l = first + count;
      if (const absl::Status s = TakesLayer(device, info, l); !s.ok()) {
        Explain(s.message());
        return count;
      }
      used += OfLayer(l) + (l == 0 ? sizes_.embedding.bytes : 0);
      if (l + 1 == layers_) used += sizes_.Head(/*one_device=*/first == 0);
      if (used > room.bytes) {
        Explain(absl::StrCat(room.Text(device.name()), ", with layer ", l, " it would need ",
                             used >> 20));
        return count;
      }
    }
    if (most > 0 && !room.told) Explain(room.Text(device.name()));
    return most;
  }

  // Whether the device can make and use the tensors of a layer, and of an end that lies with it.
  absl::Status TakesLayer(const Device& device, const rsn_device_info& info, uint32_t l) const {
    const auto takes = [&](const TensorGroup& group) {
      return CheckLargest(device.name(), info, group);
    };
    if (l == 0) {
      RSN_RETURN_IF_ERROR(takes(sizes_.embedding));
      RSN_RETURN_IF_ERROR(ops_.Embedding(device));
    }
    RSN_RETURN_IF_ERROR(takes(sizes_.layers[l]));
    RSN_RETURN_IF_ERROR(ops_.Layer(device, l));
    if (request_.experts.empty()) {
      RSN_RETURN_IF_ERROR(takes(sizes_.experts[l]));
      if (config_.IsMoeLayer(l)) RSN_RETURN_IF_ERROR(ops_.Experts(device, l));
    }
    if (l + 1 < layers_) return absl::OkStatus();
    RSN_RETURN_IF_ERROR(takes(sizes_.Output()));
    return ops_.Output(device);
  }

  // As placed.
  absl::Status CheckTensors() const {
    std::vector<rsn_device_info> infos;
    for (const auto& device : placement_.devices) infos.push_back(device->Info());
    const auto takes = [&](uint32_t index, const TensorGroup& group) {
      return CheckLargest(placement_.DeviceOf(index).name(), infos[index], group);
    };
    RSN_RETURN_IF_ERROR(takes(placement_.layers.front(), sizes_.embedding));
    RSN_RETURN_IF_ERROR(takes(placement_.layers.back(), sizes_.Output()));
    for (uint32_t l = 0; l < layers_; ++l) {
      RSN_RETURN_IF_ERROR(takes(placement_.layers[l], sizes_.layers[l]));
      RSN_RETURN_IF_ERROR(takes(placement_.experts[l], sizes_.experts[l]));
    }
    return absl::OkStatus();
  }
  absl::Status CheckOps() const {
    RSN_RETURN_IF_ERROR(ops_.Embedding(placement_.DeviceOf(placement_.layers.front())));
    for (uint32_t l = 0; l < layers_; ++l) {
      RSN_RETURN_IF_ERROR(ops_.Layer(placement_.DeviceOf(placement_.layers[l]), l));
      if (!config_.IsMoeLayer(l)) continue;
      RSN_RETURN_IF_ERROR(ops_.Experts(placement_.DeviceOf(placement_.experts[l]), l));
    }
    return ops_.Output(placement_.DeviceOf(placement_.layers.back()));
  }
  // With what the caller can do about it.
  static absl::Status Refused(const absl::Status& status) {
    if (status.ok()) return status;
    return {status.code(), absl::StrCat(status.message(),
                                        "; another device must take its layer "
                                        "(\"device\") or the experts (\"experts\")")};
  }

  // A name that stands twice is opened twice: two devices that share one chip.
  absl::StatusOr<uint32_t> Open(const std::string& name) {
    RSN_ASSIGN_OR_RETURN(std::shared_ptr<Device> device,
                         Device::Open(name, {.threads = request_.threads,
                                             .backend_path = request_.backend_path,
                                             .log = request_.log}));
    placement_.devices.push_back(std::move(device));
    return static_cast<uint32_t>(placement_.devices.size() - 1);
  }

  absl::StatusOr<Placement> PlaceExperts() {
    placement_.experts = placement_.layers;
    if (request_.experts.empty()) return Weighed();
    if (config_.moe.n_routed_experts == 0) {
      return absl::UnimplementedError(
          absl::StrCat("experts = \"", request_.experts, "\": the model has no routed experts"));
    }
    // The device which the layers use already, if there is one.
    uint32_t index = 0;
    while (index < placement_.devices.size() && placement_.devices[index]->id() != experts_id_) {
      ++index;
    }
    if (index == placement_.devices.size()) {
      RSN_ASSIGN_OR_RETURN(index, Open(request_.experts));
    }
    for (uint32_t l = 0; l < layers_; ++l) {
      if (config_.IsMoeLayer(l)) placement_.experts[l] = index;
    }
    return Weighed();
  }

  absl::StatusOr<Placement> Weighed() {
    RSN_RETURN_IF_ERROR(Refused(CheckTensors()));
    RSN_RETURN_IF_ERROR(Refused(CheckOps()));
    std::vector<uint64_t>& bytes = placement_.weight_bytes;
    bytes.resize(placement_.devices.size());
    const uint32_t first = placement_.layers.front(), last = placement_.layers.back();
    bytes[first] += sizes_.embedding.bytes;
    bytes[last] += sizes_.Head(first == last);
    for (uint32_t l = 0; l < layers_; ++l) {
      bytes[placement_.layers[l]] += sizes_.layers[l].bytes;
      bytes[placement_.experts[l]] += sizes_.experts[l].bytes;
    }
    return std::move(placement_);
  }

  const PlacementRequest& request_;
  const uint32_t layers_;
  const LayerSizes sizes_;
  const Config& config_;
  const OpCheck ops_;
  std::optional<DeviceId> experts_id_;  // of the one that all routed experts are for
  Placement placement_;
};

// "0-3, 7" of the indices for which `holds` is true.
template <typename Holds>
std::string Ranges(size_t count, const Holds& holds) {
  std::vector<std::string> ranges;
  for (size_t i = 0; i < count; ++i) {
    if (!holds(i)) continue;
    const size_t first = i;
    while (i + 1 < count && holds(i + 1)) ++i;
    ranges.push_back(first == i ? absl::StrCat(i) : absl::StrCat(first, "-", i));
  }
  return absl::StrJoin(ranges, ", ");
}

}  // namespace

absl::StatusOr<Placement> Place(const Checkpoint& checkpoint, const Config& config,
                                const PlacementRequest& request) {
  Placer placer(checkpoint, config, request);
  absl::StatusOr<Placement> placement = request.opened != nullptr ? placer.OnOpened()
                                        : request.device.empty()  ? placer.ByDefault()
                                                                  : placer.ByRequest();
  if (!placement.ok()) return placement;
  placement->notable |= placement->devices.size() > 1;
  for (const auto& device : placement->devices) placement->notable |= device->IsPlugin();
  return placement;
}

std::string Placement::Name() const {
  return absl::StrJoin(devices, ",", [](std::string* out, const std::shared_ptr<Device>& device) {
    *out += device->name();
  });
}

uint64_t Placement::RoomForCache() const {
  uint64_t room = UINT64_MAX;
  for (uint32_t d = 0; d < devices.size(); ++d) {
    // Devices of one chip share its memory.
    uint64_t taken = 0, own_layers = 0;
    for (uint32_t other = 0; other < devices.size(); ++other) {
      if (devices[other]->id() != devices[d]->id()) continue;
      taken += kReserve + weight_bytes[other];
      own_layers += std::count(layers.begin(), layers.end(), other);
    }
    if (own_layers == 0) continue;
    if (devices[d]->KeepsHostWeights()) taken = 0;
    const rsn_device_info info = devices[d]->Info();
    const uint64_t free = info.memory_free == 0      ? kUnknownMemory
                          : info.memory_free > taken ? info.memory_free - taken
                                                     : 0;
    room = std::min(room, free / own_layers * layers.size());
    // A layer's cache is one buffer, or one of keys and one of values.
    const uint64_t pieces = layers.size() * (latent_attention ? 1 : 2);
    if (info.largest_buffer != 0 && info.largest_buffer < UINT64_MAX / pieces) {
      room = std::min(room, info.largest_buffer * pieces);
    }
  }
  return room;
}

std::string Placement::Contents(uint32_t index) const {
  std::vector<std::string> parts;
  const std::string own = Ranges(layers.size(), [&](size_t l) { return layers[l] == index; });
  const std::string away =
      Ranges(layers.size(), [&](size_t l) { return experts[l] == index && layers[l] != index; });
  const std::string given =
      Ranges(layers.size(), [&](size_t l) { return layers[l] == index && experts[l] != index; });
  if (!own.empty()) {
    parts.push_back(absl::StrCat("layers ", own, " and their cache"));
    if (latent_attention && !devices[index]->HasMlaAttention()) {
      parts.push_back("latent attention composed of other operations");
    }
    if (!given.empty()) parts.push_back(absl::StrCat("without the routed experts of ", given));
  }
  if (!away.empty()) parts.push_back(absl::StrCat("routed experts of layers ", away));
  if (layers.front() == index) parts.push_back("embedding");
  if (layers.back() == index) parts.push_back("output");
  return parts.empty() ? "nothing" : absl::StrJoin(parts, ", ");
}

std::string Placement::Sentence() const {
  std::string text;
  for (uint32_t d = 0; d < devices.size(); ++d) {
    absl::StrAppend(&text, d == 0 ? "" : "; ", devices[d]->name(), ": ", Contents(d));
  }
  return absl::StrCat(text, " (", why, ")");
}

}  // namespace raison
