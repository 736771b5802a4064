// What a request may ask of the sampler, checked and completed.
// Owns the fields, their limits and the order in which defaults are taken: the request, then the
// model file, then DeepSeek-R1's advice. Draws nothing (sample.h) and reads no file.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace raison {

// The same numbers mean different distributions in different orders of the chain.
enum class SamplingOrder : uint32_t {
  kHuggingFace = 0,  // temperature, top-k (ties with the k-th stay), top-p, min-p; model cards
  kLlamaCpp = 1,     // top-k (exactly k), top-p, min-p at temperature 1, then temperature
};

// "hf" or "llama.cpp".
absl::StatusOr<SamplingOrder> ParseSamplingOrder(std::string_view name);

struct LogitBias {
  int32_t id = 0;
  float bias = 0;  // -infinity forbids the token
};

struct SamplingOptions {
  double temperature = 1;         // 0 (and below 1e-5): greedy, lowest id on ties
  int32_t top_k = 0;              // 0: off
  double top_p = 1;               // 1: off; at least one token stays
  double min_p = 0;               // 0: off
  double repetition_penalty = 1;  // 1: off; over prompt and output
  double presence_penalty = 0;    // 0: off; over output
  double frequency_penalty = 0;   // 0: off; over output, per occurrence
  int32_t penalty_last_n = 0;     // tokens the penalties look back; 0: all
  uint64_t seed = 0;
  std::vector<LogitBias> logit_bias;  // biases of an id given twice add up
  SamplingOrder order = SamplingOrder::kHuggingFace;
};

// InvalidArgument with field, value and limits. vocab_size bounds the ids of logit_bias.
absl::Status Validate(const SamplingOptions& options, int64_t vocab_size);

// Fields that somebody stated; the others are open. A file's generation settings fill the first
// five (a file that says "do not sample" states temperature 0).
struct SamplingOverrides {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
  std::optional<double> presence_penalty, frequency_penalty;
  std::optional<int32_t> penalty_last_n;
  std::optional<uint64_t> seed;
  std::optional<std::vector<LogitBias>> logit_bias;
  std::optional<SamplingOrder> order;
};

// The request's fields over the file's. A file that states any of temperature, top_k, top_p and
// min_p speaks for all of them (those it leaves out are off, as in its own ecosystem); one that
// states none gets R1's temperature 0.6 and top_p 0.95. The result is not yet validated.
SamplingOptions MergeSampling(const SamplingOverrides& file, const SamplingOverrides& request);

}  // namespace raison
