#include "samples/cli/random_model.h"

#include <string.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "core/base/os/pages.h"
#include "core/file/gguf_writer.h"
#include "samples/cli/bandwidth.h"
#include "samples/cli/errors.h"
#include "samples/cli/pattern_pages.h"
#include "samples/cli/random_blocks.h"
#include "samples/cli/random_shapes.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

constexpr size_t kPage = 4096;
// Distinct weights before they repeat: 9 MiB in four bits, 32 in sixteen; of every type whole
// blocks and whole pages.
constexpr uint32_t kPatternElements = 1u << 24;
constexpr size_t kLeastShared = 64 * kPage;

// Random blocks of one type in memory of their own.
class Pattern {
 public:
  explicit Pattern(DType type)
      : block_(Traits(type).bytes), size_(RowBytes(type, kPatternElements)), pages_(size_) {
    FillRandomBlocks(type, pages_.data(), size_);
  }

  // Copies from the byte `phase` on, and from the first one behind the last.
  void Copy(std::byte* to, size_t size, size_t phase = 0) const {
    for (size_t at = 0; at < size;) {
      const size_t n = std::min(size - at, size_ - phase);
      memcpy(to + at, pages_.data() + phase, n);
      at += n;
      phase = 0;
    }
  }

  // The same by mapping the pattern's pages over those of [to, to + size), wherever a page begins
  // in the middle of a block: some page of the pattern begins at the same place of one.
  void Map(std::byte* to, size_t size, size_t salt) const {
    const size_t head = (kPage - reinterpret_cast<uintptr_t>(to) % kPage) % kPage;
    const size_t inner = (size - head) / kPage * kPage;
    const size_t pages = size_ / kPage, period = block_ / std::gcd(kPage, block_);
    size_t page = 0;
    while (page < period && page * kPage % block_ != head % block_) ++page;
    if (page == period) return Copy(to, size);
    page += salt % (pages / period) * period;
    // All of [to, to + size) is one run through the pattern, again and again:
    // raison.repeat_elements.
    const size_t begin = page * kPage;
    Copy(to, head, (begin + size_ - head) % size_);
    for (size_t at = 0; at < inner;) {
      const size_t n = std::min(inner - at, (pages - page) * kPage);
      if (!pages_.Show(to + head + at, n, page * kPage)) return Copy(to, size);
      at += n;
      page = 0;
    }
    Copy(to + head + inner, size - head - inner, (begin + inner) % size_);
  }

 private:
  size_t block_, size_;
  PatternPages pages_;
};

size_t BytesOf(const RandomTensor& tensor) {
  const int64_t elements =
      std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
  return RowBytes(tensor.type, static_cast<size_t>(elements));
}

bool IsShared(const RandomTensor& tensor, const RandomModelOptions& options) {
  return options.share_pages && tensor.fill == RandomTensor::Fill::kRandom &&
         BytesOf(tensor) >= kLeastShared;
}

// Memory of this machine that a model of `size` bytes takes: on the CPU the repacked weights, and
// besides them an image that is not shared; for a device of its own memory, what is not shared.
uint64_t Needed(const RandomShape& shape, const RandomModelOptions& options, uint64_t size) {
  if (options.on_cpu) return options.share_pages ? size : 2 * size;
  if (!PatternPages::CanShow()) return size;
  uint64_t own = 0;
  std::set<DType> patterns;
  for (const RandomTensor& tensor : shape.tensors) {
    if (!IsShared(tensor, options)) own += BytesOf(tensor);
    patterns.insert(tensor.type);
  }
  for (const DType type : patterns) own += RowBytes(type, kPatternElements);
  return own;
}

}  // namespace

RandomModel::RandomModel(const RandomModelOptions& options) {
  const RandomShape shape = MakeRandomShape(options.shape, options.type, options.layers);
  GgufWriter writer;
  WriteRandomHeader(shape, &writer);
  writer.AddUint32("raison.repeat_elements", kPatternElements);
  for (const RandomTensor& tensor : shape.tensors) {
    writer.AddTensor(tensor.name, tensor.type, tensor.shape);
  }
  const std::string header = writer.Header();
  size_ = header.size() + writer.data_bytes();
  const uint64_t available = AvailableMemory(), needed = Needed(shape, options, size_);
  if (available != 0 && needed > available) {
    throw Failure(
        Format("%s in %s needs %s of memory, and %s are free; --layers N makes it smaller",
               options.shape.c_str(), options.type.c_str(), Bytes(needed).c_str(),
               Bytes(available).c_str()));
  }
  data_ = static_cast<std::byte*>(NewPages(size_, PageBacking::kOnTouch));
  if (data_ == nullptr) throw Failure("no room for " + Bytes(size_) + " of random weights");
  memcpy(data_, header.data(), header.size());

  std::map<DType, std::unique_ptr<Pattern>> patterns;
  std::byte* to = data_ + header.size();
  size_t salt = 0;
  for (const RandomTensor& tensor : shape.tensors) {
    const size_t bytes = BytesOf(tensor);
    if (tensor.fill != RandomTensor::Fill::kRandom) {
      const float value = tensor.fill == RandomTensor::Fill::kOnes ? 1.0f : 0.0f;
      for (size_t i = 0; i < bytes; i += sizeof value) memcpy(to + i, &value, sizeof value);
    } else {
      std::unique_ptr<Pattern>& pattern = patterns[tensor.type];
      if (pattern == nullptr) pattern = std::make_unique<Pattern>(tensor.type);
      if (IsShared(tensor, options)) {
        pattern->Map(to, bytes, salt += 7);  // another place in the pattern for each tensor
      } else {
        pattern->Copy(to, bytes);
      }
    }
    to += GgufWriter::Padded(bytes);
  }
}

RandomModel::~RandomModel() {
  if (data_ != nullptr) FreePages(data_, size_);
}

}  // namespace raison::cli
