// libraison-vulkan.so opened by its path, on Debian's software driver unless the environment names
// another. Each test program loads it once.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "raison/backend.h"

namespace raison {

using OpenEntry = int32_t (*)(const rsn_backend_host*, rsn_backend*);

inline void* Plugin() {
  static void* const library = [] {
    for (const char* name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {  // the new and the old name
      setenv(name, RAISON_VULKAN_SOFTWARE, 0);
    }
    void* opened = dlopen(RAISON_VULKAN_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(opened, nullptr) << dlerror();
    return opened;
  }();
  return library;
}

inline int32_t OpenPlugin(const rsn_backend_host* host, rsn_backend* table) {
  if (Plugin() == nullptr) return -60;
  return reinterpret_cast<OpenEntry>(dlsym(Plugin(), "rsn_backend_open"))(host, table);
}

inline rsn_backend OpenTable() {
  rsn_backend table{};
  table.struct_size = sizeof table;
  const rsn_backend_host host{.struct_size = sizeof host};
  EXPECT_EQ(OpenPlugin(&host, &table), 0) << (table.last_error ? table.last_error() : "");
  return table;
}

inline bool HaveDevice() {
  rsn_backend table{};
  table.struct_size = sizeof table;
  const rsn_backend_host host{.struct_size = sizeof host};
  return OpenPlugin(&host, &table) == 0 && table.device_count() > 0;
}

#define SKIP_WITHOUT_A_DRIVER() \
  if (!HaveDevice()) GTEST_SKIP() << "no Vulkan driver is installed (Debian: mesa-vulkan-drivers)"

// The first device with one queue.
struct Opened {
  explicit Opened(const char* cache_directory = nullptr)
      : Opened({.struct_size = sizeof(rsn_backend_host),
                .threads = 1,
                .cache_directory = cache_directory}) {}
  explicit Opened(const rsn_backend_host& host) : table(OpenTable()) {
    EXPECT_EQ(table.device_open(&host, 0, &device), 0) << table.last_error();
    EXPECT_EQ(table.queue_new(device, &queue), 0) << table.last_error();
  }
  ~Opened() {
    table.queue_free(queue);
    table.device_close(device);
  }
  rsn_backend table;
  rsn_device_state* device = nullptr;
  rsn_queue* queue = nullptr;
};

}  // namespace raison
