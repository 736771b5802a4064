// A back end's table, looked at before anything in it is called: by the loader and by the
// conformance kit.
#pragma once

#include <string>

#include "core/base/status.h"
#include "raison/backend.h"

namespace raison {

// The calling thread's last sentence; empty where the back end has none.
inline std::string LastSentence(const rsn_backend& table) {
  const char* text = table.last_error != nullptr ? table.last_error() : nullptr;
  return text != nullptr ? text : "";
}

// What backend.h marks as [required], and its version. UNAVAILABLE names what is wrong.
inline absl::Status CheckTable(const rsn_backend& t) {
  if (t.version != RSN_BACKEND_VERSION) {
    return absl::UnavailableError(absl::StrCat("its table has version ", t.version,
                                               ", this library has ", RSN_BACKEND_VERSION));
  }
  const char* missing = nullptr;
#define RSN_REQUIRED(entry) \
  if (missing == nullptr && t.entry == nullptr) missing = #entry
  RSN_REQUIRED(device_count);
  RSN_REQUIRED(device_open);
  RSN_REQUIRED(device_close);
  RSN_REQUIRED(device_info);
  RSN_REQUIRED(last_error);
  RSN_REQUIRED(buffer_new);
  RSN_REQUIRED(buffer_free);
  RSN_REQUIRED(weight);
  RSN_REQUIRED(queue_new);
  RSN_REQUIRED(queue_free);
  RSN_REQUIRED(upload);
  RSN_REQUIRED(download);
  RSN_REQUIRED(synchronize);
  RSN_REQUIRED(supports);
  RSN_REQUIRED(embed);
  RSN_REQUIRED(gather_rows);
  RSN_REQUIRED(rms_norm);
  RSN_REQUIRED(matmul);
  RSN_REQUIRED(rope_table);
  RSN_REQUIRED(rope);
  RSN_REQUIRED(kv_write);
  RSN_REQUIRED(kv_copy_page);
  RSN_REQUIRED(attention);
  RSN_REQUIRED(silu_mul);
  RSN_REQUIRED(moe_route);
  RSN_REQUIRED(moe_experts);
  RSN_REQUIRED(reduce_logits);
#undef RSN_REQUIRED
  if (missing != nullptr) {
    return absl::UnavailableError(absl::StrCat("its table lacks the required entry ", missing));
  }
  const int recording = (t.record_begin != nullptr) + (t.record_end != nullptr) +
                        (t.replay != nullptr) + (t.recording_free != nullptr);
  if (recording != 0 && recording != 4) {
    return absl::UnavailableError(
        "its table has some of record_begin, record_end, replay and recording_free, not all four");
  }
  return absl::OkStatus();
}

}  // namespace raison
