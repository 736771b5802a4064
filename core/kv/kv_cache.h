// The memory of one cache group: for every layer the paged tensors, and the pool of their pages.
// Ordinary attention has k and v of (pages, kv_heads, page_tokens, head_dim); MLA has one tensor of
// (pages, 1, page_tokens, latent + rope) per layer.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "core/backend/device.h"
#include "core/kv/page_table.h"

namespace raison {

struct KvGeometry {
  uint32_t layers = 0;
  uint32_t heads = 1;     // key/value heads; 1 for MLA
  uint32_t width = 0;     // values per head of k; the whole row of MLA
  bool has_values = true;  // false for MLA: the value is a prefix of the key
  DType dtype = DType::kF16;
  uint64_t bytes = 0;  // the limit

  uint64_t BytesPerToken() const {
    return uint64_t{layers} * heads * width * (has_values ? 2 : 1) * Traits(dtype).bytes;
  }
  // Refuses bytes that hold no page.
  absl::Status Check() const;
};

// Tokens per page: FlashMLA's 64; a fork wastes at most one page.
inline constexpr uint32_t kPageTokens = 64;

class KvCache {
 public:
  // devices: of each layer's cache (layers); they outlive the cache.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(absl::Span<Device* const> devices,
                                                         const KvGeometry& geometry);

  const KvGeometry& geometry() const { return geometry_; }
  PagePool& pool() { return *pool_; }
  const Tensor& k(uint32_t layer) const { return k_[layer]; }
  const Tensor& v(uint32_t layer) const { return v_[layer]; }
  // The group's tensors on one device, for copies of whole pages.
  const std::vector<Tensor>& TensorsOf(const Device& device) { return by_device_[&device]; }
  PageTable NewTable() { return PageTable(pool_.get(), kPageTokens); }

 private:
  KvGeometry geometry_;
  std::unique_ptr<PagePool> pool_;
  std::vector<Buffer> buffers_;
  std::vector<Tensor> k_, v_;  // (layers)
  std::map<const Device*, std::vector<Tensor>> by_device_;
};

}  // namespace raison
