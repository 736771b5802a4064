// Finds stop strings in a stream of text and holds back what may become one.
// Owns the rule: the stop string that is completed first ends the text, of several completed by the
// same byte the one that began first; it is not part of the text. Where the stream is cut makes no
// difference. Which channel is watched is the caller's business.
//
// The object is a value: copy it to remember a place, assign the copy to go back there.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace raison {

class StopMatcher {
 public:
  StopMatcher() = default;  // never stops, holds nothing back
  // InvalidArgument for an empty string: it would stop everything.
  static absl::StatusOr<StopMatcher> Create(std::vector<std::string> stops);

  // Returns the text that became certain. After a match nothing more comes.
  std::string Feed(std::string_view text);
  // The end of the stream: returns what was held back.
  std::string Finish();

  std::optional<size_t> matched() const { return matched_; }  // index into the stops
  size_t held_bytes() const { return held_.size(); }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::optional<size_t> matched_;
};

}  // namespace raison
