// What one request may ask for, and what it really uses once the file's recommendations and the
// defaults have filled the gaps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/model/model.h"
#include "core/reasoning/budget.h"
#include "core/sampler/options.h"

namespace raison {

enum class ThinkingMode : int32_t { kAuto = 0, kOn = 1, kOff = 2 };

inline constexpr int32_t kUnset = -1;
inline constexpr int32_t kMaxAlternatives = 64;
inline constexpr int32_t kDefaultWaitMs = 100;
// Room kept for the answer unless the caller says otherwise: a quarter of what there is, at most 512.
inline constexpr int32_t kDefaultAnswerReserve = 512;

// Fields as in rsn_generate_options; kUnset where not set.
struct GenerateOptions {
  int32_t max_tokens = kUnset;
  int32_t branch = kUnset;
  ThinkingMode thinking = ThinkingMode::kAuto;
  SamplingOverrides sampling;
  std::vector<std::string> stop;
  bool release_steps = false;
  int32_t think_budget_soft = kUnset;
  int32_t think_budget_hard = kUnset;
  int32_t think_minimum = kUnset;
  int32_t answer_reserve = kUnset;
  bool trace_experts = false;
  bool trace_prompt = false;
  std::string continuation = "Wait";  // s1 (arXiv 2501.19393): the best of the tried words
  std::string template_arguments;     // JSON object, or empty
  int32_t alternatives = 0;
  bool exclude_first_token = false;
  bool continue_last = false;
  int32_t wait_ms = kDefaultWaitMs;
};

// The same with nothing unset but the budgets that the caller did not ask for.
struct ResolvedOptions : GenerateOptions {
  SamplingOptions chain;
};

// Checks every field (the sentence names it and its value) and fills the gaps.
absl::StatusOr<ResolvedOptions> Resolve(const GenerateOptions& options, const Model& model,
                                        int32_t context_length);

// The thinking's policy for a request that begins with `room` tokens of context left.
BudgetPolicy NewBudget(const ResolvedOptions& options, int64_t room);

}  // namespace raison
