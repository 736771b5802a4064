#include "capi/structs.h"

#include <limits>

namespace raison::capi {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <typename T>
T Zero() {
  T value;
  std::memset(static_cast<void*>(&value), 0, sizeof value);
  value.struct_size = sizeof value;
  return value;
}

}  // namespace

rsn_status CheckStructSize(const char* name, const void* address, size_t size, size_t known,
                           size_t alignment) {
  if (size < sizeof(uint32_t) || size > kMaxStruct || size % alignment != 0) {
    return FailWith(RSN_ERR_STRUCT, name, ": struct_size ", size, " (was ", name,
                    "_init called?)");
  }
  const char* bytes = static_cast<const char*>(address);
  for (size_t i = known; i < size; ++i) {
    if (bytes[i] != 0) {
      return FailWith(RSN_ERR_STRUCT, name, ": byte ", i,
                      " is set, but this library knows only the first ", known,
                      ": it is older than the program's header");
    }
  }
  return RSN_OK;
}

template <>
rsn_event Defaults() {
  rsn_event e = Zero<rsn_event>();
  e.position = e.step = e.token = e.rank = -1;
  e.logprob = e.entropy = e.sampled_logprob = kNan;
  return e;
}

template <>
rsn_step Defaults() {
  rsn_step s = Zero<rsn_step>();
  s.index = -1;
  s.id = s.parent = -1;
  s.mean_logprob = s.lowest_logprob = s.mean_entropy = s.confidence = kNan;
  return s;
}

template <>
rsn_token Defaults() {
  rsn_token t = Zero<rsn_token>();
  t.token = t.step = t.rank = -1;
  t.position = -1;
  t.logprob = t.entropy = t.sampled_logprob = kNan;
  return t;
}

template <>
rsn_usage Defaults() {
  return Zero<rsn_usage>();
}

template <>
rsn_session_options Defaults() {
  return Zero<rsn_session_options>();
}

template <>
rsn_generate_options Defaults() {
  rsn_generate_options o = Zero<rsn_generate_options>();
  o.max_tokens = o.branch = RSN_UNSET;
  o.temperature = o.top_p = o.min_p = o.repetition_penalty = kNan;
  o.presence_penalty = o.frequency_penalty = kNan;
  o.top_k = o.penalty_last_n = RSN_UNSET;
  o.think_budget_soft = o.think_budget_hard = o.think_minimum = o.answer_reserve = RSN_UNSET;
  o.alternatives = o.wait_ms = RSN_UNSET;
  return o;
}

template <>
rsn_model_options Defaults() {
  rsn_model_options o = Zero<rsn_model_options>();
  o.threads = RSN_UNSET;
  o.repack = 1;
  return o;
}

template <>
rsn_device Defaults() {
  return Zero<rsn_device>();
}

template <>
rsn_model_info Defaults() {
  rsn_model_info i = Zero<rsn_model_info>();
  i.bos_token = i.eos_token = i.think_begin_token = i.think_end_token = -1;
  i.temperature = i.top_p = i.min_p = i.repetition_penalty = kNan;
  return i;
}

template <>
rsn_tensor_info Defaults() {
  return Zero<rsn_tensor_info>();
}

template <>
rsn_plan_options Defaults() {
  rsn_plan_options o = Zero<rsn_plan_options>();
  o.sessions = 1;
  return o;
}

}  // namespace raison::capi

#define RSN_CAPI_INIT(noun)                                                      \
  rsn_status noun##_init(noun* out, size_t size) {                               \
    return raison::capi::Guard(                                                  \
        [&]() -> rsn_status { return raison::capi::InitStruct(#noun, out, size); }); \
  }

extern "C" {
RSN_CAPI_INIT(rsn_event)
RSN_CAPI_INIT(rsn_step)
RSN_CAPI_INIT(rsn_token)
RSN_CAPI_INIT(rsn_usage)
RSN_CAPI_INIT(rsn_session_options)
RSN_CAPI_INIT(rsn_generate_options)
RSN_CAPI_INIT(rsn_model_options)
RSN_CAPI_INIT(rsn_device)
RSN_CAPI_INIT(rsn_model_info)
RSN_CAPI_INIT(rsn_tensor_info)
RSN_CAPI_INIT(rsn_plan_options)
}  // extern "C"
