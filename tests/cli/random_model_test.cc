// The image that `raison bench --shape` loads: it keeps what its key raison.repeat_elements says,
// or a device could not make its weights of the first ones.
#include "samples/cli/random_model.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/file/checkpoint.h"

namespace raison::cli {
namespace {

struct Image {
  const char *shape, *type;
  uint32_t layers;
};

TEST(RandomModel, EveryMatrixRepeats) {
  for (const Image& i : {Image{"v2-lite", "q4_k", 2}, {"qwen2-1.5b", "q8_0", 1}}) {
    SCOPED_TRACE(i.shape);
    const RandomModel image(
        {.shape = i.shape, .type = i.type, .layers = i.layers, .on_cpu = false});
    const auto checkpoint =
        Checkpoint::FromMemory({static_cast<const std::byte*>(image.data()), image.size()});
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    const int64_t period = (*checkpoint)->repeat_elements();
    ASSERT_GT(period, 0);
    int large = 0;
    for (const StoredTensor& tensor : (*checkpoint)->tensors()) {
      if (tensor.elements() <= period) continue;
      ++large;
      const absl::Span<const std::byte> bytes = tensor.parts[0];
      const size_t after = RowBytes(tensor.dtype, static_cast<size_t>(period));
      EXPECT_EQ(std::memcmp(bytes.data(), bytes.data() + after, bytes.size() - after), 0)
          << tensor.name;
    }
    EXPECT_GE(large, 2);
  }
}

}  // namespace
}  // namespace raison::cli
