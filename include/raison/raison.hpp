// raison.hpp: the C++17 face of raison.h, header only.
//
// Owns nothing but handles: every call goes straight to the C function of the same name, statuses
// become raison::Error, texts become std::string. raison.h documents each call and each field; only
// what differs is said here. The constants (RSN_EVENT_TOKEN, ...) are those of raison.h.
//
//   raison::Model model;  // the built-in one
//   raison::Session session(model);
//   session.Ask("What is 12 * 13?");
//   for (const raison::Event& event : session.Events())
//     if (event.kind == RSN_EVENT_TOKEN) std::cout << event.text;
//
// Model, Session, Messages and Devices are references: a copy is the same object. What lies under
// #ifndef SWIG (callbacks, optionals, ranges, raw handles) is for C++ only; the rest is plain:
// scalars, byte strings and flat vectors.
#ifndef RAISON_RAISON_HPP_
#define RAISON_RAISON_HPP_

#include <raison/raison.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#ifndef SWIG
#include <exception>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#endif

namespace raison {
// The names of this version's layout: programs and libraries of one process that were built with
// other versions of this header, or that hold the core itself, keep their own classes.
#ifndef SWIG
inline namespace v0 {
#endif

// A failed call. what() is the library's sentence.
class Error : public std::runtime_error {
 public:
  Error(int32_t status, const std::string& what) : std::runtime_error(what), status_(status) {}
  int32_t status() const { return status_; }  // RSN_ERR_*

 private:
  int32_t status_;
};

inline constexpr float kUnset = std::numeric_limits<float>::quiet_NaN();

#ifndef SWIG
namespace internal {

inline void Check(rsn_status status) {
  if (status != RSN_OK) throw Error(status, rsn_last_error());
}

inline void Assign(std::string& to, const char* text, size_t size) {
  if (text == nullptr) {
    to.clear();
  } else {
    to.assign(text, size);
  }
}

template <typename T>
void Assign(std::vector<T>& to, const T* from, size_t count) {
  if (from == nullptr) {
    to.clear();
  } else {
    to.assign(from, from + count);
  }
}

inline std::string Text(const char* text, size_t size) {
  return text == nullptr ? std::string() : std::string(text, size);
}

// An empty string stands for "none".
inline const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.data(); }

// Calls fill(data, capacity, &count) until the array fits.
template <typename Array, typename Fill>
Array Collect(Fill fill) {
  Array array;
  size_t count = 0;
  Check(fill(nullptr, 0, &count));
  while (count > 0) {
    array.resize(count);
    rsn_status status = fill(array.data(), array.size(), &count);
    if (status == RSN_ERR_CAPACITY) continue;
    Check(status);
    break;
  }
  array.resize(count);
  return array;
}

}  // namespace internal
#endif

// ---- options
// --------------------------------------------------------------------------------------

struct ModelOptions {
  std::string device;         // one, or a split; empty: the best that fits
  std::string experts;        // one for the routed experts, or a split; empty: that of their layers
  std::string backend_path;   // empty: none
  std::string chat_template;  // empty: the file's
  int32_t threads = RSN_UNSET;
  uint32_t context_length = 0;
  uint64_t kv_bytes = 0;
  int32_t kv_type = RSN_KV_DEFAULT;
  int32_t load = RSN_LOAD_MAP;
  bool repack = true;
  bool exact = false;
#ifndef SWIG
  // false cancels the load. Exceptions cancel it too and come out of the constructor.
  std::function<bool(uint64_t done, uint64_t total)> progress;
  // Exceptions are swallowed: there is nobody to give them to. Lives as long as the model.
  std::function<void(int32_t level, std::string_view text)> log;
#endif
};

struct SessionOptions {
  uint32_t context_length = 0;
};

struct GenerateOptions {
  int32_t max_tokens = RSN_UNSET;
  uint64_t seed = 0;
  int32_t branch = RSN_UNSET;
  float temperature = kUnset;
  float top_p = kUnset;
  float min_p = kUnset;
  float repetition_penalty = kUnset;
  float presence_penalty = kUnset;
  float frequency_penalty = kUnset;
  int32_t top_k = RSN_UNSET;
  int32_t penalty_last_n = RSN_UNSET;
  int32_t sampling_order = RSN_ORDER_HUGGING_FACE;
  std::vector<int32_t> logit_bias_tokens;
  std::vector<float> logit_bias;  // as long as logit_bias_tokens
  std::vector<std::string> stop;
  int32_t thinking = RSN_THINKING_AUTO;
  int32_t think_budget_soft = RSN_UNSET;
  int32_t think_budget_hard = RSN_UNSET;
  int32_t think_minimum = RSN_UNSET;
  int32_t answer_reserve = RSN_UNSET;
  std::string continuation;        // empty: "Wait"
  std::string template_arguments;  // JSON object; empty: none
  uint32_t trace = 0;
  int32_t alternatives = RSN_UNSET;
  int32_t release = RSN_RELEASE_TOKEN;
  int32_t wait_ms = RSN_UNSET;
  bool exclude_first_token = false;
  bool continue_last = false;
};

#ifndef SWIG
namespace internal {

// The C struct of a GenerateOptions, and the pointer arrays that it needs. Not to be copied.
class CGenerateOptions {
 public:
  explicit CGenerateOptions(const GenerateOptions& from) {
    Check(rsn_generate_options_init(&c_, sizeof c_));
    c_.max_tokens = from.max_tokens;
    c_.seed = from.seed;
    c_.branch = from.branch;
    c_.temperature = from.temperature;
    c_.top_p = from.top_p;
    c_.min_p = from.min_p;
    c_.repetition_penalty = from.repetition_penalty;
    c_.presence_penalty = from.presence_penalty;
    c_.frequency_penalty = from.frequency_penalty;
    c_.top_k = from.top_k;
    c_.penalty_last_n = from.penalty_last_n;
    c_.sampling_order = from.sampling_order;
    if (from.logit_bias_tokens.size() != from.logit_bias.size()) {
      throw Error(RSN_ERR_ARGUMENT, "logit_bias_tokens and logit_bias differ in length");
    }
    c_.logit_bias_tokens = from.logit_bias_tokens.data();
    c_.logit_bias = from.logit_bias.data();
    c_.logit_bias_count = from.logit_bias.size();
    for (const std::string& text : from.stop) {
      stop_.push_back(text.data());
      stop_sizes_.push_back(text.size());
    }
    c_.stop = stop_.data();
    c_.stop_sizes = stop_sizes_.data();
    c_.stop_count = stop_.size();
    c_.thinking = from.thinking;
    c_.think_budget_soft = from.think_budget_soft;
    c_.think_budget_hard = from.think_budget_hard;
    c_.think_minimum = from.think_minimum;
    c_.answer_reserve = from.answer_reserve;
    c_.continuation = OrNull(from.continuation);
    c_.continuation_size = from.continuation.size();
    c_.template_arguments = OrNull(from.template_arguments);
    c_.template_arguments_size = from.template_arguments.size();
    c_.trace = from.trace;
    c_.alternatives = from.alternatives;
    c_.release = from.release;
    c_.wait_ms = from.wait_ms;
    c_.exclude_first_token = from.exclude_first_token;
    c_.continue_last = from.continue_last;
  }
  CGenerateOptions(const CGenerateOptions&) = delete;
  CGenerateOptions& operator=(const CGenerateOptions&) = delete;

  const rsn_generate_options* get() const { return &c_; }

 private:
  rsn_generate_options c_;
  std::vector<const char*> stop_;
  std::vector<size_t> stop_sizes_;
};

inline GenerateOptions FromC(const rsn_generate_options& c) {
  GenerateOptions to;
  to.max_tokens = c.max_tokens;
  to.seed = c.seed;
  to.branch = c.branch;
  to.temperature = c.temperature;
  to.top_p = c.top_p;
  to.min_p = c.min_p;
  to.repetition_penalty = c.repetition_penalty;
  to.presence_penalty = c.presence_penalty;
  to.frequency_penalty = c.frequency_penalty;
  to.top_k = c.top_k;
  to.penalty_last_n = c.penalty_last_n;
  to.sampling_order = c.sampling_order;
  Assign(to.logit_bias_tokens, c.logit_bias_tokens, c.logit_bias_count);
  Assign(to.logit_bias, c.logit_bias, c.logit_bias_count);
  for (size_t i = 0; i < c.stop_count; ++i) to.stop.emplace_back(c.stop[i], c.stop_sizes[i]);
  to.thinking = c.thinking;
  to.think_budget_soft = c.think_budget_soft;
  to.think_budget_hard = c.think_budget_hard;
  to.think_minimum = c.think_minimum;
  to.answer_reserve = c.answer_reserve;
  Assign(to.continuation, c.continuation, c.continuation_size);
  Assign(to.template_arguments, c.template_arguments, c.template_arguments_size);
  to.trace = c.trace;
  to.alternatives = c.alternatives;
  to.release = c.release;
  to.wait_ms = c.wait_ms;
  to.exclude_first_token = c.exclude_first_token != 0;
  to.continue_last = c.continue_last != 0;
  return to;
}

}  // namespace internal
#endif

// ---- what comes back: copies, theirs to keep
// --------------------------------------------------------

// One event (rsn_event). Which fields count depends on kind.
struct Event {
  int32_t kind = RSN_EVENT_NONE;
  int32_t reason = 0;
  int32_t status = RSN_OK;
  int64_t position = -1;
  int64_t microseconds = 0;
  std::string text;
  int32_t step = -1;
  int32_t channel = 0;
  int32_t token = -1;
  int32_t source = 0;
  int32_t rank = -1;
  float logprob = kUnset;
  float entropy = kUnset;
  float sampled_logprob = kUnset;
  std::vector<int32_t> alternatives;
  std::vector<float> alternative_logprobs;
  std::vector<int32_t> expert_layers;
  std::vector<int32_t> experts;
  std::vector<float> expert_weights;
  int64_t done = 0;
  int64_t total = 0;
  int64_t cached = 0;
#ifndef SWIG
  void Assign(const rsn_event& c) {
    kind = c.kind;
    reason = c.reason;
    status = c.status;
    position = c.position;
    microseconds = c.microseconds;
    internal::Assign(text, c.text, c.text_size);
    step = c.step;
    channel = c.channel;
    token = c.token;
    source = c.source;
    rank = c.rank;
    logprob = c.logprob;
    entropy = c.entropy;
    sampled_logprob = c.sampled_logprob;
    internal::Assign(alternatives, c.alternatives, c.alternative_count);
    internal::Assign(alternative_logprobs, c.alternative_logprobs, c.alternative_count);
    internal::Assign(expert_layers, c.expert_layers, c.expert_count);
    internal::Assign(experts, c.experts, c.expert_count);
    internal::Assign(expert_weights, c.expert_weights, c.expert_count);
    done = c.done;
    total = c.total;
    cached = c.cached;
  }
#endif
};

// One step of the thinking (rsn_step).
struct Step {
  int32_t index = -1;
  int64_t id = -1;
  int64_t parent = -1;
  int32_t channel = 0;
  int32_t marker = 0;
  uint32_t flags = 0;
  int32_t branch = 0;
  std::string text;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t rewind = 0;
  double begin_seconds = 0;
  double end_seconds = 0;
  float mean_logprob = kUnset;
  float lowest_logprob = kUnset;
  float mean_entropy = kUnset;
  float confidence = kUnset;
};

// The record of one token (rsn_token).
struct Token {
  int32_t token = -1;
  int64_t position = -1;
  int64_t microseconds = 0;
  std::string text;  // bytes, perhaps a part of a code point
  int32_t step = -1;
  int32_t channel = 0;
  int32_t source = 0;
  int32_t rank = -1;
  float logprob = kUnset;
  float entropy = kUnset;
  float sampled_logprob = kUnset;
  int32_t branch = 0;
  std::vector<int32_t> alternatives;
  std::vector<float> alternative_logprobs;
  std::vector<int32_t> expert_layers;
  std::vector<int32_t> experts;
  std::vector<float> expert_weights;
};

// The final answer and the first step that states it.
struct Answer {
  std::string text;
  int32_t step = -1;
};

// The bill of a request (rsn_usage).
struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t thinking_tokens = 0;
  int64_t answer_tokens = 0;
  int64_t forced_tokens = 0;
  int64_t discarded_tokens = 0;
  int64_t passes = 0;
  double prompt_seconds = 0;
  double thinking_seconds = 0;
  double answer_seconds = 0;
  double total_seconds = 0;
};

// What a model is (rsn_model_info).
struct ModelInfo {
  uint32_t context_length = 0;
  std::string architecture;
  std::string name;
  std::string path;
  std::string type;
  std::string device;
  std::string chat_template;
  uint64_t parameters = 0;
  uint64_t active_parameters = 0;
  uint64_t file_bytes = 0;
  uint64_t weight_bytes = 0;
  uint64_t kv_bytes_per_token = 0;
  uint64_t kv_bytes_limit = 0;
  uint64_t kv_bytes_used = 0;
  uint64_t passes = 0;
  uint64_t tensors = 0;
  uint32_t vocabulary = 0;
  uint32_t layers = 0;
  uint32_t hidden = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t experts = 0;
  uint32_t experts_used = 0;
  uint32_t experts_shared = 0;
  uint32_t dense_layers = 0;
  uint32_t threads = 0;
  int32_t bos_token = -1;
  int32_t eos_token = -1;
  int32_t think_begin_token = -1;
  int32_t think_end_token = -1;
  float temperature = kUnset;
  float top_p = kUnset;
  float min_p = kUnset;
  float repetition_penalty = kUnset;
  int32_t top_k = 0;
  bool sampling_from_file = false;
};

struct TensorInfo {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;  // outermost first
  uint64_t bytes = 0;
};

struct Device {
  int32_t kind = RSN_DEVICE_CPU;
  std::string name;
  std::string description;
  std::string driver;   // empty: none is involved
  std::string problem;  // empty: it can be used
  uint64_t memory_total = 0;
  uint64_t memory_free = 0;
};

// ---- the nouns
// --------------------------------------------------------------------------------------

inline uint32_t VersionNumber() { return rsn_version_number(); }
inline std::string VersionText() { return rsn_version_text(); }
inline std::string StatusName(int32_t status) { return rsn_status_name(status); }

// As rsn_event_json() and rsn_step_json(): the same bytes in every language.
inline std::string ToJson(const Event& event) {
  rsn_event c;
  internal::Check(rsn_event_init(&c, sizeof c));
  c.kind = event.kind;
  c.reason = event.reason;
  c.status = event.status;
  c.position = event.position;
  c.microseconds = event.microseconds;
  c.text = event.text.data();
  c.text_size = event.text.size();
  c.step = event.step;
  c.channel = event.channel;
  c.token = event.token;
  c.source = event.source;
  c.rank = event.rank;
  c.logprob = event.logprob;
  c.entropy = event.entropy;
  c.sampled_logprob = event.sampled_logprob;
  if (event.alternatives.size() != event.alternative_logprobs.size() ||
      event.experts.size() != event.expert_layers.size() ||
      event.experts.size() != event.expert_weights.size()) {
    throw Error(RSN_ERR_ARGUMENT, "lists of one event differ in length");
  }
  c.alternatives = event.alternatives.data();
  c.alternative_logprobs = event.alternative_logprobs.data();
  c.alternative_count = event.alternatives.size();
  c.expert_layers = event.expert_layers.data();
  c.experts = event.experts.data();
  c.expert_weights = event.expert_weights.data();
  c.expert_count = event.experts.size();
  c.done = event.done;
  c.total = event.total;
  c.cached = event.cached;
  return internal::Collect<std::string>([&](char* text, size_t capacity, size_t* size) {
    return rsn_event_json(&c, text, capacity, size);
  });
}
inline std::string ToJson(const Step& step) {
  rsn_step c;
  internal::Check(rsn_step_init(&c, sizeof c));
  c.index = step.index;
  c.id = step.id;
  c.parent = step.parent;
  c.channel = step.channel;
  c.marker = step.marker;
  c.flags = step.flags;
  c.branch = step.branch;
  c.text = step.text.data();
  c.text_size = step.text.size();
  c.begin = step.begin;
  c.end = step.end;
  c.rewind = step.rewind;
  c.begin_seconds = step.begin_seconds;
  c.end_seconds = step.end_seconds;
  c.mean_logprob = step.mean_logprob;
  c.lowest_logprob = step.lowest_logprob;
  c.mean_entropy = step.mean_entropy;
  c.confidence = step.confidence;
  return internal::Collect<std::string>([&](char* text, size_t capacity, size_t* size) {
    return rsn_step_json(&c, text, capacity, size);
  });
}

// The devices of this machine, the CPU first.
inline std::vector<Device> Devices(const std::string& backend_path = std::string()) {
  rsn_devices* raw = nullptr;
  internal::Check(rsn_devices_new(&raw, internal::OrNull(backend_path), backend_path.size()));
  std::unique_ptr<rsn_devices, void (*)(rsn_devices*)> list(raw, rsn_devices_free);
  size_t count = 0;
  internal::Check(rsn_devices_count(list.get(), &count));
  std::vector<Device> devices(count);
  for (size_t i = 0; i < count; ++i) {
    rsn_device c;
    internal::Check(rsn_device_init(&c, sizeof c));
    internal::Check(rsn_devices_get(list.get(), i, &c));
    devices[i].kind = c.kind;
    devices[i].name = internal::Text(c.name, c.name_size);
    devices[i].description = internal::Text(c.description, c.description_size);
    devices[i].driver = internal::Text(c.driver, c.driver_size);
    devices[i].problem = internal::Text(c.problem, c.problem_size);
    devices[i].memory_total = c.memory_total;
    devices[i].memory_free = c.memory_free;
  }
  return devices;
}

// A conversation.
class Messages {
 public:
  Messages() {
    rsn_messages* raw = nullptr;
    internal::Check(rsn_messages_new(&raw));
    messages_.reset(raw, rsn_messages_free);
  }

  void Add(int32_t role, const std::string& text) {
    internal::Check(rsn_messages_add(handle(), role, text.data(), text.size(), nullptr, 0));
  }
  void Add(int32_t role, const std::string& text, const std::string& thinking) {
    internal::Check(rsn_messages_add(handle(), role, text.data(), text.size(), thinking.data(),
                                     thinking.size()));
  }
  void Truncate(size_t index) { internal::Check(rsn_messages_truncate(handle(), index)); }

  size_t Size() const {
    size_t count = 0;
    internal::Check(rsn_messages_count(handle(), &count));
    return count;
  }
  int32_t Role(size_t index) const {
    int32_t role = 0;
    internal::Check(rsn_messages_get(handle(), index, &role, nullptr, nullptr, nullptr, nullptr));
    return role;
  }
  std::string Text(size_t index) const {
    const char* text = nullptr;
    size_t size = 0;
    internal::Check(rsn_messages_get(handle(), index, nullptr, &text, &size, nullptr, nullptr));
    return internal::Text(text, size);
  }
  // Empty if none was given.
  std::string Thinking(size_t index) const {
    const char* text = nullptr;
    size_t size = 0;
    internal::Check(rsn_messages_get(handle(), index, nullptr, nullptr, nullptr, &text, &size));
    return internal::Text(text, size);
  }

#ifndef SWIG
  rsn_messages* handle() const { return messages_.get(); }
#endif

 private:
  std::shared_ptr<rsn_messages> messages_;
};

// A loaded model.
class Model {
 public:
  // An empty path is the built-in model.
  explicit Model(const std::string& path = std::string(),
                 const ModelOptions& options = ModelOptions()) {
    Load(options, [&path](rsn_model** out, const rsn_model_options* c) {
      return rsn_model_load(out, internal::OrNull(path), path.size(), c);
    });
  }

  // Copies the bytes of a GGUF file.
  static Model FromBytes(const std::string& bytes, ModelOptions options = ModelOptions()) {
    options.load = RSN_LOAD_COPY;
    return FromMemory(bytes.data(), bytes.size(), options);
  }

  ModelInfo Info() const {
    rsn_model_info c;
    internal::Check(rsn_model_info_init(&c, sizeof c));
    internal::Check(rsn_model_describe(handle(), &c));
    ModelInfo to;
    to.context_length = c.context_length;
    to.architecture = internal::Text(c.architecture, c.architecture_size);
    to.name = internal::Text(c.name, c.name_size);
    to.path = internal::Text(c.path, c.path_size);
    to.type = internal::Text(c.type, c.type_size);
    to.device = internal::Text(c.device, c.device_size);
    to.chat_template = internal::Text(c.chat_template, c.chat_template_size);
    to.parameters = c.parameters;
    to.active_parameters = c.active_parameters;
    to.file_bytes = c.file_bytes;
    to.weight_bytes = c.weight_bytes;
    to.kv_bytes_per_token = c.kv_bytes_per_token;
    to.kv_bytes_limit = c.kv_bytes_limit;
    to.kv_bytes_used = c.kv_bytes_used;
    to.passes = c.passes;
    to.tensors = c.tensors;
    to.vocabulary = c.vocabulary;
    to.layers = c.layers;
    to.hidden = c.hidden;
    to.heads = c.heads;
    to.kv_heads = c.kv_heads;
    to.experts = c.experts;
    to.experts_used = c.experts_used;
    to.experts_shared = c.experts_shared;
    to.dense_layers = c.dense_layers;
    to.threads = c.threads;
    to.bos_token = c.bos_token;
    to.eos_token = c.eos_token;
    to.think_begin_token = c.think_begin_token;
    to.think_end_token = c.think_end_token;
    to.temperature = c.temperature;
    to.top_p = c.top_p;
    to.min_p = c.min_p;
    to.repetition_penalty = c.repetition_penalty;
    to.top_k = c.top_k;
    to.sampling_from_file = c.sampling_from_file != 0;
    return to;
  }

  TensorInfo Tensor(size_t index) const {
    rsn_tensor_info c;
    internal::Check(rsn_tensor_info_init(&c, sizeof c));
    internal::Check(rsn_model_tensor(handle(), index, &c));
    TensorInfo to;
    to.name = internal::Text(c.name, c.name_size);
    to.type = internal::Text(c.type, c.type_size);
    to.shape.assign(c.shape, c.shape + c.rank);
    to.bytes = c.bytes;
    return to;
  }

  // format: RSN_FORMAT_*. context_length 0: the sessions' default.
  std::string Plan(int32_t format = RSN_FORMAT_TEXT, uint32_t context_length = 0,
                   uint32_t sessions = 1) const {
    rsn_plan_options c;
    internal::Check(rsn_plan_options_init(&c, sizeof c));
    c.format = format;
    c.context_length = context_length;
    c.sessions = sessions;
    return internal::Collect<std::string>([&](char* text, size_t capacity, size_t* size) {
      return rsn_model_plan(handle(), &c, text, capacity, size);
    });
  }

  std::vector<int32_t> Tokenize(const std::string& text, uint32_t flags = 0) const {
    using Tokens = std::vector<int32_t>;
    return internal::Collect<Tokens>([&](int32_t* tokens, size_t capacity, size_t* count) {
      return rsn_model_tokenize(handle(), text.data(), text.size(), flags, tokens, capacity, count);
    });
  }

  std::string Detokenize(const std::vector<int32_t>& tokens, uint32_t flags = 0) const {
    return internal::Collect<std::string>([&](char* text, size_t capacity, size_t* size) {
      return rsn_model_detokenize(handle(), tokens.data(), tokens.size(), flags, text, capacity,
                                  size);
    });
  }

  std::string TokenText(int32_t token) const {
    const char* text = nullptr;
    size_t size = 0;
    internal::Check(rsn_model_token_text(handle(), token, &text, &size));
    return internal::Text(text, size);
  }

  std::string Render(const Messages& messages,
                     const GenerateOptions& options = GenerateOptions()) const {
    internal::CGenerateOptions c(options);
    return internal::Collect<std::string>([&](char* text, size_t capacity, size_t* size) {
      return rsn_model_render(handle(), messages.handle(), c.get(), text, capacity, size);
    });
  }

#ifndef SWIG
  // The bytes must outlive the model and its sessions, unless options.load is RSN_LOAD_COPY.
  static Model FromMemory(const void* bytes, size_t size,
                          const ModelOptions& options = ModelOptions()) {
    Model model{Nothing()};
    model.Load(options, [&](rsn_model** out, const rsn_model_options* c) {
      return rsn_model_load_memory(out, bytes, size, c);
    });
    return model;
  }

  rsn_model* handle() const { return model_.get(); }
#endif

 private:
#ifndef SWIG
  struct Nothing {};
  explicit Model(Nothing) {}

  struct Progress {
    const std::function<bool(uint64_t, uint64_t)>* function;
    std::exception_ptr error;
    static int32_t Call(uint64_t done, uint64_t total, void* data) noexcept {
      Progress* self = static_cast<Progress*>(data);
      try {
        return (*self->function)(done, total) ? 0 : 1;
      } catch (...) {
        self->error = std::current_exception();
        return 1;
      }
    }
  };
  using Log = std::function<void(int32_t, std::string_view)>;
  static void CallLog(int32_t level, const char* text, size_t size, void* data) noexcept {
    try {
      (*static_cast<Log*>(data))(level, std::string_view(text, size));
    } catch (...) {
    }
  }

  template <typename Call>
  void Load(const ModelOptions& options, Call call) {
    rsn_model_options c;
    internal::Check(rsn_model_options_init(&c, sizeof c));
    c.threads = options.threads;
    c.device = internal::OrNull(options.device);
    c.device_size = options.device.size();
    c.experts = internal::OrNull(options.experts);
    c.experts_size = options.experts.size();
    c.backend_path = internal::OrNull(options.backend_path);
    c.backend_path_size = options.backend_path.size();
    c.chat_template = internal::OrNull(options.chat_template);
    c.chat_template_size = options.chat_template.size();
    c.kv_bytes = options.kv_bytes;
    c.context_length = options.context_length;
    c.kv_type = options.kv_type;
    c.load = options.load;
    c.repack = options.repack;
    c.exact = options.exact;
    Progress progress{&options.progress, nullptr};
    if (options.progress) {
      c.progress = &Progress::Call;
      c.progress_data = &progress;
    }
    // Sessions keep the model alive inside the library, so the log's function must outlive every
    // wrapper: it is given to the model's and to each session's wrapper.
    if (options.log) {
      log_ = std::make_shared<Log>(options.log);
      c.log = &CallLog;
      c.log_data = log_.get();
    }
    rsn_model* raw = nullptr;
    rsn_status status = call(&raw, &c);
    if (progress.error) {
      rsn_model_free(raw);
      std::rethrow_exception(progress.error);
    }
    internal::Check(status);
    std::shared_ptr<Log> log = log_;
    model_.reset(raw, [log](rsn_model* model) { rsn_model_free(model); });
  }

  std::shared_ptr<Log> log_;
#endif
  std::shared_ptr<rsn_model> model_;
  friend class Session;
};

// One timeline.
class Session {
 public:
  explicit Session(const Model& model, const SessionOptions& options = SessionOptions())
      : log_(model.log_) {
    rsn_session_options c;
    internal::Check(rsn_session_options_init(&c, sizeof c));
    c.context_length = options.context_length;
    rsn_session* raw = nullptr;
    internal::Check(rsn_session_new(&raw, model.handle(), &c));
    Hold(raw);
  }

  void Ask(const std::string& text, const GenerateOptions& options = GenerateOptions()) {
    internal::CGenerateOptions c(options);
    internal::Check(rsn_session_ask(handle(), text.data(), text.size(), c.get()));
  }
  void Prompt(const Messages& messages, const GenerateOptions& options = GenerateOptions()) {
    internal::CGenerateOptions c(options);
    internal::Check(rsn_session_prompt(handle(), messages.handle(), c.get()));
  }
  void PromptText(const std::string& text, uint32_t flags = RSN_TOKENIZE_BOS,
                  const GenerateOptions& options = GenerateOptions()) {
    internal::CGenerateOptions c(options);
    internal::Check(rsn_session_prompt_text(handle(), text.data(), text.size(), flags, c.get()));
  }

  // Fills in the next event. A failed request throws, after `event` was filled in.
  void Next(Event& event) {
    rsn_event c;
    internal::Check(rsn_event_init(&c, sizeof c));
    rsn_status status = rsn_session_next(handle(), &c);
    if (status == RSN_OK || c.kind == RSN_EVENT_DONE) event.Assign(c);
    internal::Check(status);
  }

  void EndThinking() { internal::Check(rsn_session_end_thinking(handle())); }
  void Stop() { internal::Check(rsn_session_stop(handle())); }
  void Inject(const std::string& text) {
    internal::Check(rsn_session_inject(handle(), text.data(), text.size()));
  }
  // With the request's options and the next branch number.
  void Rewind(int64_t position) {
    internal::Check(rsn_session_rewind(handle(), position, nullptr));
  }
  void Rewind(int64_t position, const GenerateOptions& options) {
    internal::CGenerateOptions c(options);
    internal::Check(rsn_session_rewind(handle(), position, c.get()));
  }
  Session Fork() const { return ForkWith(nullptr); }
  Session Fork(const GenerateOptions& options) const {
    internal::CGenerateOptions c(options);
    return ForkWith(c.get());
  }
  // The only call that another thread may make.
  void Cancel() { internal::Check(rsn_session_cancel(handle())); }

  // Whether the request has events left.
  bool Running() const {
    int32_t running = 0;
    internal::Check(rsn_session_running(handle(), &running));
    return running != 0;
  }
  int64_t Position() const {
    int64_t position = 0;
    internal::Check(rsn_session_position(handle(), &position));
    return position;
  }
  size_t StepCount() const {
    size_t count = 0;
    internal::Check(rsn_session_step_count(handle(), &count));
    return count;
  }
  raison::Step Step(size_t index) const {
    rsn_step c;
    internal::Check(rsn_step_init(&c, sizeof c));
    internal::Check(rsn_session_step(handle(), index, &c));
    raison::Step to;
    to.index = c.index;
    to.id = c.id;
    to.parent = c.parent;
    to.channel = c.channel;
    to.marker = c.marker;
    to.flags = c.flags;
    to.branch = c.branch;
    to.text = internal::Text(c.text, c.text_size);
    to.begin = c.begin;
    to.end = c.end;
    to.rewind = c.rewind;
    to.begin_seconds = c.begin_seconds;
    to.end_seconds = c.end_seconds;
    to.mean_logprob = c.mean_logprob;
    to.lowest_logprob = c.lowest_logprob;
    to.mean_entropy = c.mean_entropy;
    to.confidence = c.confidence;
    return to;
  }
  // (layers, experts) row by row.
  std::vector<uint32_t> StepExperts(size_t index) const {
    using Counts = std::vector<uint32_t>;
    return internal::Collect<Counts>([&](uint32_t* counts, size_t capacity, size_t* count) {
      return rsn_session_step_experts(handle(), index, counts, capacity, count);
    });
  }
  raison::Token Token(int64_t position) const {
    rsn_token c;
    internal::Check(rsn_token_init(&c, sizeof c));
    internal::Check(rsn_session_token(handle(), position, &c));
    raison::Token to;
    to.token = c.token;
    to.position = c.position;
    to.microseconds = c.microseconds;
    to.text = internal::Text(c.text, c.text_size);
    to.step = c.step;
    to.channel = c.channel;
    to.source = c.source;
    to.rank = c.rank;
    to.logprob = c.logprob;
    to.entropy = c.entropy;
    to.sampled_logprob = c.sampled_logprob;
    to.branch = c.branch;
    internal::Assign(to.alternatives, c.alternatives, c.alternative_count);
    internal::Assign(to.alternative_logprobs, c.alternative_logprobs, c.alternative_count);
    internal::Assign(to.expert_layers, c.expert_layers, c.expert_count);
    internal::Assign(to.experts, c.experts, c.expert_count);
    internal::Assign(to.expert_weights, c.expert_weights, c.expert_count);
    return to;
  }
  // channel: RSN_CHANNEL_THINKING or RSN_CHANNEL_ANSWER.
  std::string Text(int32_t channel) const {
    const char* text = nullptr;
    size_t size = 0;
    internal::Check(rsn_session_text(handle(), channel, &text, &size));
    return internal::Text(text, size);
  }
  raison::Answer Answer() const {
    const char* text = nullptr;
    size_t size = 0;
    raison::Answer to;
    internal::Check(rsn_session_answer(handle(), &text, &size, &to.step));
    to.text = internal::Text(text, size);
    return to;
  }
  std::vector<float> Logits() const {
    using Row = std::vector<float>;
    return internal::Collect<Row>([&](float* logits, size_t capacity, size_t* count) {
      return rsn_session_logits(handle(), logits, capacity, count);
    });
  }
  raison::Usage Usage() const {
    rsn_usage c;
    internal::Check(rsn_usage_init(&c, sizeof c));
    internal::Check(rsn_session_usage(handle(), &c));
    raison::Usage to;
    to.prompt_tokens = c.prompt_tokens;
    to.cached_tokens = c.cached_tokens;
    to.thinking_tokens = c.thinking_tokens;
    to.answer_tokens = c.answer_tokens;
    to.forced_tokens = c.forced_tokens;
    to.discarded_tokens = c.discarded_tokens;
    to.passes = c.passes;
    to.prompt_seconds = c.prompt_seconds;
    to.thinking_seconds = c.thinking_seconds;
    to.answer_seconds = c.answer_seconds;
    to.total_seconds = c.total_seconds;
    return to;
  }
  // What the running request really uses: nothing in it is unset.
  GenerateOptions EffectiveOptions() const {
    rsn_generate_options c;
    internal::Check(rsn_generate_options_init(&c, sizeof c));
    internal::Check(rsn_session_generate_options(handle(), &c));
    return internal::FromC(c);
  }

#ifndef SWIG
  rsn_session* handle() const { return session_.get(); }

  // The rest of the request's events, DONE included: for (const Event& event : session.Events()).
  class EventRange {
   public:
    class Iterator {
     public:
      using iterator_category = std::input_iterator_tag;
      using value_type = Event;
      using difference_type = std::ptrdiff_t;
      using pointer = const Event*;
      using reference = const Event&;

      Iterator() = default;  // the end
      explicit Iterator(EventRange* range) : range_(range) { ++*this; }
      reference operator*() const { return range_->event_; }
      pointer operator->() const { return &range_->event_; }
      Iterator& operator++() {
        // Asked after the loop's body ran: a rewind on DONE makes the range go on.
        if (range_->session_->Running()) {
          range_->session_->Next(range_->event_);
        } else {
          range_ = nullptr;
        }
        return *this;
      }
      void operator++(int) { ++*this; }
      friend bool operator==(const Iterator& a, const Iterator& b) { return a.range_ == b.range_; }
      friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

     private:
      EventRange* range_ = nullptr;
    };

    explicit EventRange(Session* session) : session_(session) {}
    Iterator begin() { return Iterator(this); }
    Iterator end() { return Iterator(); }

   private:
    Session* session_;
    Event event_;
  };
  EventRange Events() { return EventRange(this); }

  // Calls `callback` for each event, DONE included; it returns RSN_CONTINUE, RSN_END_THINKING or
  // RSN_STOP. An exception that it throws stops the request and comes out of Run unchanged; the
  // session stays usable.
  using Callback = std::function<int32_t(Session&, const Event&)>;
  void Run(const Callback& callback) {
    RunState state{this, &callback, {}, nullptr};
    rsn_status status = rsn_session_run(handle(), &RunState::Call, &state);
    if (state.error) std::rethrow_exception(state.error);
    internal::Check(status);
  }
  // Runs to the end and gives the answer's text.
  std::string Run() {
    internal::Check(rsn_session_run(handle(), nullptr, nullptr));
    return Text(RSN_CHANNEL_ANSWER);
  }
#endif

 private:
#ifndef SWIG
  struct RunState {
    Session* session;
    const Callback* callback;
    Event event;
    std::exception_ptr error;
    static int32_t Call(rsn_session*, const rsn_event* c, void* data) noexcept {
      RunState* self = static_cast<RunState*>(data);
      if (self->error) return RSN_CONTINUE;  // the events that the stop brings
      try {
        self->event.Assign(*c);
        return (*self->callback)(*self->session, self->event);
      } catch (...) {
        self->error = std::current_exception();
        return RSN_STOP;
      }
    }
  };

  Session(rsn_session* raw, std::shared_ptr<Model::Log> log) : log_(std::move(log)) { Hold(raw); }
  Session ForkWith(const rsn_generate_options* options) const {
    rsn_session* raw = nullptr;
    internal::Check(rsn_session_fork(&raw, handle(), options));
    return Session(raw, log_);
  }
  void Hold(rsn_session* raw) {
    std::shared_ptr<Model::Log> log = log_;
    session_.reset(raw, [log](rsn_session* session) { rsn_session_free(session); });
  }

  std::shared_ptr<Model::Log> log_;
#endif
  std::shared_ptr<rsn_session> session_;
};

// Many sessions of one model, stepped from one thread.
class Sessions {
 public:
  void Add(const Session& session) { sessions_.push_back(session); }
  size_t Size() const { return sessions_.size(); }
  Session At(size_t index) const { return sessions_.at(index); }

  // Fills in one event and returns the index of its session, or -1 when nobody has a running
  // request. A session's failure is its DONE event; nothing is thrown for it.
  int64_t Next(Event& event) {
    std::vector<rsn_session*> raw;
    raw.reserve(sessions_.size());
    for (const Session& session : sessions_) raw.push_back(session.handle());
    rsn_event c;
    internal::Check(rsn_event_init(&c, sizeof c));
    size_t which = 0;
    internal::Check(rsn_sessions_next(raw.data(), raw.size(), &which, &c));
    event.Assign(c);
    return c.kind == RSN_EVENT_NONE ? -1 : static_cast<int64_t>(which);
  }

 private:
  std::vector<Session> sessions_;
};

#ifndef SWIG
}  // namespace v0
#endif
}  // namespace raison

#endif  // RAISON_RAISON_HPP_
