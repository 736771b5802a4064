// Plug-ins for plugin_test: the reference back end behind the two symbols, and ones that are wrong
// in one way each. PLUGIN_KIND says which.
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/backend/reference/reference_backend.h"
#include "raison/backend.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

#if defined(PLUGIN_FOREIGN)  // a library, but no plug-in
EXPORTED int something_else() { return 1; }
#else

EXPORTED uint32_t rsn_backend_version(void) {
#if defined(PLUGIN_LATER)
  return RSN_BACKEND_VERSION + 1;
#else
  return RSN_BACKEND_VERSION;
#endif
}

EXPORTED int32_t rsn_backend_open(const rsn_backend_host* host, rsn_backend* backend) {
#if defined(PLUGIN_DRIVERLESS)
  (void)host;
  backend->version = RSN_BACKEND_VERSION;
  backend->name = "driverless";
  backend->last_error = [] { return "no driver of version 9 is installed"; };
  return -32;
#else
  const int32_t code = raison::OpenReferenceBackend(host, backend);
#if defined(PLUGIN_COMPOSING)  // without the one operation that may be missing
  backend->mla_attention = nullptr;
#elif defined(PLUGIN_TWINS)  // two devices, of which the second cannot be opened
  backend->device_count = [] { return 2u; };
  backend->device_query = [](uint32_t index, rsn_device_info* info) -> int32_t {
    info->kind = 1;
    info->memory_free = uint64_t{1} << 40;
    const char* largest = std::getenv("RAISON_TWINS_LARGEST");
    info->largest_buffer = largest != nullptr ? std::strtoull(largest, nullptr, 10) : 0;
    std::strcpy(info->name, index == 0 ? "first" : "second");
    std::strcpy(info->driver, "1.2.3");
    if (index == 1) std::strcpy(info->problem, "its memory is on fire");
    return 0;
  };
#elif defined(PLUGIN_ODD)    // right, or odd in the way that the environment says
  const char* const variable = std::getenv("RAISON_ODD");
  const std::string odd = variable != nullptr ? variable : "";
  if (odd == "later") backend->version = RSN_BACKEND_VERSION + 1;
  if (odd == "crowd") backend->device_count = [] { return 0xffffffffu; };
  if (odd == "wordless") backend->last_error = []() -> const char* { return nullptr; };
  if (odd == "silent") backend->last_error = nullptr;
  if (odd == "silent" || odd == "wordless") return -32;
  if (odd == "kind") {
    backend->device_info = [](rsn_device_state*, rsn_device_info* info) -> int32_t {
      std::memset(info->name, 'x', sizeof info->name);
      info->kind = 77;
      info->memory_free = uint64_t{1} << 40;
      return 0;
    };
  }
  if (odd.rfind("lacks ", 0) == 0) {  // the entry that lies so many bytes into the table
    std::memset(reinterpret_cast<char*>(backend) + std::stoul(odd.substr(6)), 0, sizeof(void*));
  }
#endif
  return code;
#endif
}
#endif
