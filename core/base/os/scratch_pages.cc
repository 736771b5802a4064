#include "core/base/os/scratch_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace raison {

absl::StatusOr<std::unique_ptr<ScratchPages>> ScratchPages::New(size_t bytes) {
  const size_t size = bytes == 0 ? 1 : bytes;  // mmap refuses a length of zero
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes"));
  }
  return std::unique_ptr<ScratchPages>(new ScratchPages(static_cast<std::byte*>(data), size));
}

ScratchPages::~ScratchPages() { munmap(data_, size_); }

void ScratchPages::Release(absl::Span<const std::byte> part) const {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size()) / page * page;
  // Advice only: a refusal costs memory, nothing else.
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace raison
