#include "core/model/split.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace raison {

absl::StatusOr<std::vector<SplitPart>> ParseSplit(const SplitRequest& request) {
  const auto refuse = [&](const auto&... why) {
    return absl::UnavailableError(
        absl::StrCat(request.option, " = \"", request.text, "\"", why...));
  };
  std::vector<SplitPart> parts;
  uint64_t named = 0;
  for (const absl::string_view word : absl::StrSplit(request.text, ',')) {
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    SplitPart part{.device = std::string(sides.first), .count = std::nullopt};
    if (part.device.empty()) return refuse(": a device's name is empty");
    if (absl::StrContains(word, '=')) {
      uint32_t count = 0;
      if (!absl::SimpleAtoi(sides.second, &count) || count == 0) {
        return refuse(": after = stands the number of ", request.things, ", at least 1");
      }
      part.count = count;
      named += count;
    }
    parts.push_back(std::move(part));
  }
  const bool open_end = std::any_of(parts.begin(), parts.end(),
                                    [](const SplitPart& p) { return !p.count.has_value(); });
  if (named > request.total || (!open_end && named != request.total)) {
    return refuse(" places ", named, " ", request.things, ", ", request.owner, " has ",
                  request.total);
  }
  return parts;
}

}  // namespace raison
