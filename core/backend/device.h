// A device: a back end's table, its open state and the threads lent to it. Buffers and queues made
// on it keep it open. Everything above this folder sees devices only through these classes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "core/backend/tensor.h"
#include "core/base/status.h"

namespace raison {

class ThreadPool;

// A message of the library for its host: level 0 error, 1 warning, 2 information, 3 detail.
using LogFunction = std::function<void(uint32_t level, const std::string& text)>;

struct DeviceOptions {
  uint32_t threads = 0;  // 0: as many as the process may use
  LogFunction log;
};

class Buffer;

class Device : public std::enable_shared_from_this<Device> {
 public:
  // name: "cpu", "reference", or another back end of the registry.
  static absl::StatusOr<std::shared_ptr<Device>> Open(const std::string& name,
                                                      const DeviceOptions& options);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const rsn_backend& table() const { return table_; }
  rsn_device_state* state() const { return state_; }
  const std::string& name() const { return name_; }
  uint32_t threads() const;
  rsn_device_info Info() const;

  absl::StatusOr<Buffer> NewBuffer(uint64_t bytes);
  // Makes a weight from plain host bytes; `description` says dtype and shape. See rsn_backend.weight.
  struct Weight;
  absl::StatusOr<Weight> NewWeight(Tensor description, absl::Span<const std::byte> bytes,
                                   uint32_t flags);
  bool Supports(uint32_t op, const void* args) const;
  bool CanRecord() const { return table_.record_begin != nullptr; }
  absl::Status ToStatus(int32_t code, const char* what) const;

 private:
  Device() = default;
  static void LogFromBackend(void* context, uint32_t level, const char* text);

  std::string name_;
  rsn_backend table_{};
  rsn_backend_host host_{};
  rsn_device_state* state_ = nullptr;
  std::unique_ptr<ThreadPool> pool_;
  LogFunction log_;
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

// One line of `rsn_device_*`: what could be opened here.
struct DeviceEntry {
  std::string name;
  rsn_device_info info;
};
absl::StatusOr<std::vector<DeviceEntry>> ListDevices();

}  // namespace raison
