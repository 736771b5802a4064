// The layout of every public struct on 64-bit machines, pinned: a field inserted in the middle, a
// changed type or a hole that a compiler would pad fails here, before any test runs. A struct that
// grows gets new lines at its end and a new size.
#include <cstddef>
#include <cstdint>

#include "raison/raison.h"

#if INTPTR_MAX == INT64_MAX
#define AT(type, field, offset) static_assert(offsetof(type, field) == offset, #type "." #field)
#define SIZE(type, bytes) static_assert(sizeof(type) == bytes, #type)

AT(rsn_event, struct_size, 0);
AT(rsn_event, kind, 4);
AT(rsn_event, reason, 8);
AT(rsn_event, status, 12);
AT(rsn_event, position, 16);
AT(rsn_event, microseconds, 24);
AT(rsn_event, text, 32);
AT(rsn_event, text_size, 40);
AT(rsn_event, step, 48);
AT(rsn_event, channel, 52);
AT(rsn_event, token, 56);
AT(rsn_event, source, 60);
AT(rsn_event, rank, 64);
AT(rsn_event, logprob, 68);
AT(rsn_event, entropy, 72);
AT(rsn_event, sampled_logprob, 76);
AT(rsn_event, alternatives, 80);
AT(rsn_event, alternative_logprobs, 88);
AT(rsn_event, alternative_count, 96);
AT(rsn_event, expert_layers, 104);
AT(rsn_event, experts, 112);
AT(rsn_event, expert_weights, 120);
AT(rsn_event, expert_count, 128);
AT(rsn_event, done, 136);
AT(rsn_event, total, 144);
AT(rsn_event, cached, 152);
SIZE(rsn_event, 160);

AT(rsn_session_options, struct_size, 0);
AT(rsn_session_options, context_length, 4);
SIZE(rsn_session_options, 8);

AT(rsn_generate_options, struct_size, 0);
AT(rsn_generate_options, max_tokens, 4);
AT(rsn_generate_options, seed, 8);
AT(rsn_generate_options, branch, 16);
AT(rsn_generate_options, thinking, 20);
AT(rsn_generate_options, temperature, 24);
AT(rsn_generate_options, top_p, 28);
AT(rsn_generate_options, min_p, 32);
AT(rsn_generate_options, repetition_penalty, 36);
AT(rsn_generate_options, presence_penalty, 40);
AT(rsn_generate_options, frequency_penalty, 44);
AT(rsn_generate_options, top_k, 48);
AT(rsn_generate_options, penalty_last_n, 52);
AT(rsn_generate_options, logit_bias_tokens, 56);
AT(rsn_generate_options, logit_bias, 64);
AT(rsn_generate_options, logit_bias_count, 72);
AT(rsn_generate_options, stop, 80);
AT(rsn_generate_options, stop_sizes, 88);
AT(rsn_generate_options, stop_count, 96);
AT(rsn_generate_options, release, 104);
AT(rsn_generate_options, think_budget_soft, 108);
AT(rsn_generate_options, think_budget_hard, 112);
AT(rsn_generate_options, think_minimum, 116);
AT(rsn_generate_options, answer_reserve, 120);
AT(rsn_generate_options, trace, 124);
AT(rsn_generate_options, continuation, 128);
AT(rsn_generate_options, continuation_size, 136);
AT(rsn_generate_options, template_arguments, 144);
AT(rsn_generate_options, template_arguments_size, 152);
AT(rsn_generate_options, alternatives, 160);
AT(rsn_generate_options, exclude_first_token, 164);
AT(rsn_generate_options, continue_last, 168);
AT(rsn_generate_options, wait_ms, 172);
AT(rsn_generate_options, sampling_order, 176);
AT(rsn_generate_options, reserved, 180);
SIZE(rsn_generate_options, 184);

AT(rsn_step, struct_size, 0);
AT(rsn_step, index, 4);
AT(rsn_step, id, 8);
AT(rsn_step, parent, 16);
AT(rsn_step, channel, 24);
AT(rsn_step, marker, 28);
AT(rsn_step, flags, 32);
AT(rsn_step, branch, 36);
AT(rsn_step, text, 40);
AT(rsn_step, text_size, 48);
AT(rsn_step, begin, 56);
AT(rsn_step, end, 64);
AT(rsn_step, rewind, 72);
AT(rsn_step, begin_seconds, 80);
AT(rsn_step, end_seconds, 88);
AT(rsn_step, mean_logprob, 96);
AT(rsn_step, lowest_logprob, 100);
AT(rsn_step, mean_entropy, 104);
AT(rsn_step, confidence, 108);
SIZE(rsn_step, 112);

AT(rsn_token, struct_size, 0);
AT(rsn_token, token, 4);
AT(rsn_token, position, 8);
AT(rsn_token, microseconds, 16);
AT(rsn_token, text, 24);
AT(rsn_token, text_size, 32);
AT(rsn_token, step, 40);
AT(rsn_token, channel, 44);
AT(rsn_token, source, 48);
AT(rsn_token, rank, 52);
AT(rsn_token, logprob, 56);
AT(rsn_token, entropy, 60);
AT(rsn_token, sampled_logprob, 64);
AT(rsn_token, branch, 68);
AT(rsn_token, alternatives, 72);
AT(rsn_token, alternative_logprobs, 80);
AT(rsn_token, alternative_count, 88);
AT(rsn_token, expert_layers, 96);
AT(rsn_token, experts, 104);
AT(rsn_token, expert_weights, 112);
AT(rsn_token, expert_count, 120);
SIZE(rsn_token, 128);

AT(rsn_usage, struct_size, 0);
AT(rsn_usage, reserved, 4);
AT(rsn_usage, prompt_tokens, 8);
AT(rsn_usage, cached_tokens, 16);
AT(rsn_usage, thinking_tokens, 24);
AT(rsn_usage, answer_tokens, 32);
AT(rsn_usage, forced_tokens, 40);
AT(rsn_usage, discarded_tokens, 48);
AT(rsn_usage, passes, 56);
AT(rsn_usage, prompt_seconds, 64);
AT(rsn_usage, thinking_seconds, 72);
AT(rsn_usage, answer_seconds, 80);
AT(rsn_usage, total_seconds, 88);
SIZE(rsn_usage, 96);

AT(rsn_model_options, struct_size, 0);
AT(rsn_model_options, threads, 4);
AT(rsn_model_options, device, 8);
AT(rsn_model_options, device_size, 16);
AT(rsn_model_options, backend_path, 24);
AT(rsn_model_options, backend_path_size, 32);
AT(rsn_model_options, chat_template, 40);
AT(rsn_model_options, chat_template_size, 48);
AT(rsn_model_options, kv_bytes, 56);
AT(rsn_model_options, context_length, 64);
AT(rsn_model_options, kv_type, 68);
AT(rsn_model_options, load, 72);
AT(rsn_model_options, repack, 76);
AT(rsn_model_options, exact, 80);
AT(rsn_model_options, reserved, 84);
AT(rsn_model_options, progress, 88);
AT(rsn_model_options, progress_data, 96);
AT(rsn_model_options, log, 104);
AT(rsn_model_options, log_data, 112);
AT(rsn_model_options, experts, 120);
AT(rsn_model_options, experts_size, 128);
SIZE(rsn_model_options, 136);

AT(rsn_device, struct_size, 0);
AT(rsn_device, kind, 4);
AT(rsn_device, name, 8);
AT(rsn_device, name_size, 16);
AT(rsn_device, description, 24);
AT(rsn_device, description_size, 32);
AT(rsn_device, problem, 40);
AT(rsn_device, problem_size, 48);
AT(rsn_device, memory_total, 56);
AT(rsn_device, memory_free, 64);
AT(rsn_device, driver, 72);
AT(rsn_device, driver_size, 80);
SIZE(rsn_device, 88);

AT(rsn_model_info, struct_size, 0);
AT(rsn_model_info, context_length, 4);
AT(rsn_model_info, architecture, 8);
AT(rsn_model_info, architecture_size, 16);
AT(rsn_model_info, name, 24);
AT(rsn_model_info, name_size, 32);
AT(rsn_model_info, path, 40);
AT(rsn_model_info, path_size, 48);
AT(rsn_model_info, type, 56);
AT(rsn_model_info, type_size, 64);
AT(rsn_model_info, device, 72);
AT(rsn_model_info, device_size, 80);
AT(rsn_model_info, chat_template, 88);
AT(rsn_model_info, chat_template_size, 96);
AT(rsn_model_info, parameters, 104);
AT(rsn_model_info, active_parameters, 112);
AT(rsn_model_info, file_bytes, 120);
AT(rsn_model_info, weight_bytes, 128);
AT(rsn_model_info, kv_bytes_per_token, 136);
AT(rsn_model_info, kv_bytes_limit, 144);
AT(rsn_model_info, kv_bytes_used, 152);
AT(rsn_model_info, passes, 160);
AT(rsn_model_info, tensors, 168);
AT(rsn_model_info, vocabulary, 176);
AT(rsn_model_info, layers, 180);
AT(rsn_model_info, hidden, 184);
AT(rsn_model_info, heads, 188);
AT(rsn_model_info, kv_heads, 192);
AT(rsn_model_info, experts, 196);
AT(rsn_model_info, experts_used, 200);
AT(rsn_model_info, experts_shared, 204);
AT(rsn_model_info, dense_layers, 208);
AT(rsn_model_info, threads, 212);
AT(rsn_model_info, bos_token, 216);
AT(rsn_model_info, eos_token, 220);
AT(rsn_model_info, think_begin_token, 224);
AT(rsn_model_info, think_end_token, 228);
AT(rsn_model_info, temperature, 232);
AT(rsn_model_info, top_p, 236);
AT(rsn_model_info, min_p, 240);
AT(rsn_model_info, repetition_penalty, 244);
AT(rsn_model_info, top_k, 248);
AT(rsn_model_info, sampling_from_file, 252);
SIZE(rsn_model_info, 256);

AT(rsn_tensor_info, struct_size, 0);
AT(rsn_tensor_info, rank, 4);
AT(rsn_tensor_info, name, 8);
AT(rsn_tensor_info, name_size, 16);
AT(rsn_tensor_info, type, 24);
AT(rsn_tensor_info, type_size, 32);
AT(rsn_tensor_info, shape, 40);
AT(rsn_tensor_info, bytes, 72);
SIZE(rsn_tensor_info, 80);

AT(rsn_plan_options, struct_size, 0);
AT(rsn_plan_options, format, 4);
AT(rsn_plan_options, context_length, 8);
AT(rsn_plan_options, sessions, 12);
SIZE(rsn_plan_options, 16);

#undef AT
#undef SIZE
#endif
