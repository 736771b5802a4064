// How far the trace that one device tells of some tokens is from another's: what a token's record
// holds, compared over all of them. Means, because a row after an expert was chosen otherwise is
// another computation, whose own numbers may be far off. Header only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/model/end_to_end/limits.h"

namespace raison::conformance {

struct TracedToken {
  double logprob = 0, entropy = 0;                    // nats
  std::vector<std::pair<uint32_t, int32_t>> experts;  // (layer, expert) that it chose
};

class TraceDifference {
 public:
  // Returns how many experts were chosen otherwise.
  uint32_t Add(const TracedToken& got, const TracedToken& want) {
    ++tokens_;
    logprob_ += std::fabs(got.logprob - want.logprob);
    entropy_ += std::fabs(got.entropy - want.entropy);
    uint32_t others = 0;
    for (const auto& choice : want.experts) {
      others += std::find(got.experts.begin(), got.experts.end(), choice) == got.experts.end();
    }
    choices_ += static_cast<uint32_t>(want.experts.size());
    others_ += others;
    return others;
  }

  uint32_t tokens() const { return tokens_; }
  // Mean absolute differences, nats.
  double logprob() const { return logprob_ / std::max(tokens_, 1u); }
  double entropy() const { return entropy_ / std::max(tokens_, 1u); }
  // Share of the experts' choices that are others; 0 without experts.
  double routing() const { return static_cast<double>(others_) / std::max(choices_, 1u); }

  // A sentence for each number beyond its limit.
  std::vector<std::string> Beyond(const Limits& limits) const {
    std::vector<std::string> out;
    for (const auto& [name, mean, limit] :
         {std::tuple{"log-probabilities", logprob(), limits.logprob},
          {"entropies", entropy(), limits.entropy}}) {
      if (mean <= limit.allowed) continue;
      out.push_back(absl::StrFormat("%s are %.3g nats off on average, allowed %.3g", name, mean,
                                    limit.allowed));
    }
    if (routing() > limits.routing.allowed) {
      out.push_back(absl::StrFormat("%.2f %% of the experts' choices are others, allowed %.2f %%",
                                    100 * routing(), 100 * limits.routing.allowed));
    }
    return out;
  }

 private:
  uint32_t tokens_ = 0, choices_ = 0, others_ = 0;
  double logprob_ = 0, entropy_ = 0;
};

}  // namespace raison::conformance
