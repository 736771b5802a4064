// Records: a struct of raison.hpp as one flat run of bytes, for languages that would otherwise
// cross once per field. One list of fields per struct serves both directions. Owns the layout,
// which bindings/swig/README.md describes and a managed reader follows field by field; refuses
// records that end early, have bytes left over or claim more elements than they carry.
#pragma once

#include <cstdint>
#include <cstring>
#include <raison/raison.hpp>
#include <string>
#include <type_traits>
#include <vector>

namespace raison::swig {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");

// A line of the library's log.
struct LogLine {
  int32_t level = 0;
  std::string text;
};

// What Sessions::Next found: the index of the session, or -1.
struct Stepped {
  int64_t which = -1;
  Event event;
};

template <typename Fields>
void Visit(Fields& f, Event& e) {
  f(e.kind, e.reason, e.status, e.position, e.microseconds, e.text, e.step, e.channel, e.token,
    e.source, e.rank, e.logprob, e.entropy, e.sampled_logprob, e.alternatives,
    e.alternative_logprobs, e.expert_layers, e.experts, e.expert_weights, e.done, e.total,
    e.cached);
}

template <typename Fields>
void Visit(Fields& f, Step& s) {
  f(s.index, s.id, s.parent, s.channel, s.marker, s.flags, s.branch, s.text, s.begin, s.end,
    s.rewind, s.begin_seconds, s.end_seconds, s.mean_logprob, s.lowest_logprob, s.mean_entropy,
    s.confidence);
}

template <typename Fields>
void Visit(Fields& f, Token& t) {
  f(t.token, t.position, t.microseconds, t.text, t.step, t.channel, t.source, t.rank, t.logprob,
    t.entropy, t.sampled_logprob, t.branch, t.alternatives, t.alternative_logprobs, t.expert_layers,
    t.experts, t.expert_weights);
}

template <typename Fields>
void Visit(Fields& f, Answer& a) {
  f(a.text, a.step);
}

template <typename Fields>
void Visit(Fields& f, Usage& u) {
  f(u.prompt_tokens, u.cached_tokens, u.thinking_tokens, u.answer_tokens, u.forced_tokens,
    u.discarded_tokens, u.passes, u.prompt_seconds, u.thinking_seconds, u.answer_seconds,
    u.total_seconds);
}

template <typename Fields>
void Visit(Fields& f, ModelInfo& m) {
  f(m.context_length, m.architecture, m.name, m.path, m.type, m.device, m.chat_template,
    m.parameters, m.active_parameters, m.file_bytes, m.weight_bytes, m.kv_bytes_per_token,
    m.kv_bytes_limit, m.kv_bytes_used, m.passes, m.tensors, m.vocabulary, m.layers, m.hidden,
    m.heads, m.kv_heads, m.experts, m.experts_used, m.experts_shared, m.dense_layers, m.threads,
    m.bos_token, m.eos_token, m.think_begin_token, m.think_end_token, m.temperature, m.top_p,
    m.min_p, m.repetition_penalty, m.top_k, m.sampling_from_file);
}

template <typename Fields>
void Visit(Fields& f, TensorInfo& t) {
  f(t.name, t.type, t.shape, t.bytes);
}

template <typename Fields>
void Visit(Fields& f, Device& d) {
  f(d.kind, d.name, d.description, d.driver, d.problem, d.memory_total, d.memory_free);
}

template <typename Fields>
void Visit(Fields& f, LogLine& l) {
  f(l.level, l.text);
}

template <typename Fields>
void Visit(Fields& f, Stepped& s) {
  f(s.which, s.event);
}

template <typename Fields>
void Visit(Fields& f, ModelOptions& o) {
  f(o.device, o.experts, o.backend_path, o.chat_template, o.threads, o.context_length, o.kv_bytes,
    o.kv_type, o.load, o.repack, o.exact);
}

template <typename Fields>
void Visit(Fields& f, SessionOptions& o) {
  f(o.context_length);
}

template <typename Fields>
void Visit(Fields& f, GenerateOptions& o) {
  f(o.max_tokens, o.seed, o.branch, o.temperature, o.top_p, o.min_p, o.repetition_penalty,
    o.presence_penalty, o.frequency_penalty, o.top_k, o.penalty_last_n, o.sampling_order,
    o.logit_bias_tokens, o.logit_bias, o.stop, o.thinking, o.think_budget_soft, o.think_budget_hard,
    o.think_minimum, o.answer_reserve, o.continuation, o.template_arguments, o.trace,
    o.alternatives, o.release, o.wait_ms, o.exclude_first_token, o.continue_last);
}

class RecordWriter {
 public:
  template <typename... T>
  void operator()(T&... values) {
    (Put(values), ...);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  void Raw(const void* data, size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  void Count(size_t count) {
    if (count > UINT32_MAX) throw Error(RSN_ERR_MEMORY, "a text or list of 4 GiB or more");
    const uint32_t short_count = static_cast<uint32_t>(count);
    Raw(&short_count, sizeof short_count);
  }
  void Put(bool value) { bytes_.push_back(value ? 1 : 0); }
  void Put(std::string& text) {
    Count(text.size());
    Raw(text.data(), text.size());
  }
  template <typename T>
  void Put(std::vector<T>& list) {
    Count(list.size());
    for (T& value : list) Put(value);
  }
  template <typename T>
  void Put(T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      Raw(&value, sizeof value);
    } else {
      Visit(*this, value);
    }
  }

  std::string bytes_;
};

class RecordReader {
 public:
  explicit RecordReader(const std::string& bytes) : at_(bytes.data()), left_(bytes.size()) {}

  template <typename... T>
  void operator()(T&... values) {
    (Get(values), ...);
  }
  void End() const {
    if (left_ != 0) throw Error(RSN_ERR_ARGUMENT, "a record has bytes left over");
  }

 private:
  const char* Take(size_t size) {
    if (size > left_) throw Error(RSN_ERR_ARGUMENT, "a record ends early");
    const char* from = at_;
    at_ += size;
    left_ -= size;
    return from;
  }
  uint32_t Count() {
    uint32_t count;
    Get(count);
    // Every element takes at least one byte, so a lying count allocates nothing.
    if (count > left_) throw Error(RSN_ERR_ARGUMENT, "a record claims more than it carries");
    return count;
  }
  void Get(bool& value) { value = *Take(1) != 0; }
  void Get(std::string& text) {
    const uint32_t size = Count();
    text.assign(Take(size), size);
  }
  template <typename T>
  void Get(std::vector<T>& list) {
    list.resize(Count());
    for (T& value : list) Get(value);
  }
  template <typename T>
  void Get(T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      std::memcpy(&value, Take(sizeof value), sizeof value);
    } else {
      Visit(*this, value);
    }
  }

  const char* at_;
  size_t left_;
};

template <typename T>
std::string ToRecord(T value) {
  RecordWriter writer;
  writer(value);
  return writer.Take();
}

template <typename T>
T FromRecord(const std::string& bytes) {
  T value;
  RecordReader reader(bytes);
  reader(value);
  reader.End();
  return value;
}

}  // namespace raison::swig
