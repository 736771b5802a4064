// What lies behind the opaque handles, and the checks that every use of one begins with. A magic
// number catches a handle of the wrong kind (not reliably one that was freed), the process number one
// that was inherited through fork(): locks and threads did not come along, so nothing in it may be
// touched.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capi/loaded_model.h"
#include "capi/status.h"
#include "core/backend/device.h"
#include "core/session/session.h"

namespace raison::capi {

struct Header {
  explicit Header(uint64_t number);
  uint64_t magic;
  int64_t process;
};

inline constexpr uint64_t kModelMagic = 0x6c65646f6d6e7372;     // "rsnmodel"
inline constexpr uint64_t kSessionMagic = 0x6973736573736e72;   // "rnssessi"
inline constexpr uint64_t kMessagesMagic = 0x737361656d6e7372;  // "rsnmeass"
inline constexpr uint64_t kDevicesMagic = 0x73636976656e7372;   // "rsnevics"

rsn_status CheckHeader(const char* noun, const Header* header, uint64_t magic);
// For _free: false in a process that did not make it; *header is made unusable otherwise.
bool MayFree(Header* header, uint64_t magic);

}  // namespace raison::capi

struct rsn_model {
  raison::capi::Header header{raison::capi::kModelMagic};
  std::shared_ptr<raison::capi::LoadedModel> loaded;
};

struct rsn_messages {
  raison::capi::Header header{raison::capi::kMessagesMagic};
  std::vector<raison::Message> list;
  std::vector<bool> has_thinking;  // (list): "" and "not given" are different to the reader
};

struct rsn_devices {
  raison::capi::Header header{raison::capi::kDevicesMagic};
  std::vector<raison::DeviceEntry> list;
};

struct rsn_session {
  raison::capi::Header header{raison::capi::kSessionMagic};
  std::shared_ptr<raison::capi::LoadedModel> loaded;
  std::unique_ptr<raison::Session> session;  // before `loaded` in destruction

  // Who is inside: 0 nobody, else the thread's mark. See capi/session_use.h.
  mutable std::atomic<uintptr_t> owner{0};
  mutable bool in_callback = false;  // read and written by the owner only

  // What borrowed pointers point to.
  raison::Event event;  // the latest one
  mutable std::string texts[2];  // of the thinking and of the answer
  mutable std::string answer;
  mutable std::vector<const char*> stop;
  mutable std::vector<size_t> stop_sizes;
  mutable std::vector<int32_t> logit_bias_tokens;
  mutable std::vector<float> logit_bias;
};
