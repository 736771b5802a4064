// rsn_generate_options as the core's GenerateOptions, and back.
#pragma once

#include "capi/handles.h"
#include "core/session/options.h"

namespace raison::capi {

// NULL: the defaults. Only what the core cannot check itself is checked here: pointers, enumerators,
// texts.
rsn_status ReadGenerateOptions(const rsn_generate_options* options, GenerateOptions* out);

// The request's effective options; arrays are kept in the handle.
rsn_generate_options EffectiveOptions(const rsn_session& session, const ResolvedOptions& options);

}  // namespace raison::capi
