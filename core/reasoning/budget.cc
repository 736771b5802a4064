#include "core/reasoning/budget.h"

#include <algorithm>

#include "core/base/status.h"

namespace raison {
namespace {

absl::Status CheckCount(const char* field, const std::optional<int64_t>& value) {
  if (!value || *value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", *value, "; it must be 0 or more tokens"));
}

}  // namespace

absl::Status Validate(const BudgetOptions& options) {
  RSN_RETURN_IF_ERROR(CheckCount("think_budget_soft", options.soft));
  RSN_RETURN_IF_ERROR(CheckCount("think_budget_hard", options.hard));
  RSN_RETURN_IF_ERROR(CheckCount("think_minimum", options.minimum));
  RSN_RETURN_IF_ERROR(CheckCount("answer_reserve", options.answer_reserve));
  if (options.minimum && options.hard && *options.minimum > *options.hard) {
    return absl::InvalidArgumentError(absl::StrCat("think_minimum is ", *options.minimum,
                                                   "; think_budget_hard allows only ",
                                                   *options.hard, " tokens"));
  }
  return absl::OkStatus();
}

BudgetPolicy::BudgetPolicy(const BudgetOptions& options, int64_t room) : options_(options) {
  // An answer is short against its thinking: a few hundred tokens hold a worked result.
  constexpr int64_t kMostReserved = 512;
  answer_reserve_ =
      options.answer_reserve.value_or(std::min(kMostReserved, std::max<int64_t>(0, room) / 4));
}

BudgetDecision BudgetPolicy::Decide(const BudgetState& s) {
  using Action = BudgetDecision::Action;
  // The model's own close needs one token and ends the thinking for nothing else's reason.
  if (s.wants_close) {
    const bool too_early = options_.minimum && s.thinking_tokens < *options_.minimum;
    const bool room = s.room > answer_reserve_ + s.closing_tokens;
    if (too_early && room) return {Action::kSuppressClose, {}, NoticeReason::kMinimum};
    return {};
  }
  const bool over = options_.hard && s.thinking_tokens >= *options_.hard;
  // Where no answer is wanted room for (or there is too little to set any aside), the thinking may
  // take the last token.
  const bool reserved = answer_reserve_ > 0 && s.room - s.closing_tokens <= answer_reserve_;
  if ((over || reserved) && s.room < s.closing_tokens) {
    return {Action::kEndThinking, ThinkEndReason::kLength};
  }
  if (over) return {Action::kEndThinking, ThinkEndReason::kHardBudget, NoticeReason::kHardBudget};
  if (reserved) {
    return {Action::kEndThinking, ThinkEndReason::kHardBudget, NoticeReason::kAnswerReserve};
  }
  const int64_t soft = std::max(options_.soft.value_or(0), options_.minimum.value_or(0));
  if (options_.soft && s.thinking_tokens >= soft) {
    BudgetDecision decision;
    if (!soft_announced_) decision.notice = NoticeReason::kSoftBudget;
    soft_announced_ = true;
    if (s.at_step_boundary) {
      decision.action = Action::kEndThinking;
      decision.reason = ThinkEndReason::kSoftBudget;
    }
    return decision;
  }
  return {};
}

}  // namespace raison
