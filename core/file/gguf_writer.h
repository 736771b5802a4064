// Builds the header of a GGUF v3 file: metadata first, then tensors in the order in which their
// bytes will follow. Each tensor's data is padded to kAlignment; the last one too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "core/base/dtype.h"
#include "core/file/gguf_metadata.h"

namespace raison {

class GgufWriter {
 public:
  static constexpr uint64_t kAlignment = 32;
  static uint64_t Padded(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  // A key may be added once.
  void AddUint32(std::string_view key, uint32_t value);
  void AddFloat32(std::string_view key, float value);
  void AddBool(std::string_view key, bool value);
  void AddString(std::string_view key, std::string_view value);
  void AddStrings(std::string_view key, absl::Span<const std::string> values);
  void AddInt32s(std::string_view key, absl::Span<const int32_t> values);

  // shape: outermost first.
  void AddTensor(std::string_view name, DType dtype, absl::Span<const int64_t> shape);

  // Everything before the first tensor's bytes, padding included.
  std::string Header() const;
  uint64_t data_bytes() const { return data_bytes_; }  // padded

 private:
  void Key(std::string_view key, GgufType type);

  std::string pairs_, infos_;
  uint64_t pair_count_ = 0, tensor_count_ = 0, data_bytes_ = 0;
};

}  // namespace raison
