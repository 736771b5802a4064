// The image that `raison bench --shape` loads: it keeps what its key raison.repeat_elements says,
// or a device could not make its weights of the first ones.
#include "samples/cli/random_model.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/file/checkpoint.h"

namespace raison::cli {
namespace {

TEST(RandomModel, EveryMatrixRepeats) {
  for (const auto& [shape, layers] :
       {std::pair{"qwen2-1.5b", 1u}, {"llama-8b", 1u}, {"v2-lite", 2u}}) {
    for (const char* type : {"q4_k", "q8_0", "f16"}) {
      SCOPED_TRACE(std::string(shape) + " " + type);
      const RandomModel image({.shape = shape, .type = type, .layers = layers, .on_cpu = false});
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
}

}  // namespace
}  // namespace raison::cli
