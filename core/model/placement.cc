#include "core/model/placement.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/backend/registry.h"
#include "core/file/checkpoint.h"
#include "core/model/split.h"

namespace raison {
namespace {

// Kept free on a device for activations, the step buffer and what its driver takes.
constexpr uint64_t kReserve = uint64_t{256} << 20;
// When a device does not say how much memory is free.
constexpr uint64_t kUnknownFreeMemory = uint64_t{1} << 30;

// Tensors that lie together.
struct TensorGroup {
  uint64_t bytes = 0;
  const StoredTensor* largest = nullptr;

  void Add(const StoredTensor& t) {
    bytes += t.bytes();
    if (largest == nullptr || t.bytes() > largest->bytes()) largest = &t;
  }
};

// Weights by where they would lie.
struct LayerSizes {
  std::vector<TensorGroup> layers;   // without the routed experts
  std::vector<TensorGroup> experts;  // (layers): the routed experts
  TensorGroup embedding;
  TensorGroup head;  // none if the embedding is the head too and one device holds both ends

  uint64_t Head(bool one_device) const {
    return head.bytes != 0 || one_device ? head.bytes : embedding.bytes;
  }
};

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

// In `experts`: the device of the layer.
constexpr char kOwn[] = "own";

class Placer {
 public:
  Placer(const Checkpoint& checkpoint, const Config& config, const PlacementRequest& request)
      : request_(request),
        layers_(config.num_hidden_layers),
        sizes_(Measure(checkpoint, config)),
        routed_(config.moe.n_routed_experts) {
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
      const uint32_t count = parts[p].count.value_or(last ? most : std::min(most, Fit(index)));
      placement_.layers.insert(placement_.layers.end(), count, index);
    }
    if (placement_.layers.size() != layers_) {
      return absl::UnavailableError(
          absl::StrCat("device = \"", request_.device, "\": the devices before the last take only ",
                       placement_.layers.size(), " of ", layers_, " layers"));
    }
    return PlaceExperts();
  }

  // The fastest kind of device that holds the whole model; else the CPU.
  absl::StatusOr<Placement> ByDefault() {
    bool has_plugin = false;
    for (const Backend& b : ListBackends(request_.backend_path)) has_plugin |= !b.file.empty();
    if (has_plugin) {
      RSN_ASSIGN_OR_RETURN(std::vector<DeviceEntry> entries, ListDevices(request_.backend_path));
      // A processor's own memory behind a GPU's interface is no gain: such devices are kind 0.
      std::erase_if(entries,
                    [](const DeviceEntry& e) { return !e.problem.empty() || e.info.kind == 0; });
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.info.kind > b.info.kind; });
      const uint64_t needed = Whole();
      for (const DeviceEntry& entry : entries) {
        // Some drivers know what is free only once the device is open.
        const uint64_t listed =
            entry.info.memory_free != 0 ? entry.info.memory_free : entry.info.memory_total;
        if (!Holds(entry.name, listed, needed)) continue;
        if (const absl::Status s = TakesAll(entry.name, entry.info); !s.ok()) {
          Log(std::string(s.message()));
          continue;
        }
        const auto index = Open(entry.name);
        if (!index.ok()) {
          Log(std::string(index.status().message()));
          continue;
        }
        const uint64_t free = placement_.DeviceOf(*index).Info().memory_free;
        if (free != 0 && !Holds(entry.name, free, needed)) {
          placement_.devices.pop_back();
          continue;
        }
        placement_.why = "the best device that fits";
        placement_.layers.assign(layers_, *index);
        return PlaceExperts();
      }
    }
    RSN_ASSIGN_OR_RETURN(const uint32_t cpu, Open("cpu"));
    placement_.why = has_plugin ? "no other device fits" : "no other device is known";
    placement_.notable = false;
    placement_.layers.assign(layers_, cpu);
    return PlaceExperts();
  }

 private:
  void Log(const std::string& text) {
    if (request_.log) request_.log(/*level: information*/ 2, text);
  }

  bool Holds(const std::string& device, uint64_t free, uint64_t needed) {
    if (free >= needed) return true;
    Log(absl::StrCat(device, " has ", free >> 20, " MiB free, the model needs ", needed >> 20));
    return false;
  }

  // What layer `l` and its part of the cache take on the layer's own device.
  uint64_t OfLayer(size_t l) const {
    uint64_t bytes = sizes_.layers[l].bytes + request_.kv_bytes / layers_;
    for (const SplitPart& part : experts_) {
      if (part.device == kOwn) bytes += ExpertBytes(l) * part.count.value_or(0);
    }
    return bytes;
  }

  // Of one routed expert of the layer.
  uint64_t ExpertBytes(size_t l) const { return sizes_.experts[l].bytes / std::max(routed_, 1u); }

  // Whether the device makes a buffer of the largest of some tensors, or of `part` of the `of`
  // experts in it.
  static absl::Status Takes(const std::string& device, const rsn_device_info& info,
                            const TensorGroup& group, uint32_t part = 1, uint32_t of = 1) {
    if (info.largest_buffer == 0 || group.largest == nullptr) return absl::OkStatus();
    const uint64_t bytes = group.largest->bytes() / of * part;
    if (bytes <= info.largest_buffer) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        device, " cannot hold ", part == of ? "" : absl::StrCat(part, " of ", of, " experts of "),
        "tensor ", group.largest->name, ": that is ", bytes,
        " bytes, and the device allocates at most ", info.largest_buffer,
        " at once; another device must take its layer (\"device\") or the experts (\"experts\")"));
  }

  // Of every tensor that would lie with the layers if one device took them all.
  absl::Status TakesAll(const std::string& device, const rsn_device_info& info) const {
    RSN_RETURN_IF_ERROR(Takes(device, info, sizes_.embedding));
    RSN_RETURN_IF_ERROR(Takes(device, info, sizes_.head));
    for (uint32_t l = 0; l < layers_; ++l) RSN_RETURN_IF_ERROR(TakesLayer(device, info, l));
    return absl::OkStatus();
  }
  absl::Status TakesLayer(const std::string& device, const rsn_device_info& info, size_t l) const {
    RSN_RETURN_IF_ERROR(Takes(device, info, sizes_.layers[l]));
    for (const SplitPart& part : experts_) {
      if (part.device != kOwn || !part.count.has_value()) continue;
      RSN_RETURN_IF_ERROR(Takes(device, info, sizes_.experts[l], *part.count, routed_));
    }
    return absl::OkStatus();
  }

  // As placed.
  absl::Status CheckTensors() const {
    std::vector<rsn_device_info> infos;
    for (const auto& device : placement_.devices) infos.push_back(device->Info());
    const auto takes = [&](uint32_t index, const TensorGroup& group, uint32_t part = 1,
                           uint32_t of = 1) {
      return Takes(placement_.DeviceOf(index).name(), infos[index], group, part, of);
    };
    RSN_RETURN_IF_ERROR(takes(placement_.layers.front(), sizes_.embedding));
    RSN_RETURN_IF_ERROR(takes(placement_.layers.back(),
                              sizes_.head.largest != nullptr ? sizes_.head : sizes_.embedding));
    for (uint32_t l = 0; l < layers_; ++l) {
      RSN_RETURN_IF_ERROR(takes(placement_.layers[l], sizes_.layers[l]));
      for (const ExpertPart& part : placement_.experts) {
        RSN_RETURN_IF_ERROR(
            takes(placement_.ExpertDevice(l, part), sizes_.experts[l], part.count, routed_));
      }
    }
    return absl::OkStatus();
  }

  // What one device would need to hold every layer.
  uint64_t Whole() const {
    uint64_t total = kReserve + sizes_.embedding.bytes + sizes_.Head(true);
    for (uint32_t l = 0; l < layers_; ++l) total += OfLayer(l);
    return total;
  }

  // A name that stands twice is opened twice: two devices that share one chip.
  absl::StatusOr<uint32_t> Open(const std::string& name) {
    const std::string backend = name.substr(0, name.find(':'));
    for (const Backend& b : ListBackends(request_.backend_path)) {
      placement_.notable |= b.name == backend && !b.file.empty();
    }
    RSN_ASSIGN_OR_RETURN(std::shared_ptr<Device> device,
                         Device::Open(name, {.threads = request_.threads,
                                             .backend_path = request_.backend_path,
                                             .log = request_.log}));
    placement_.devices.push_back(std::move(device));
    placement_.notable |= placement_.devices.size() > 1;
    return static_cast<uint32_t>(placement_.devices.size() - 1);
  }

  // How many of the layers that are not placed yet the device's free memory holds.
  uint32_t Fit(uint32_t index) const {
    const size_t first = placement_.layers.size();
    uint64_t used = kReserve + (first == 0 ? sizes_.embedding.bytes : 0);
    const rsn_device_info info = placement_.DeviceOf(index).Info();
    const uint64_t free = info.memory_free;
    uint32_t count = 0;
    for (size_t l = first; l < layers_; ++l, ++count) {
      if (!TakesLayer("", info, l).ok()) break;
      used += OfLayer(l);
      if (l + 1 == layers_) used += sizes_.Head(/*one_device=*/first == 0);
      if (used > free) break;
    }
    return count;
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
    RSN_RETURN_IF_ERROR(CheckTensors());
    return std::move(placement_);
  }

  // The device of that name that no part before has: one that the layers use, if there is one.
  absl::StatusOr<uint32_t> OpenForExperts(const std::string& name) {
    for (uint32_t d = 0; d < placement_.devices.size(); ++d) {
      const bool taken = std::any_of(placement_.experts.begin(), placement_.experts.end(),
                                     [d](const ExpertPart& part) { return part.device == d; });
      if (!taken && placement_.DeviceOf(d).name() == name) return d;
    }
    RSN_ASSIGN_OR_RETURN(const uint32_t index, Open(name));
    placement_.weight_bytes.push_back(0);
    return index;
  }

  // How many experts of every layer the part's devices have memory for.
  uint32_t FitExperts(const ExpertPart& part) const {
    uint64_t fit = routed_;
    for (const auto& device : placement_.devices) {
      const auto here = [&](uint32_t d) {  // devices of one name share one memory
        return placement_.DeviceOf(d).name() == device->name();
      };
      uint64_t taken = kReserve, one = 0, largest = 0;  // of one expert of every layer
      for (uint32_t d = 0; d < placement_.devices.size(); ++d) {
        if (here(d)) taken += placement_.weight_bytes[d];
      }
      for (uint32_t l = 0; l < layers_; ++l) {
        if (here(placement_.layers[l])) taken += request_.kv_bytes / layers_;
        if (!placement_.routes[l] || !here(placement_.ExpertDevice(l, part))) continue;
        one += ExpertBytes(l);
        largest = std::max(largest, sizes_.experts[l].largest->bytes() / routed_);
      }
      if (one == 0) continue;
      const rsn_device_info info = device->Info();
      fit = std::min(fit, (info.memory_free > taken ? info.memory_free - taken : 0) / one);
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
  const uint32_t routed_;           // experts of a layer
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
  if (request.opened != nullptr) return placer.OnOpened();
  return request.device.empty() ? placer.ByDefault() : placer.ByRequest();
}

std::string Placement::Name() const {
  return absl::StrJoin(devices, ",", [](std::string* out, const std::shared_ptr<Device>& device) {
    *out += device->name();
  });
}

uint64_t Placement::RoomForCache() const {
  uint64_t room = UINT64_MAX;
  for (uint32_t d = 0; d < devices.size(); ++d) {
    // Devices of one name share one memory.
    uint64_t weights = 0, own_layers = 0;
    for (uint32_t other = 0; other < devices.size(); ++other) {
      if (devices[other]->name() != devices[d]->name()) continue;
      weights += weight_bytes[other];
      own_layers += std::count(layers.begin(), layers.end(), other);
    }
    if (own_layers == 0) continue;
    const rsn_device_info info = devices[d]->Info();
    const uint64_t taken = info.kind == 0 ? 0 : weights + kReserve;
    const uint64_t free = info.memory_free == 0      ? kUnknownFreeMemory
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
