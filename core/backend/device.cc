#include "core/backend/device.h"

#include "core/backend/registry.h"
#include "core/base/thread_pool.h"

namespace raison {

absl::StatusOr<std::shared_ptr<Device>> Device::Open(const std::string& name,
                                                     const DeviceOptions& options) {
  RSN_ASSIGN_OR_RETURN(const BackendOpenFunction open, FindBackend(name));
  auto device = std::shared_ptr<Device>(new Device);
  device->name_ = name;
  device->log_ = options.log;
  device->pool_ = std::make_unique<ThreadPool>(options.threads);
  device->host_ = {
      .struct_size = sizeof(rsn_backend_host),
      .threads = device->pool_->size(),
      .context = device.get(),
      .log = &Device::LogFromBackend,
      .parallel_for =
          [](void* context, uint32_t count, void (*task)(void*, uint32_t, uint32_t), void* arg) {
            static_cast<Device*>(context)->pool_->ParallelFor(count, task, arg);
          },
      .cache_directory = nullptr,
  };
  device->table_.struct_size = sizeof(rsn_backend);
  int32_t code = open(&device->host_, &device->table_);
  if (code != 0 || device->table_.version != RSN_BACKEND_VERSION) {
    return absl::FailedPreconditionError(
        absl::StrCat("back end ", name, " does not open (code ", code, ", version ",
                     device->table_.version, ", wanted ", RSN_BACKEND_VERSION, ")"));
  }
  code = device->table_.device_open(&device->host_, 0, &device->state_);
  if (code != 0) return device->ToStatus(code, "device_open");
  return device;
}

Device::~Device() {
  if (state_ != nullptr) table_.device_close(state_);
}

void Device::LogFromBackend(void* context, uint32_t level, const char* text) {
  auto* device = static_cast<Device*>(context);
  if (device->log_) device->log_(level, text);
}

uint32_t Device::threads() const { return pool_->size(); }

rsn_device_info Device::Info() const {
  rsn_device_info info{};
  info.struct_size = sizeof info;
  table_.device_info(state_, &info);
  return info;
}

absl::Status Device::ToStatus(int32_t code, const char* what) const {
  const char* text = table_.last_error();
  const std::string message =
      absl::StrCat(name_, " ", what, ": ", text != nullptr && *text ? text : "failed");
  switch (code) {  // rsn_status
    case -10:  // RSN_ERR_ARGUMENT
    case -11:  // RSN_ERR_STRUCT
      return absl::InvalidArgumentError(message);
    case -22:  // RSN_ERR_UNSUPPORTED
      return absl::UnimplementedError(message);
    case -30:  // RSN_ERR_MEMORY
      return absl::ResourceExhaustedError(message);
    case -32:  // RSN_ERR_DEVICE
      return absl::UnavailableError(message);
    case -40:  // RSN_ERR_STATE
      return absl::FailedPreconditionError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<Buffer> Device::NewBuffer(uint64_t bytes) {
  rsn_buffer* buffer = nullptr;
  const int32_t code = table_.buffer_new(state_, bytes, &buffer);
  if (code != 0) return ToStatus(code, "buffer_new");
  return Buffer(shared_from_this(), buffer, bytes);
}

absl::StatusOr<Device::Weight> Device::NewWeight(Tensor description,
                                                 absl::Span<const std::byte> bytes,
                                                 uint32_t flags) {
  uint32_t referenced = 0;
  const int32_t code =
      table_.weight(state_, &description, bytes.data(), bytes.size(), flags, &referenced);
  if (code != 0) return ToStatus(code, "weight");
  return Weight{.buffer = Buffer(shared_from_this(), description.buffer, bytes.size()),
                .tensor = description,
                .referenced = referenced != 0};
}

bool Device::Supports(uint32_t op, const void* args) const {
  return table_.supports(state_, op, args) != 0;
}

Buffer::Buffer(std::shared_ptr<Device> device, rsn_buffer* buffer, uint64_t bytes)
    : buffer_(buffer, [device](rsn_buffer* b) { device->table().buffer_free(b); }), bytes_(bytes) {}

absl::StatusOr<std::vector<DeviceEntry>> ListDevices() {
  std::vector<DeviceEntry> entries;
  for (const std::string& name : BackendNames()) {
    RSN_ASSIGN_OR_RETURN(const std::shared_ptr<Device> device,
                         Device::Open(name, {.threads = 1}));
    entries.push_back({name, device->Info()});
  }
  return entries;
}

}  // namespace raison
