// A back end with one fault: the reference's table, every operation of which passes through a
// planted act that may spoil its arguments or its results, or with entries of its own. It keeps its
// own recordings (the calls, made again by replay), so that acts run when the operation does and
// may know that they are replayed. Faults are one at a time, for tests that show that the
// conformance kit turns red.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "raison/backend.h"

namespace raison::testing {

// When and where an act runs.
struct Moment {
  rsn_queue* queue;
  uint32_t threads;              // of the device
  std::vector<std::byte>* kept;  // lives with this operation of its recording; NULL: not replayed
};

template <typename Args>
using Act = int32_t (*)(const Moment& moment, const Args& args);

// Changes the table once it is filled.
using Patch = void (*)(rsn_backend* table);

struct Fault {
  const char* name;
  const char* op;  // whose cases must turn red; "table": the rules of the table itself
  std::variant<Act<rsn_embed>, Act<rsn_gather_rows>, Act<rsn_rms_norm>, Act<rsn_matmul>,
               Act<rsn_rope_table>, Act<rsn_rope>, Act<rsn_kv_write>, Act<rsn_kv_copy_page>,
               Act<rsn_attention>, Act<rsn_mla_attention>, Act<rsn_silu_mul>, Act<rsn_moe_route>,
               Act<rsn_moe_experts>, Act<rsn_reduce_logits>, Patch>
      act;
  const char* says = "";  // what the failure must contain
  bool runs_while_recording = false;
};

const std::vector<Fault>& Faults();

// The fault of the devices that exist from now on; nullptr: none.
void Plant(const Fault* fault);
int32_t OpenFaultyBackend(const rsn_backend_host* host, rsn_backend* table);

}  // namespace raison::testing
