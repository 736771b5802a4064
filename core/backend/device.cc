#include "core/backend/device.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "core/backend/registry.h"
#include "core/backend/table.h"
#include "core/base/os/library_path.h"
#include "core/base/thread_pool.h"

namespace raison {

namespace {

// More cannot be told from a table that is filled wrongly.
constexpr uint32_t kMostDevices = 1024;

// The whole text of a fixed field, ended or not.
template <size_t kSize>
std::string Field(const char (&field)[kSize]) {
  return std::string(field, strnlen(field, kSize));
}

// A kind that is not known counts as a processor: such a device is never chosen by itself.
void KeepKnownKind(rsn_device_info& info) {
  constexpr uint32_t kCpu = 0, kDiscreteGpu = 2;
  if (info.kind > kDiscreteGpu) info.kind = kCpu;
}

}  // namespace

// "vulkan:1" is device 1 of the back end "vulkan".
absl::StatusOr<DeviceId> ParseDeviceName(const std::string& name) {
  const size_t colon = name.find(':');
  DeviceId id{.backend = name.substr(0, colon), .index = 0};
  if (colon == std::string::npos) return id;
  const std::string number = name.substr(colon + 1);
  const bool digits = number.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || !absl::SimpleAtoi(number, &id.index)) {
    return absl::UnavailableError(
        absl::StrCat("there is no device \"", name, "\": after the colon stands its number"));
  }
  return id;
}

absl::StatusOr<std::shared_ptr<Device>> Device::OpenBackend(const std::string& backend,
                                                            const DeviceOptions& options) {
  RSN_ASSIGN_OR_RETURN(const Backend found, FindBackend(backend, options.backend_path));
  auto device = std::shared_ptr<Device>(new Device);
  device->name_ = device->id_.backend = backend;
  device->is_plugin_ = found.IsPlugin();
  device->log_ = options.log;
  device->cache_directory_ = CacheFolder();
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
      .cache_directory =
          device->cache_directory_.empty() ? nullptr : device->cache_directory_.c_str(),
      .weight_read = [](void* context, const void* from, uint64_t bytes) -> int32_t {
        return static_cast<Device*>(context)->WeightReadFromBackend(from, bytes);
      },
  };
  device->table_.struct_size = sizeof(rsn_backend);
  const auto refused = [&](absl::string_view why) {
    return absl::UnavailableError(absl::StrCat("back end ", backend, ": ", why));
  };
  if (const int32_t code = found.open(&device->host_, &device->table_); code != 0) {
    const std::string why = LastSentence(device->table_);
    return refused(why.empty() ? absl::StrCat("code ", code) : why);
  }
  if (const absl::Status whole = CheckTable(device->table_); !whole.ok()) {
    return refused(whole.message());
  }
  if (const uint32_t count = device->table_.device_count(); count > kMostDevices) {
    return refused(absl::StrCat("it says that it has ", count, " devices"));
  }
  return device;
}

absl::StatusOr<std::shared_ptr<Device>> Device::Open(const std::string& name,
                                                     const DeviceOptions& options) {
  RSN_ASSIGN_OR_RETURN(const DeviceId id, ParseDeviceName(name));
  RSN_ASSIGN_OR_RETURN(std::shared_ptr<Device> device, OpenBackend(id.backend, options));
  if (const uint32_t count = device->table_.device_count(); id.index >= count) {
    return absl::UnavailableError(
        absl::StrCat("there is no device \"", name, "\": ", id.backend, " has ", count));
  }
  device->name_ = name;
  device->id_ = id;
  const int32_t code = device->table_.device_open(&device->host_, id.index, &device->state_);
  if (code != 0) return device->ToStatus(code, "does not open");
  return device;
}

Device::~Device() {
  if (state_ != nullptr) table_.device_close(state_);
}

void Device::LogFromBackend(void* context, uint32_t level, const char* text) {
  auto* device = static_cast<Device*>(context);
  if (device->log_) device->log_(level, text);
}

int32_t Device::WeightReadFromBackend(const void* from, uint64_t bytes) {
  if (weight_read_ == nullptr) return 0;
  weight_read_status_ = (*weight_read_)({static_cast<const std::byte*>(from), bytes});
  return weight_read_status_.ok() ? 0 : -50;  // RSN_ERR_CANCELLED; the host keeps the reason
}

uint32_t Device::threads() const { return pool_->size(); }

rsn_device_info Device::Info() const {
  rsn_device_info info{};
  info.struct_size = sizeof info;
  table_.device_info(state_, &info);
  KeepKnownKind(info);
  return info;
}

absl::Status Device::ToStatus(int32_t code, const char* what) const {
  const std::string text = LastSentence(table_);
  const std::string message = absl::StrCat(name_, " ", what, ": ", text.empty() ? "failed" : text);
  switch (code) {  // rsn_status
    case -10:      // RSN_ERR_ARGUMENT
    case -11:      // RSN_ERR_STRUCT
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
                                                 absl::Span<const std::byte> bytes, uint32_t flags,
                                                 const WeightRead& read) {
  uint32_t referenced = 0;
  weight_read_ = read ? &read : nullptr;
  weight_read_status_ = absl::OkStatus();
  const int32_t code =
      table_.weight(state_, &description, bytes.data(), bytes.size(), flags, &referenced);
  weight_read_ = nullptr;
  if (code != 0) {
    return weight_read_status_.ok() ? ToStatus(code, "weight") : weight_read_status_;
  }
  return Weight{.buffer = Buffer(shared_from_this(), description.buffer, bytes.size()),
                .tensor = description,
                .referenced = referenced != 0};
}

absl::StatusOr<Device::Weight> Device::NewRepeatedWeight(Tensor description,
                                                         absl::Span<const std::byte> bytes,
                                                         uint64_t period, uint32_t flags) {
  const int32_t code = table_.weight_repeated(state_, &description, bytes.data(), period, flags);
  if (code != 0) return ToStatus(code, "weight_repeated");
  return Weight{.buffer = Buffer(shared_from_this(), description.buffer, bytes.size()),
                .tensor = description,
                .referenced = false};
}

bool Device::Supports(uint32_t op, const void* args) const {
  if (op == RSN_OP_MLA_ATTENTION && !HasMlaAttention()) return false;
  return table_.supports(state_, op, args) != 0;
}

// Seen at a small weight.
bool Device::KeepsHostWeights() {
  alignas(64) static constexpr float kWeight[16] = {};
  const auto weight = NewWeight(DenseTensor(nullptr, 0, DType::kF32, {1, 16}),
                                {reinterpret_cast<const std::byte*>(kWeight), sizeof kWeight},
                                RSN_WEIGHT_MAY_REFERENCE);
  return weight.ok() && weight->referenced;
}

Buffer::Buffer(std::shared_ptr<Device> device, rsn_buffer* buffer, uint64_t bytes)
    : buffer_(buffer, [device](rsn_buffer* b) { device->table().buffer_free(b); }), bytes_(bytes) {}

absl::Status Device::Query(uint32_t index, rsn_device_info* info) const {
  info->struct_size = sizeof *info;
  if (table_.device_query != nullptr) {
    const int32_t code = table_.device_query(index, info);
    KeepKnownKind(*info);
    return code == 0 ? absl::OkStatus() : ToStatus(code, "device_query");
  }
  rsn_device_state* state = nullptr;
  if (const int32_t code = table_.device_open(&host_, index, &state); code != 0) {
    return ToStatus(code, "does not open");
  }
  const int32_t code = table_.device_info(state, info);
  KeepKnownKind(*info);
  table_.device_close(state);
  return code == 0 ? absl::OkStatus() : ToStatus(code, "device_info");
}

void Device::List(const Backend& backend, const std::string& backend_path,
                  std::vector<DeviceEntry>& entries) {
  const auto device = OpenBackend(backend.name, {.threads = 1, .backend_path = backend_path});
  if (!device.ok()) {
    entries.push_back({backend.name, {}, std::string(device.status().message())});
    return;
  }
  const uint32_t count = (*device)->table_.device_count();
  for (uint32_t i = 0; i < count; ++i) {
    DeviceEntry entry{.name = backend.name, .info = {}, .problem = ""};
    if (backend.IsPlugin()) absl::StrAppend(&entry.name, ":", i);
    const absl::Status status = (*device)->Query(i, &entry.info);
    entry.problem = status.ok() ? Field(entry.info.problem) : std::string(status.message());
    entries.push_back(std::move(entry));
  }
}

absl::StatusOr<std::vector<DeviceEntry>> ListDevices(const std::string& backend_path) {
  RSN_RETURN_IF_ERROR(CheckBackendPath(backend_path));
  std::vector<DeviceEntry> entries;
  for (const Backend& backend : ListBackends(backend_path)) {
    Device::List(backend, backend_path, entries);
  }
  for (const WrongPlace& place : WrongPlacesOfTheEnvironment()) {
    entries.push_back({.name = place.place, .info = {}, .problem = place.problem});
  }
  return entries;
}

std::vector<DeviceEntry> ListPluginDevices(const std::string& backend_path) {
  std::vector<DeviceEntry> entries;
  for (const Backend& backend : ListBackends(backend_path)) {
    if (backend.IsPlugin()) Device::List(backend, backend_path, entries);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const DeviceEntry& a, const DeviceEntry& b) {
    return a.info.kind > b.info.kind;
  });
  return entries;
}

}  // namespace raison
