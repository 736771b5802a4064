// A golden file (tests/golden/models, petit, smollm2) as plain data, and the model folder that its
// weights are generated into. Test code: a broken golden file is a failed check, not a status.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace raison::golden {

struct Routed {
  std::vector<int32_t> experts;  // (used), ascending
  std::vector<float> weights;    // (used)
};

struct Prompt {
  std::string text;             // empty for random models
  std::vector<int32_t> prompt;  // (n)
  std::vector<int32_t> greedy;  // (m) what the reference engine says next
  std::vector<float> margin;    // (m) of the best logit over the second; empty if only one is known
  std::vector<uint32_t> rows;   // (r) positions in prompt + greedy
  std::vector<std::vector<float>> logits;           // (r, vocabulary)
  std::map<uint32_t, std::vector<Routed>> routing;  // layer -> (r)

  std::vector<int32_t> Tokens() const;  // prompt and greedy
};

nlohmann::json ReadJson(const std::string& path);
std::vector<Prompt> ReadPrompts(const nlohmann::json& golden);

// base64 of little-endian values.
template <typename T>
std::vector<T> Decode(const nlohmann::json& text);

// The folder of tests/golden in the sources.
std::string SourcePath(const std::string& name);

// A number of tolerances.json.
double Tolerance(const std::string& name);

// Writes config.json, tokenizer.json and model.safetensors of models/NAME.json below `parent` and
// returns the folder. weights.py computes the same bits.
std::string WriteModelFolder(const std::string& name, const std::string& parent);

// Kullback-Leibler divergence of q from p, both given as logits, in nats.
double Divergence(const std::vector<float>& p, const std::vector<float>& q);

}  // namespace raison::golden
