// A model of random weights in a known shape, as a GGUF file that exists only in memory: for
// timing, where the values do not matter. Over the static core; its header names no class of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace raison::cli {

struct RandomModelOptions {
  std::string shape;    // RandomModelShapes()
  std::string type;     // of the large matrices, as for `raison convert`
  uint32_t layers = 0;  // 0: the shape's own number
  // Large tensors share a few megabytes of physical memory. For loads that repack the weights into
  // memory of their own: the image then costs next to nothing. A GPU is given no more than those
  // megabytes, and writes them out in its own memory. Weights used in place must not be shared, or
  // they would be read from a cache.
  bool share_pages = true;
  bool on_cpu = true;  // some weights come to lie in this machine's memory
};

std::vector<std::string> RandomModelShapes();

class RandomModel {
 public:
  explicit RandomModel(const RandomModelOptions& options);
  ~RandomModel();
  RandomModel(const RandomModel&) = delete;
  RandomModel& operator=(const RandomModel&) = delete;

  const void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace raison::cli
