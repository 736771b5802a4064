#include "core/model/placement.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "core/backend/registry.h"
#include "core/model/op_check.h"
#include "core/model/placement_fit.h"
#include "core/model/split.h"

namespace raison {
namespace {

// In `experts`: the device of the layer.
constexpr char kOwn[] = "own";

class Placer {
 public:
  Placer(const Checkpoint& checkpoint, const Config& config, const PlacementRequest& request)
      : request_(request),
        layers_(config.num_hidden_layers),
        sizes_(Measure(checkpoint, config)),
        routed_(config.moe.n_routed_experts),
        ops_{checkpoint, config, request.cache, request.exact} {
    placement_.latent_attention = config.IsMla();
    for (uint32_t l = 0; l < layers_; ++l) placement_.routes.push_back(config.IsMoeLayer(l));
  }

  // First: which parts of the routed experts are asked for.
  absl::Status ReadExperts() {
    if (request_.experts.empty()) {
      experts_ = {{.device = kOwn, .count = routed_}};
      return absl::OkStatus();
    }
    if (routed_ == 0) {
      return absl::UnimplementedError(
          absl::StrCat("experts = \"", request_.experts, "\": the model has no routed experts"));
    }
    RSN_ASSIGN_OR_RETURN(experts_, ParseSplit({.option = "experts",
                                               .text = request_.experts,
                                               .total = routed_,
                                               .things = "experts",
                                               .owner = "a layer"}));
    // The rest is a number where all others are.
    uint32_t rest = routed_;
    for (size_t p = 0; p + 1 < experts_.size(); ++p) {
      if (!experts_[p].count.has_value()) return absl::OkStatus();
      rest -= *experts_[p].count;
    }
    experts_.back().count = rest;
    return absl::OkStatus();
  }

  absl::StatusOr<Placement> OnOpened() {
    placement_.devices.push_back(request_.opened);
    placement_.why = "as asked for";
    placement_.layers.assign(layers_, 0);
    return PlaceExperts();
  }

  absl::StatusOr<Placement> ByRequest() {
    RSN_ASSIGN_OR_RETURN(const std::vector<SplitPart> parts, ParseSplit({.option = "device",
                                                                         .text = request_.device,
                                                                         .total = layers_,
                                                                         .things = "layers",
                                                                         .owner = "the model"}));
    placement_.why = "as asked for";
    for (size_t p = 0; p < parts.size(); ++p) {
      RSN_ASSIGN_OR_RETURN(const uint32_t index, Open(parts[p].device));
      uint64_t later = 0;  // layers that later parts are sure of
      for (size_t q = p + 1; q < parts.size(); ++q) later += parts[q].count.value_or(0);
      const uint32_t open = layers_ - static_cast<uint32_t>(placement_.layers.size());
      const uint32_t most = open > later ? open - static_cast<uint32_t>(later) : 0;
      const bool last = p + 1 == parts.size();
      const uint32_t count = parts[p].count.has_value() ? *parts[p].count
                             : last                     ? most
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
      if (entry.IsSoftware()) continue;  // not worth a word in every program's log
      Log(passed_over.back());
      placement_.notable = true;
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
    uint64_t bytes = sizes_.layers[l].bytes + request_.cache.bytes / layers_;
    for (const SplitPart& part : experts_) {
      if (part.device == kOwn) bytes += ExpertBytes(l) * part.count.value_or(0);
    }
    return bytes;
  }

  // Of one routed expert of the layer.
  uint64_t ExpertBytes(size_t l) const { return sizes_.experts[l].bytes / std::max(routed_, 1u); }

  // What the routed experts that are sure to come to a chip from all layers take there.
  uint64_t Lent(const DeviceId& chip) const {
    uint64_t bytes = 0;
    for (const SplitPart& part : experts_) {
      if (part.device == kOwn || !Names(part.device, chip)) continue;
      for (size_t l = 0; l < layers_; ++l) bytes += ExpertBytes(l) * part.count.value_or(0);
    }
    return bytes;
  }

  // A name that means nothing is refused where it is opened.
  static bool Names(const std::string& name, const DeviceId& chip) {
    const absl::StatusOr<DeviceId> id = ParseDeviceName(name);
    return id.ok() && *id == chip;
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
    for (const SplitPart& part : experts_) {
      if (part.device != kOwn || !part.count.has_value() || !placement_.routes[l]) continue;
      RSN_RETURN_IF_ERROR(
          CheckLargest(device.name(), info, sizes_.experts[l], *part.count, routed_));
      RSN_RETURN_IF_ERROR(ops_.Experts(device, l, *part.count));
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
      for (const ExpertPart& part : placement_.experts) {
        const uint32_t index = placement_.ExpertDevice(l, part);
        RSN_RETURN_IF_ERROR(CheckLargest(placement_.DeviceOf(index).name(), infos[index],
                                         sizes_.experts[l], part.count, routed_));
      }
    }
    return absl::OkStatus();
  }
  absl::Status CheckOps() const {
    RSN_RETURN_IF_ERROR(ops_.Embedding(placement_.DeviceOf(placement_.layers.front())));
    for (uint32_t l = 0; l < layers_; ++l) {
      RSN_RETURN_IF_ERROR(ops_.Layer(placement_.DeviceOf(placement_.layers[l]), l));
      if (!placement_.routes[l]) continue;
      for (const ExpertPart& part : placement_.experts) {
        const Device& device = placement_.DeviceOf(placement_.ExpertDevice(l, part));
        RSN_RETURN_IF_ERROR(ops_.Experts(device, l, part.count));
      }
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

  // Last: the layers have their devices.
  absl::StatusOr<Placement> PlaceExperts() {
    WeighLayers();
    uint32_t left = routed_;
    for (const SplitPart& asked : experts_) {
      ExpertPart part{.count = asked.count.value_or(0)};
      if (asked.device != kOwn) {
        RSN_ASSIGN_OR_RETURN(part.device, OpenForExperts(asked.device));
      }
      left -= part.count;
      Weigh(part);
      placement_.experts.push_back(part);
    }
    for (size_t p = 0; p < experts_.size(); ++p) {
      if (experts_[p].count.has_value()) continue;
      ExpertPart& part = placement_.experts[p];
      part.count = p + 1 == experts_.size() ? left : std::min(left, FitExperts(part));
      left -= part.count;
      Weigh(part);
    }
    if (left != 0) {
      return absl::UnavailableError(absl::StrCat("experts = \"", request_.experts,
                                                 "\": the devices before the last take only ",
                                                 routed_ - left, " of ", routed_, " experts"));
    }
    std::erase_if(placement_.experts, [](const ExpertPart& part) { return part.count == 0; });
    for (size_t p = 1; p < placement_.experts.size(); ++p) {
      const ExpertPart& before = placement_.experts[p - 1];
      placement_.experts[p].first = before.first + before.count;
    }
    CloseUnused();
    RSN_RETURN_IF_ERROR(Refused(CheckTensors()));
    RSN_RETURN_IF_ERROR(Refused(CheckOps()));
    return std::move(placement_);
  }

  // Devices that were opened for experts and got none.
  void CloseUnused() {
    const auto used = [&](uint32_t index) {
      return std::count(placement_.layers.begin(), placement_.layers.end(), index) > 0 ||
             std::any_of(placement_.experts.begin(), placement_.experts.end(),
                         [index](const ExpertPart& part) { return part.device == index; });
    };
    while (!used(static_cast<uint32_t>(placement_.devices.size() - 1))) {
      placement_.devices.pop_back();
      placement_.weight_bytes.pop_back();
    }
  }

  // The device of that name that no part before has: one that the layers use, if there is one.
  absl::StatusOr<uint32_t> OpenForExperts(const std::string& name) {
    for (uint32_t d = 0; d < placement_.devices.size(); ++d) {
      const bool taken = std::any_of(placement_.experts.begin(), placement_.experts.end(),
                                     [d](const ExpertPart& part) { return part.device == d; });
      if (!taken && Names(name, placement_.DeviceOf(d).id())) return d;
    }
    RSN_ASSIGN_OR_RETURN(const uint32_t index, Open(name));
    placement_.weight_bytes.push_back(0);
    return index;
  }

  // How many experts of every layer the part's devices have memory for.
  uint32_t FitExperts(const ExpertPart& part) {
    uint64_t fit = routed_;
    for (const auto& device : placement_.devices) {
      const auto here = [&](uint32_t d) {  // devices of one chip share its memory
        return placement_.DeviceOf(d).id() == device->id();
      };
      uint64_t taken = kReserve, one = 0, largest = 0;  // of one expert of every layer
      for (uint32_t d = 0; d < placement_.devices.size(); ++d) {
        if (here(d)) taken += placement_.weight_bytes[d];
      }
      for (uint32_t l = 0; l < layers_; ++l) {
        if (here(placement_.layers[l])) taken += request_.cache.bytes / layers_;
        if (!placement_.routes[l] || !here(placement_.ExpertDevice(l, part))) continue;
        one += ExpertBytes(l);
        largest = std::max(largest, sizes_.experts[l].largest->bytes() / routed_);
      }
      if (one == 0) continue;
      const rsn_device_info info = device->Info();
      const Room room = RoomOf(info);
      if (!room.told) Explain(room.Text(device->name()));
      fit = std::min(fit, (room.bytes > taken ? room.bytes - taken : 0) / one);
      if (info.largest_buffer != 0) fit = std::min(fit, info.largest_buffer / largest);
    }
    return static_cast<uint32_t>(fit);
  }

  void WeighLayers() {
    std::vector<uint64_t>& bytes = placement_.weight_bytes;
    bytes.resize(placement_.devices.size());
    const uint32_t first = placement_.layers.front(), last = placement_.layers.back();
    bytes[first] += sizes_.embedding.bytes;
    bytes[last] += sizes_.Head(first == last);
    for (uint32_t l = 0; l < layers_; ++l) bytes[placement_.layers[l]] += sizes_.layers[l].bytes;
  }

  void Weigh(const ExpertPart& part) {
    for (uint32_t l = 0; l < layers_; ++l) {
      placement_.weight_bytes[placement_.ExpertDevice(l, part)] += ExpertBytes(l) * part.count;
    }
  }

  const PlacementRequest& request_;
  const uint32_t layers_;
  const LayerSizes sizes_;
  const uint32_t routed_;  // experts of a layer
  const OpCheck ops_;
  std::vector<SplitPart> experts_;  // as asked for
  Placement placement_;
};

// "0-3, 7" of the indices for which `holds` is true.
template <typename Holds>
std::string Ranges(size_t count, const Holds& holds) {
  std::vector<std::string> ranges;
  for (uint32_t i = 0; i < count; ++i) {
    if (!holds(i)) continue;
    const uint32_t first = i;
    while (i + 1 < count && holds(i + 1)) ++i;
    ranges.push_back(first == i ? absl::StrCat(i) : absl::StrCat(first, "-", i));
  }
  return absl::StrJoin(ranges, ", ");
}

// Of the routed experts, what a device's own layers lack, then what it has of others.
std::vector<std::string> ExpertContents(const Placement& placement, uint32_t index) {
  const std::vector<ExpertPart>& experts = placement.experts;
  std::vector<std::string> texts;
  for (const bool own : {true, false}) {
    const auto where = [&](const ExpertPart& part) {  // the layers whose part is worth a word
      return Ranges(placement.layers.size(), [&](uint32_t l) {
        return placement.routes[l] && (placement.layers[l] == index) == own &&
               (placement.ExpertDevice(l, part) == index) != own;
      });
    };
    for (size_t p = 0, end = 0; p < experts.size(); p = end) {
      const std::string at = where(experts[p]);
      for (end = p + 1; end < experts.size() && where(experts[end]) == at;) ++end;
      if (at.empty()) continue;
      const bool all = p == 0 && end == experts.size();
      const uint32_t last = experts[end - 1].first + experts[end - 1].count - 1;
      const std::string which =
          all ? "routed experts" : absl::StrCat("routed experts ", experts[p].first, "-", last);
      texts.push_back(own ? absl::StrCat("without ", all ? "the " : "", which, " of ", at)
                          : absl::StrCat(which, " of layers ", at));
    }
  }
  return texts;
}

}  // namespace

absl::StatusOr<Placement> Place(const Checkpoint& checkpoint, const Config& config,
                                const PlacementRequest& request) {
  Placer placer(checkpoint, config, request);
  RSN_RETURN_IF_ERROR(placer.ReadExperts());
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

uint32_t Placement::LeadingOwnExperts(uint32_t layer) const {
  const auto lent = std::find_if(experts.begin(), experts.end(), [&](const ExpertPart& part) {
    return ExpertDevice(layer, part) != layers[layer];
  });
  return static_cast<uint32_t>(lent - experts.begin());
}

std::string Placement::Contents(uint32_t index) const {
  std::vector<std::string> parts;
  const std::string own = Ranges(layers.size(), [&](size_t l) { return layers[l] == index; });
  if (!own.empty()) {
    parts.push_back(absl::StrCat("layers ", own, " and their cache"));
    if (latent_attention && !devices[index]->HasMlaAttention()) {
      parts.push_back("latent attention composed of other operations");
    }
  }
  for (std::string& text : ExpertContents(*this, index)) parts.push_back(std::move(text));
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
