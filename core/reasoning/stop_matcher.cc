#include "core/reasoning/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "core/base/status.h"

namespace raison {

absl::StatusOr<StopMatcher> StopMatcher::Create(std::vector<std::string> stops) {
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop[", i, "] is empty; a stop string has at least one byte"));
    }
  }
  StopMatcher matcher;
  matcher.stops_ = std::move(stops);
  return matcher;
}

std::string StopMatcher::Feed(std::string_view text) {
  if (matched_) return "";
  for (char byte : text) {
    held_ += byte;
    for (size_t i = 0; i < stops_.size(); ++i) {
      if (!absl::EndsWith(held_, stops_[i])) continue;
      if (!matched_ || stops_[i].size() > stops_[*matched_].size()) matched_ = i;
    }
    if (matched_) {
      std::string out = held_.substr(0, held_.size() - stops_[*matched_].size());
      held_.clear();
      return out;
    }
  }
  size_t keep = 0;  // longest end that begins a stop string
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(held_.size(), stop.size() - 1); n > keep; --n) {
      if (absl::EndsWith(held_, std::string_view(stop).substr(0, n))) {
        keep = n;
        break;
      }
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::Finish() { return std::exchange(held_, std::string()); }

}  // namespace raison
