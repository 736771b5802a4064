// A device: a back end's table, its open state and the threads lent to it. Buffers and queues made
// on it keep it open. Everything above this folder sees devices only through these classes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/backend/op.h"
#include "core/backend/tensor.h"
#include "core/base/status.h"

namespace raison {

class ThreadPool;

// A message of the library for its host: level 0 error, 1 warning, 2 information, 3 detail.
using LogFunction = std::function<void(uint32_t level, const std::string& text)>;

struct DeviceOptions {
  uint32_t threads = 0;      // 0: as many as the process may use
  std::string backend_path;  // where plug-ins are sought first; empty: nowhere besides
  LogFunction log;
};

// Which device a name means: "cuda" and "cuda:0" are one.
struct DeviceId {
  std::string backend;
  uint32_t index = 0;  // among its back end's devices

  bool operator==(const DeviceId&) const = default;
};
// UNAVAILABLE: what stands after the colon is no number. Whether there is such a device:
// Device::Open.
absl::StatusOr<DeviceId> ParseDeviceName(const std::string& name);

class Buffer;

class Device : public std::enable_shared_from_this<Device> {
 public:
  // name: that of a back end, with the number of the device where it has several: "cpu", "cuda",
  // "vulkan:1". UNAVAILABLE: there is no such device, or it cannot be used, and why.
  static absl::StatusOr<std::shared_ptr<Device>> Open(const std::string& name,
                                                      const DeviceOptions& options);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const rsn_backend& table() const { return table_; }
  rsn_device_state* state() const { return state_; }
  const std::string& name() const { return name_; }  // as it was asked for
  // Devices of one id share one chip and its memory.
  const DeviceId& id() const { return id_; }
  uint32_t index() const { return id_.index; }
  bool IsPlugin() const { return is_plugin_; }
  uint32_t threads() const;
  rsn_device_info Info() const;

  absl::StatusOr<Buffer> NewBuffer(uint64_t bytes);
  // Makes a weight from plain host bytes; `description` says dtype and shape. See
  // rsn_backend.weight.
  struct Weight;
  // `read` hears which bytes are not needed any more, where the back end tells (see weight_read);
  // its error ends the making. One weight is made at a time.
  using WeightRead = std::function<absl::Status(absl::Span<const std::byte>)>;
  absl::StatusOr<Weight> NewWeight(Tensor description, absl::Span<const std::byte> bytes,
                                   uint32_t flags, const WeightRead& read = {});
  // A weight whose bytes are the first `period` ones again and again: of those alone it is made, in
  // the device's own memory, where the device RepeatsWeights().
  absl::StatusOr<Weight> NewRepeatedWeight(Tensor description, absl::Span<const std::byte> bytes,
                                           uint64_t period, uint32_t flags);
  bool RepeatsWeights() const { return table_.weight_repeated != nullptr; }
  bool Supports(uint32_t op, const void* args) const;
  template <typename Args>
  bool Supports(Args args) const {
    args.struct_size = sizeof args;
    return Supports(Op<Args>::kNumber, &args);
  }
  // Whether weights may stay where the host has them (a mapped file's pages), so that they take
  // none of the device's memory.
  bool KeepsHostWeights();
  // The one operation that a back end may lack as a whole.
  bool HasMlaAttention() const { return table_.mla_attention != nullptr; }
  bool CanRecord() const { return table_.record_begin != nullptr; }
  absl::Status ToStatus(int32_t code, const char* what) const;

 private:
  Device() = default;
  static absl::StatusOr<std::shared_ptr<Device>> OpenBackend(const std::string& backend,
                                                             const DeviceOptions& options);
  static void LogFromBackend(void* context, uint32_t level, const char* text);
  int32_t WeightReadFromBackend(const void* from, uint64_t bytes);
  absl::Status Query(uint32_t index, rsn_device_info* info) const;
  static void List(const struct Backend& backend, const std::string& backend_path,
                   std::vector<struct DeviceEntry>& entries);
  friend absl::StatusOr<std::vector<struct DeviceEntry>> ListDevices(const std::string&);
  friend std::vector<struct DeviceEntry> ListPluginDevices(const std::string&);

  std::string name_;
  DeviceId id_;
  bool is_plugin_ = false;
  std::string cache_directory_;
  rsn_backend table_{};
  rsn_backend_host host_{};
  rsn_device_state* state_ = nullptr;
  std::unique_ptr<ThreadPool> pool_;
  LogFunction log_;
  const WeightRead* weight_read_ = nullptr;  // of the weight that is being made
  absl::Status weight_read_status_;
};

// Memory of a device, freed with the last owner.
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::shared_ptr<Device> device, rsn_buffer* buffer, uint64_t bytes);
  const rsn_buffer* get() const { return buffer_.get(); }
  rsn_buffer* get() { return buffer_.get(); }
  uint64_t bytes() const { return bytes_; }
  Tensor View(DType dtype, std::initializer_list<int64_t> shape, uint64_t offset = 0) const {
    return DenseTensor(buffer_.get(), offset, dtype, shape);
  }

 private:
  std::shared_ptr<rsn_buffer> buffer_;
  uint64_t bytes_ = 0;
};

struct Device::Weight {
  Buffer buffer;
  Tensor tensor;
  bool referenced = false;  // the host bytes are still used
};

// One line of `rsn_device_*`: what there is, and what keeps it from being used.
struct DeviceEntry {
  std::string name;  // for Device::Open
  rsn_device_info info;
  std::string problem;  // empty: it can be opened

  // The processor behind a device's interface, or no device at all: never worth moving a model to.
  bool IsSoftware() const { return info.kind == 0; }
};
// Every device of every back end, "cpu" first. A plug-in that cannot be used is one entry with its
// problem, and so, last, is a place of RAISON_BACKEND_PATH without plug-ins. Refuses a backend_path
// as CheckBackendPath does.
absl::StatusOr<std::vector<DeviceEntry>> ListDevices(const std::string& backend_path);
// Those of plug-ins, the fastest kind first.
std::vector<DeviceEntry> ListPluginDevices(const std::string& backend_path);

}  // namespace raison
