// Plug-ins for plugin_test: the reference back end behind the two symbols, and ones that are wrong
// in one way each. PLUGIN_KIND says which.
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/backend/reference/operands.h"
#include "core/backend/reference/reference_backend.h"
#include "raison/backend.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

#if defined(PLUGIN_FOREIGN)  // a library, but no plug-in
EXPORTED int something_else() { return 1; }
#else
#if defined(PLUGIN_TWINS)
namespace {

uint64_t Knob(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

void Describe(rsn_device_info* info) {
  info->kind = 1;
  info->memory_total = uint64_t{1} << 40;
  info->memory_free = Knob("RAISON_TWINS_FREE", info->memory_total);
  info->largest_buffer = Knob("RAISON_TWINS_LARGEST", 0);
}

template <typename Args>
bool Has(const void* args, uint64_t type) {
  bool has = false;
  raison::reference::Operands(*static_cast<const Args*>(args),
                              [&](const rsn_tensor& t) { has |= t.rank > 0 && t.dtype == type; });
  return has;
}

decltype(rsn_backend::supports) reference_supports;

// RAISON_TWINS_REFUSES is an element type that weights and caches must not have.
int32_t Supports(rsn_device_state* device, uint32_t op, const void* args) {
  const uint64_t refused = Knob("RAISON_TWINS_REFUSES", UINT64_MAX);
  if (op == RSN_OP_EMBED && Has<rsn_embed>(args, refused)) return 0;
  if (op == RSN_OP_MATMUL && Has<rsn_matmul>(args, refused)) return 0;
  if (op == RSN_OP_KV_WRITE && Has<rsn_kv_write>(args, refused)) return 0;
  return reference_supports(device, op, args);
}

}  // namespace
#endif

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
    Describe(info);
    std::strcpy(info->name, index == 0 ? "first" : "second");
    std::strcpy(info->driver, "1.2.3");
    if (index == 1) std::strcpy(info->problem, "its memory is on fire");
    return 0;
  };
  backend->device_info = [](rsn_device_state*, rsn_device_info* info) -> int32_t {
    Describe(info);
    return 0;
  };
  reference_supports = backend->supports;
  backend->supports = Supports;
#elif defined(PLUGIN_ODD)  // right, or odd in the way that the environment says
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
