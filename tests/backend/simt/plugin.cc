// The emulated card as a plug-in, for what looks at plug-ins only: its back end is the test program's.
#include "raison/backend.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int32_t OpenEmulatedCard(const rsn_backend_host* host, rsn_backend* backend);

EXPORTED uint32_t rsn_backend_version(void) { return RSN_BACKEND_VERSION; }
EXPORTED int32_t rsn_backend_open(const rsn_backend_host* host, rsn_backend* backend) {
  return OpenEmulatedCard(host, backend);
}
