// Whole pages of zeroed memory, taken from the system and given back to it. Owns nothing: what it
// hands out is freed by FreePages. Advice that the system does not take costs memory or time only.
#pragma once

#include <cstddef>

#include "absl/types/span.h"

namespace raison {

enum class PageBacking {
  kPromised,  // refused where the system sees that it has not so much
  kOnTouch,   // more than there is may be asked for, as long as it is not touched
};
enum class PageAccess { kNone, kReadWrite };

size_t PageSize();
// NULL: there is no memory; errno (on Windows: GetLastError) says why.
void* NewPages(size_t bytes, PageBacking backing = PageBacking::kPromised);
void FreePages(void* pages, size_t bytes);
// `first` begins a page. False: the system refuses.
bool ProtectPages(void* first, size_t bytes, PageAccess access);
// The whole pages inside `part` go back to the system and are not read any more; those of a mapped
// file may be, and come from the file again.
void DropPages(absl::Span<const std::byte> part);
// Asks for huge pages under memory that is about to be filled.
void PreferHugePages(void* first, size_t bytes);

}  // namespace raison
