// What the ABI's tests share: the built-in model, loaded once a process, and a request run to its end.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <raison/raison.hpp>
#include <string>
#include <vector>

namespace raison::test {

inline const Model& BuiltIn() {
  static const Model* model = new Model();
  return *model;
}

// Deterministic and short.
inline GenerateOptions Greedy(int32_t max_tokens = 96) {
  GenerateOptions options;
  options.temperature = 0;
  options.max_tokens = max_tokens;
  return options;
}

inline constexpr char kQuestion[] = "What is 12 * 13?";

struct Told {
  std::vector<Event> events;
  std::vector<int32_t> tokens;
  std::string thinking, answer;
  Event done;
};

inline Told Listen(Session& session) {
  Told told;
  for (const Event& event : session.Events()) {
    told.events.push_back(event);
    if (event.kind == RSN_EVENT_TOKEN) {
      told.tokens.push_back(event.token);
      if (event.channel == RSN_CHANNEL_THINKING) told.thinking += event.text;
      if (event.channel == RSN_CHANNEL_ANSWER) told.answer += event.text;
    }
    if (event.kind == RSN_EVENT_DONE) told.done = event;
  }
  return told;
}

inline int32_t StatusOf(const std::function<void()>& call) {
  try {
    call();
    return RSN_OK;
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
    return error.status();
  }
}

// Where a tensor's entry in the GGUF header says how far behind the data's beginning it lies; `end`:
// one past the entry.
inline uint64_t OffsetOf(const std::string& gguf, const TensorInfo& tensor, size_t* end) {
  const uint64_t length = tensor.name.size();
  std::string name(reinterpret_cast<const char*>(&length), sizeof length);
  name += tensor.name;
  size_t at = gguf.find(name) + name.size();
  uint32_t rank = 0;
  std::memcpy(&rank, gguf.data() + at, sizeof rank);
  at += sizeof rank + rank * sizeof(uint64_t) + sizeof(uint32_t);  // dimensions, type
  uint64_t offset = 0;
  std::memcpy(&offset, gguf.data() + at, sizeof offset);
  *end = at + sizeof offset;
  return offset;
}

// The built-in model's file, with a NaN in its last norm.
inline std::string BuiltInWithNan() {
  std::ifstream in(BuiltIn().Info().path, std::ios::binary);
  std::string gguf{std::istreambuf_iterator<char>(in), {}};
  size_t end = 0, header = 0;
  uint64_t norm = 0;
  for (size_t i = 0; i < BuiltIn().Info().tensors; ++i) {
    const TensorInfo tensor = BuiltIn().Tensor(i);
    const uint64_t offset = OffsetOf(gguf, tensor, &end);
    header = std::max(header, end);
    if (tensor.name == "output_norm.weight") norm = offset;
  }
  const size_t data = (header + 31) / 32 * 32;  // GGUF's alignment
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&gguf[data + norm], &nan, sizeof nan);
  return gguf;
}

}  // namespace raison::test
