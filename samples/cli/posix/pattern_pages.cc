#include "samples/cli/pattern_pages.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "samples/cli/errors.h"

namespace raison::cli {

PatternPages::PatternPages(size_t size) : size_(size) {
  file_ = memfd_create("raison-random-weights", MFD_CLOEXEC);
  void* memory = MAP_FAILED;
  if (file_ >= 0 && ftruncate(file_, static_cast<off_t>(size_)) == 0) {
    memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  }
  if (memory == MAP_FAILED) {
    if (file_ >= 0) close(file_);
    throw Failure(std::string("no memory for random weights: ") + strerror(errno));
  }
  data_ = static_cast<std::byte*>(memory);
}

PatternPages::~PatternPages() {
  munmap(data_, size_);
  close(file_);
}

bool PatternPages::CanShow() { return true; }

bool PatternPages::Show(std::byte* to, size_t size, size_t offset) const {
  if (mmap(to, size, PROT_READ, MAP_SHARED | MAP_FIXED, file_, static_cast<off_t>(offset)) ==
      MAP_FAILED) {
    throw Failure(std::string("random weights cannot be mapped: ") + strerror(errno));
  }
  return true;
}

}  // namespace raison::cli
