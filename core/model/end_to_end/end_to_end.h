// The conformance kit's last part: whole models on a device against the reference back end, on the
// same quantised weights. Each model reads sequences of tokens, on the device half of them in prompt
// chunks and half one by one beside each other (the recorded path); distributions, greedy choices
// and what is traced of each token (log-probability, entropy, experts) must agree. Prints nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend/device.h"

namespace raison::conformance {

struct EndToEndOptions {
  std::shared_ptr<Device> subject;
  std::shared_ptr<Device> reference;
  std::string trained;       // path of a trained model (Petit); empty: random models only
  std::string only;          // this random model alone: "random llama, F32"; empty: all
  uint32_t tokens = 1000;    // teacher-forced ones of each model
  bool (*stop)() = nullptr;  // asked often; true ends the run with CANCELLED
};

// What one model showed; a row is one token's distribution over the vocabulary.
struct EndToEndResult {
  std::string model;  // "random deepseek_v3, Q8_0"
  uint32_t rows = 0;
  double prompt_divergence = 0;  // mean Kullback-Leibler divergence from the reference, nats
  double decode_divergence = 0;  // the same, of the tokens read one by one
  double agreement = 0;          // share of all rows with the reference's greedy token
  double largest_error = 0;      // of a logit, in standard deviations of its row
  // Of what a session records of each token: mean absolute differences in nats, and the
  // share of the experts' choices that are others (0 without experts).
  double logprob = 0, entropy = 0, routing = 0;
};

struct EndToEndReport {
  std::vector<EndToEndResult> results;
  std::vector<std::string> refused;   // models whose types the device does not take, and why
  std::vector<std::string> failures;  // one sentence each
};

// An error only where nothing could be compared: a model that loads on neither, a missing file.
absl::StatusOr<EndToEndReport> RunEndToEnd(const EndToEndOptions& options);

// Lines for people, one per model.
std::string FormatEndToEnd(const EndToEndReport& report);

}  // namespace raison::conformance
