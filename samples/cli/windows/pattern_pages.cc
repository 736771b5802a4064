#include "samples/cli/pattern_pages.h"

#include "core/base/os/pages.h"
#include "samples/cli/errors.h"

namespace raison::cli {

PatternPages::PatternPages(size_t size)
    : data_(static_cast<std::byte*>(NewPages(size))), size_(size) {
  if (data_ == nullptr) throw Failure("no memory for random weights");
}

PatternPages::~PatternPages() { FreePages(data_, size_); }

// Windows shows views only at multiples of 64 KiB, and not in the middle of other memory.
bool PatternPages::CanShow() { return false; }
bool PatternPages::Show(std::byte*, size_t, size_t) const { return false; }

}  // namespace raison::cli
