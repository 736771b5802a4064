#include "core/base/os/pages.h"

#include <windows.h>

#include <cstdint>

namespace raison {

size_t PageSize() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

// Windows counts both kinds when they are asked for; neither takes memory before it is touched.
void* NewPages(size_t bytes, PageBacking) {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void FreePages(void* pages, size_t) { VirtualFree(pages, 0, MEM_RELEASE); }

bool ProtectPages(void* first, size_t bytes, PageAccess access) {
  DWORD before;
  return VirtualProtect(first, bytes,
                        access == PageAccess::kNone ? PAGE_NOACCESS : PAGE_READWRITE, &before) != 0;
}

void DropPages(absl::Span<const std::byte> part) {
  const uintptr_t page = PageSize();
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size()) / page * page;
  if (begin >= end) return;
  void* const first = reinterpret_cast<void*>(begin);
  MEMORY_BASIC_INFORMATION info;
  if (VirtualQuery(first, &info, sizeof info) == 0) return;
  if (info.Type == MEM_PRIVATE) {
    VirtualFree(first, end - begin, MEM_DECOMMIT);
  } else {
    VirtualUnlock(first, end - begin);  // of pages that are not locked: out of the working set
  }
}

// Large pages want a privilege there that users do not have.
void PreferHugePages(void*, size_t) {}

}  // namespace raison
