// What a session tells: events in order, one record per token, one object per step. The numbers of
// the kinds, sources and flags are those of raison.h.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/reasoning/reasons.h"

namespace raison {

enum class EventKind : int32_t {
  kNone = 0,
  kProgress = 1,
  kToken = 2,
  kStepBegin = 3,
  kStepEnd = 4,
  kThinkBegin = 5,
  kThinkEnd = 6,
  kNotice = 7,
  kDone = 8,
};

enum class Source : int32_t { kSampled = 0, kForced = 1, kInjected = 2, kPrompt = 3 };

inline constexpr float kNoNumber = std::numeric_limits<float>::quiet_NaN();

struct TokenRecord {
  int32_t token = -1;
  int64_t position = -1;
  int64_t microseconds = 0;  // since the request began
  std::string text;          // the text that this token completes: whole code points
  int32_t step = -1;
  Channel channel = Channel::kPrompt;
  Source source = Source::kPrompt;
  int32_t branch = 0;
  int32_t rank = -1;
  float logprob = kNoNumber;
  float entropy = kNoNumber;
  float sampled_logprob = kNoNumber;
  std::vector<int32_t> alternatives;         // (n), best first
  std::vector<float> alternative_logprobs;   // (n)
  std::vector<int32_t> expert_layers;        // (layers * used)
  std::vector<int32_t> experts;              // (layers * used)
  std::vector<float> expert_weights;         // (layers * used)
};

struct Event {
  EventKind kind = EventKind::kNone;
  int32_t reason = 0;
  absl::Status status;
  int64_t position = -1;
  int64_t microseconds = 0;
  std::string text;
  int32_t step = -1;
  Channel channel = Channel::kPrompt;
  TokenRecord record;                      // kToken; text above is what may be shown
  int64_t done = 0, total = 0, cached = 0;  // kProgress
  bool narrative = false;                   // told by the narrative: a rewind may tell it again
  bool silent = false;                      // the caller has had it: keeps its place, is not told
};

enum StepFlags : uint32_t { kStepDiscarded = 1, kStepForced = 2, kStepOpen = 4 };

struct StepRecord {
  int64_t id = 0;
  int64_t parent = -1;
  int32_t marker = 0;
  uint32_t flags = kStepOpen;
  int32_t branch = 0;
  std::string text;
  int64_t begin = 0, end = 0;  // positions, half-open
  double begin_seconds = 0, end_seconds = 0;
  float mean_logprob = kNoNumber, lowest_logprob = kNoNumber, mean_entropy = kNoNumber,
        confidence = kNoNumber;
  std::vector<uint32_t> expert_counts;  // (layers * experts) when experts are traced
};

struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, thinking_tokens = 0, answer_tokens = 0,
          forced_tokens = 0, discarded_tokens = 0, passes = 0;
  double prompt_seconds = 0, thinking_seconds = 0, answer_seconds = 0, total_seconds = 0;
};

}  // namespace raison
