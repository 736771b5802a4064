#include "core/base/os/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace raison {

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

void* NewPages(size_t bytes, PageBacking backing) {
  const int lazy = backing == PageBacking::kOnTouch ? MAP_NORESERVE : 0;
  void* pages =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | lazy, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

void FreePages(void* pages, size_t bytes) { munmap(pages, bytes); }

bool ProtectPages(void* first, size_t bytes, PageAccess access) {
  return mprotect(first, bytes,
                  access == PageAccess::kNone ? PROT_NONE : PROT_READ | PROT_WRITE) == 0;
}

void DropPages(absl::Span<const std::byte> part) {
  const uintptr_t page = PageSize();
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void PreferHugePages(void* first, size_t bytes) { madvise(first, bytes, MADV_HUGEPAGE); }

}  // namespace raison
