#include "core/backend/vulkan/features.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/backend/vulkan/device.h"
#include "core/backend/vulkan/product.h"
#include "core/base/os/library_path.h"

namespace raison::vulkan {
namespace {

constexpr uint32_t kAmd = 0x1002, kIntel = 0x8086;

// Not Mesa's.
bool OfAmd(const PhysicalDevice& d) {
  return d.driver_id == VK_DRIVER_ID_AMD_PROPRIETARY || d.driver_id == VK_DRIVER_ID_AMD_OPEN_SOURCE;
}

// RDNA3 and later alone claim dot products of mixed signs to be fast.
bool AmdBeforeRdna3(const PhysicalDevice& d) {
  return d.vendor == kAmd && !d.mixed_dot_accelerated;
}
constexpr Fault kFaults[] = {
    {[](const PhysicalDevice& d) {
       return AmdBeforeRdna3(d) && d.driver_id == VK_DRIVER_ID_AMD_PROPRIETARY;
     },
     &Features::integer_dot,
     "wrong sums, said to be fast: github.com/0xShug0/audio.cpp/pull/193, ollama issue 13108"},
    {[](const PhysicalDevice& d) {
       return d.vendor == kAmd && OfAmd(d) && d.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
     },
     &Features::matrix,
     "asking for its shapes crashes: github.com/GPUOpen-Drivers/AMDVLK/issues/422"},
    {[](const PhysicalDevice& d) { return AmdBeforeRdna3(d) && OfAmd(d); }, &Features::matrix,
     "claimed by cards without: github.com/ggml-org/llama.cpp/pull/11074"},
    {[](const PhysicalDevice& d) {
       return d.vendor == kIntel && d.driver_id == VK_DRIVER_ID_INTEL_PROPRIETARY_WINDOWS;
     },
     &Features::matrix,
     "the device is lost: github.com/IGCIT/Intel-GPU-Community-Issue-Tracker-IGCIT/issues/1487"},
};

struct Named {
  const char* name;
  bool Features::*feature;
};
constexpr Named kNames[] = {
    {"dot", &Features::integer_dot}, {"quads", &Features::quads}, {"matrix", &Features::matrix}};

// A product of Q8_0 weights, whose codes use all eight bits, with some rows of activations.
struct Trial {
  static constexpr uint32_t kWidth = 512, kOutputs = 70, kBlock = 34;
  static constexpr uint32_t kRowBytes = kWidth / 32 * kBlock, kRows = 20;
  std::vector<uint8_t> weight;
  std::vector<float> in;
  Trial() : weight(size_t{kOutputs} * kRowBytes), in(size_t{kRows} * kWidth) {
    uint32_t state = 1;
    const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 16; };
    for (uint8_t& b : weight) b = static_cast<uint8_t>(next());
    for (size_t at = 0; at < weight.size(); at += kBlock) {
      const uint16_t d = static_cast<uint16_t>(0x2000 | (next() & 0x3ff));  // about 2^-7, as f16
      std::memcpy(&weight[at], &d, 2);
    }
    for (float& x : in) x = static_cast<float>(static_cast<int>(next() & 0xffff) - 32768) / 8192;
  }
};

rsn_tensor Floats(Buffer* buffer, uint64_t offset, uint32_t rows, uint32_t width) {
  rsn_tensor t = {.buffer = reference::BufferOf(buffer), .offset = offset, .rank = 2};
  t.shape[0] = rows, t.shape[1] = width;
  t.stride[0] = int64_t{width} * 4, t.stride[1] = 4;
  return t;
}

// The bits of one row's and of all rows' products with these features.
absl::StatusOr<std::vector<uint32_t>> Run(Device& device, const Features& features) {
  const Trial trial;
  const uint64_t in_bytes = trial.in.size() * 4, row = uint64_t{Trial::kOutputs} * 4;
  const uint64_t weight_at = CeilDivide(in_bytes, 256) * 256;
  const uint64_t out_at = weight_at + CeilDivide(trial.weight.size(), 256) * 256;
  RSN_ASSIGN_OR_RETURN(std::unique_ptr<Queue> queue, Queue::Create(device));
  RSN_ASSIGN_OR_RETURN(Buffer* const buffer, device.NewBuffer(out_at + row * (Trial::kRows + 1)));
  std::vector<uint32_t> bits(size_t{Trial::kOutputs} * (Trial::kRows + 1));
  const auto run = [&]() -> absl::Status {
    RSN_RETURN_IF_ERROR(queue->Upload(*buffer, 0, trial.in.data(), in_bytes));
    RSN_RETURN_IF_ERROR(
        queue->Upload(*buffer, weight_at, trial.weight.data(), trial.weight.size()));
    rsn_tensor weight = {.buffer = reference::BufferOf(buffer),
                         .offset = weight_at,
                         .dtype = RSN_DTYPE_Q8_0,
                         .rank = 2};
    weight.shape[0] = Trial::kOutputs, weight.shape[1] = Trial::kWidth;
    weight.stride[0] = Trial::kRowBytes, weight.stride[1] = Trial::kBlock;
    uint64_t to = out_at;
    for (uint32_t rows : {1u, Trial::kRows}) {
      Activations in{.plain = Floats(buffer, 0, rows, Trial::kWidth)};
      const rsn_tensor out = Floats(buffer, to, rows, Trial::kOutputs);
      to += row;
      RSN_RETURN_IF_ERROR(Quantize(*queue, in, nullptr, 0));
      RSN_RETURN_IF_ERROR(
          Multiply(*queue, {.in = in, .weight = weight, .out = out, .features = &features}));
    }
    RSN_RETURN_IF_ERROR(queue->Download(bits.data(), *buffer, out_at, bits.size() * 4));
    return queue->Synchronize();
  };
  const absl::Status status = run();
  device.FreeBuffer(buffer);
  RSN_RETURN_IF_ERROR(status);
  return bits;
}

}  // namespace

std::vector<const Fault*> FaultsOf(const PhysicalDevice& device) {
  std::vector<const Fault*> faults;
  for (const Fault& fault : kFaults) {
    if (fault.has(device)) faults.push_back(&fault);
  }
  return faults;
}

Features WantedFeatures(const PhysicalDevice& device) {
  Features features = device.offers;
  const std::string use = EnvironmentVariable("RAISON_VULKAN_USE");
  if (!use.empty()) {
    const std::vector<std::string> names = absl::StrSplit(use, ',');
    for (const Named& named : kNames) {
      features.*named.feature &= std::find(names.begin(), names.end(), named.name) != names.end();
    }
    return features;
  }
  features.integer_dot &= device.integer_dot_accelerated;
  for (const Fault* fault : FaultsOf(device)) features.*fault->feature = false;
  return features;
}

absl::Status TryFeatures(Device& device, Features& features) {
  static std::mutex mutex;
  static std::map<std::string, bool> good;  // by device, driver and feature
  const PhysicalDevice& physical = device.physical();
  const std::string key =
      absl::StrCat(std::string_view(reinterpret_cast<const char*>(physical.uuid), VK_UUID_SIZE),
                   " ", physical.driver, " ", physical.driver_version, " ");
  std::lock_guard lock(mutex);
  std::vector<uint32_t> plain;
  for (const Named& named : kNames) {
    if (!(features.*named.feature)) continue;
    const auto [known, is_new] = good.emplace(key + named.name, false);
    if (is_new) {
      if (plain.empty()) {
        RSN_ASSIGN_OR_RETURN(plain, Run(device, {}));
      }
      Features one;
      one.*named.feature = true;
      const absl::StatusOr<std::vector<uint32_t>> tried = Run(device, one);
      RSN_RETURN_IF_ERROR(device.LostStatus());
      known->second = tried.ok() && *tried == plain;
      if (!known->second) {
        device.Log(
            1, absl::StrCat("Vulkan: ", physical.name, ", ", physical.driver, ": \"", named.name,
                            "\" is not used: ",
                            tried.ok() ? "its results are wrong" : tried.status().message()));
      }
    }
    features.*named.feature = known->second;
  }
  return absl::OkStatus();
}

std::string FeaturesText(const Features& features) {
  std::vector<std::string> names;
  for (const Named& named : kNames) {
    if (features.*named.feature) names.emplace_back(named.name);
  }
  return names.empty() ? "none" : absl::StrJoin(names, ", ");
}

}  // namespace raison::vulkan
