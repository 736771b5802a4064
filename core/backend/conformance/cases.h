// The lists of cases, one file per family of operations.
#pragma once

#include <vector>

#include "core/backend/conformance/conformance.h"

namespace raison::conformance {

void AddDenseCases(std::vector<Case>& cases);      // embed, gather_rows, rms_norm, rope, silu, kv
void AddMatmulCases(std::vector<Case>& cases);     // matmul
void AddAttentionCases(std::vector<Case>& cases);  // attention, mla_attention, a whole step
void AddMoeCases(std::vector<Case>& cases);        // moe_route, moe_experts
void AddLogitCases(std::vector<Case>& cases);      // reduce_logits
void AddTableCases(std::vector<Case>& cases);      // what belongs to no operation

// The weight types, and the name of one.
inline constexpr uint32_t kWeightTypes[] = {
    RSN_DTYPE_F32,  RSN_DTYPE_F16,  RSN_DTYPE_BF16, RSN_DTYPE_Q4_0, RSN_DTYPE_Q4_1, RSN_DTYPE_Q5_0,
    RSN_DTYPE_Q5_1, RSN_DTYPE_Q8_0, RSN_DTYPE_Q4_K, RSN_DTYPE_Q5_K, RSN_DTYPE_Q6_K};
inline std::string TypeName(uint32_t dtype) {
  return std::string(Traits(static_cast<DType>(dtype)).name);
}
inline int64_t BlockOf(uint32_t dtype) { return Traits(static_cast<DType>(dtype)).block; }

}  // namespace raison::conformance
