#include "core/kv/kv_cache.h"

#include <algorithm>

namespace raison {

absl::Status KvGeometry::Check() const {
  const uint64_t page_bytes = BytesPerToken() * kPageTokens;
  if (bytes >= page_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("kv_bytes = ", bytes,
                                                 " does not hold one page of ", kPageTokens,
                                                 " tokens (", page_bytes, " bytes)"));
}

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(absl::Span<Device* const> devices,
                                                         const KvGeometry& geometry) {
  RSN_RETURN_IF_ERROR(geometry.Check());
  const uint64_t page_bytes = geometry.BytesPerToken() * kPageTokens;
  const uint64_t pages = std::min<uint64_t>(geometry.bytes / page_bytes, 1u << 24);
  auto cache = std::make_unique<KvCache>();
  cache->geometry_ = geometry;
  cache->pool_ = std::make_unique<PagePool>(static_cast<uint32_t>(pages));
  const auto make = [&](Device& device, std::vector<Tensor>& list) -> absl::Status {
    const uint64_t bytes = pages * page_bytes / geometry.layers / (geometry.has_values ? 2 : 1);
    RSN_ASSIGN_OR_RETURN(Buffer buffer, device.NewBuffer(bytes));
    list.push_back(buffer.View(geometry.dtype,
                               {static_cast<int64_t>(pages), geometry.heads, kPageTokens,
                                geometry.width}));
    cache->by_device_[&device].push_back(list.back());
    cache->buffers_.push_back(std::move(buffer));
    return absl::OkStatus();
  };
  for (uint32_t layer = 0; layer < geometry.layers; ++layer) {
    RSN_RETURN_IF_ERROR(make(*devices[layer], cache->k_));
    if (geometry.has_values) RSN_RETURN_IF_ERROR(make(*devices[layer], cache->v_));
  }
  return cache;
}

}  // namespace raison
