#include "core/base/os/scratch_pages.h"

#include "core/base/os/pages.h"

namespace raison {

absl::StatusOr<std::unique_ptr<ScratchPages>> ScratchPages::New(size_t bytes) {
  const size_t size = bytes == 0 ? 1 : bytes;  // no system gives zero pages
  void* data = NewPages(size);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes"));
  }
  return std::unique_ptr<ScratchPages>(new ScratchPages(static_cast<std::byte*>(data), size));
}

ScratchPages::~ScratchPages() { FreePages(data_, size_); }

void ScratchPages::Release(absl::Span<const std::byte> part) const { DropPages(part); }

}  // namespace raison
