// RSN_TOKENIZE_* as the tokenizer's options.
#pragma once

#include "capi/status.h"
#include "core/model/text/tokenizer.h"

namespace raison::capi {

rsn_status ReadTokenizeFlags(const Tokenizer& tokenizer, uint32_t flags, EncodeOptions* out);

}  // namespace raison::capi
