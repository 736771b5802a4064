// The noun "devices".
#include "capi/handles.h"
#include "capi/structs.h"
#include "capi/text.h"

namespace raison::capi {
namespace {

rsn_status CheckDevices(const rsn_devices* devices) {
  return CheckHeader("devices", devices == nullptr ? nullptr : &devices->header, kDevicesMagic);
}

// Fixed arrays of the back end's struct: not trusted to end with NUL.
template <size_t kSize>
std::string_view Field(const char (&text)[kSize]) {
  return std::string_view(text, strnlen(text, kSize));
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_devices_new(rsn_devices** out, const char* backend_path, size_t backend_path_size) {
  return Guard([&]() -> rsn_status {
    if (out == nullptr) return Fail(RSN_ERR_ARGUMENT, "out: NULL");
    *out = nullptr;
    std::string_view path;
    RSN_CAPI_RETURN_IF_ERROR(
        ReadOptionalText("backend_path", backend_path, backend_path_size, &path));
    auto devices = std::make_unique<rsn_devices>();
    auto list = raison::ListDevices(std::string(path));
    if (!list.ok()) return Fail(list.status(), Doing::kReading);
    devices->list = *std::move(list);
    *out = devices.release();
    return RSN_OK;
  });
}

void rsn_devices_free(rsn_devices* devices) {
  if (devices != nullptr && MayFree(&devices->header, kDevicesMagic)) delete devices;
}

rsn_status rsn_devices_count(const rsn_devices* devices, size_t* count) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckDevices(devices));
    if (count == nullptr) return Fail(RSN_ERR_ARGUMENT, "count: NULL");
    *count = devices->list.size();
    return RSN_OK;
  });
}

rsn_status rsn_devices_get(const rsn_devices* devices, size_t index, rsn_device* device) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckDevices(devices));
    RSN_CAPI_RETURN_IF_ERROR(CheckOut("rsn_device", device));
    if (index >= devices->list.size()) {
      return FailWith(RSN_ERR_ARGUMENT, "device ", index, " of ", devices->list.size());
    }
    const raison::DeviceEntry& entry = devices->list[index];
    rsn_device value = Defaults<rsn_device>();
    value.kind = static_cast<int32_t>(entry.info.kind);
    LendText(entry.name, &value.name, &value.name_size);
    LendText(Field(entry.info.description), &value.description, &value.description_size);
    if (!entry.problem.empty()) LendText(entry.problem, &value.problem, &value.problem_size);
    const std::string_view driver = Field(entry.info.driver);
    if (!driver.empty()) LendText(driver, &value.driver, &value.driver_size);
    value.memory_total = entry.info.memory_total;
    value.memory_free = entry.info.memory_free;
    WriteStruct(value, device);
    return RSN_OK;
  });
}

}  // extern "C"
