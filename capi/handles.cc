#include "capi/handles.h"

#include "core/base/os/process.h"

namespace raison::capi {

Header::Header(uint64_t number) : magic(number), process(ProcessNumber()) {}

rsn_status CheckHeader(const char* noun, const Header* header, uint64_t magic) {
  if (header == nullptr) return FailWith(RSN_ERR_ARGUMENT, noun, ": NULL");
  if (header->magic != magic) return FailWith(RSN_ERR_ARGUMENT, noun, ": not a handle of this kind");
  if (header->process != ProcessNumber()) {
    return FailWith(RSN_ERR_FORKED, noun, ": made in process ", header->process,
                    ", before fork(); load the model again in this one");
  }
  return RSN_OK;
}

bool MayFree(Header* header, uint64_t magic) {
  if (header->magic != magic || header->process != ProcessNumber()) return false;
  header->magic = 0;
  return true;
}

}  // namespace raison::capi
