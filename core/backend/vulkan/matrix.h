// VK_KHR_cooperative_matrix as far as it is used: Debian 12's headers are older than the extension.
// The numbers are those of the Vulkan registry (extension 507).
#pragma once

#include "core/backend/vulkan/api.h"

namespace raison::vulkan {

inline constexpr char kMatrixExtension[] = "VK_KHR_cooperative_matrix";
inline constexpr auto kMatrixFeaturesType = static_cast<VkStructureType>(1000506000);
inline constexpr auto kMatrixPropertiesType = static_cast<VkStructureType>(1000506001);
inline constexpr int32_t kSint8 = 3, kSint32 = 5;  // VkComponentTypeKHR
inline constexpr int32_t kSubgroupScope = 3;       // VkScopeKHR

struct MatrixFeatures {
  VkStructureType sType = kMatrixFeaturesType;
  void* pNext = nullptr;
  VkBool32 cooperativeMatrix = VK_FALSE;
  VkBool32 cooperativeMatrixRobustBufferAccess = VK_FALSE;
};
// C = A B + C: A (m, k), B (k, n).
struct MatrixProperties {
  VkStructureType sType = kMatrixPropertiesType;
  void* pNext = nullptr;
  uint32_t m = 0, n = 0, k = 0;
  int32_t a = 0, b = 0, c = 0, result = 0;
  VkBool32 saturating = VK_FALSE;
  int32_t scope = 0;
};
using GetMatrixProperties = VkResult(VKAPI_PTR*)(VkPhysicalDevice, uint32_t*, MatrixProperties*);

}  // namespace raison::vulkan
