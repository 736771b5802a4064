// The test back end `far`: the reference's arithmetic behind a device's manners. Its memory cannot
// be read or written by the host (PROT_NONE) except while its queue executes; operations only
// enqueue copies of their arguments, uploads copy their bytes, and all of it runs at synchronize;
// steps are recorded and replayed. It refuses operands that are not live buffers of the same
// device, so what passes here hands no host pointer to a back end and relies on no early execution.
#pragma once

#include "raison/backend.h"

namespace raison {

int32_t OpenFarBackend(const rsn_backend_host* host, rsn_backend* backend);

// Where a far buffer's bytes lie in this process, for tests that prove the protection.
const void* FarBufferAddress(rsn_buffer* buffer);

}  // namespace raison
