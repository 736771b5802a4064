/* Every function of raison.h with bad arguments, from plain C: a status each time, a sentence that is
 * not empty, `out` set to NULL, and the good objects still usable afterwards.
 * Usage: bad_arguments_test MODEL (a model with a chat template). */
#include <math.h>
#include <raison/raison.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;
static int checks = 0;

#define FAIL_UNLESS(condition, text)                                                   \
  do {                                                                                 \
    ++checks;                                                                          \
    if (!(condition)) {                                                                \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, text, rsn_last_error()); \
      ++failures;                                                                      \
    }                                                                                  \
  } while (0)
#define CHECK(condition) FAIL_UNLESS(condition, #condition)
#define OK(call) FAIL_UNLESS((call) == RSN_OK, #call)
#define IS(status, call) FAIL_UNLESS((call) == (status) && rsn_last_error()[0] != '\0', #call)
#define ARGUMENT(call) IS(RSN_ERR_ARGUMENT, call)

static int32_t keep_going(rsn_session *session, const rsn_event *event, void *data) {
  (void)session, (void)event, (void)data;
  return RSN_CONTINUE;
}

static int32_t unknown_wish(rsn_session *session, const rsn_event *event, void *data) {
  (void)session, (void)event, (void)data;
  return 77;
}

static int32_t inside(rsn_session *session, const rsn_event *event, void *data) {
  rsn_event other;
  rsn_session *fork = NULL;
  int64_t position;
  int *calls = (int *)data;
  (void)event;
  rsn_event_init(&other, sizeof other);
  if (*calls == 0) {
    OK(rsn_session_position(session, &position)); /* getters are legal */
    IS(RSN_ERR_STATE, rsn_session_next(session, &other));
    IS(RSN_ERR_STATE, rsn_session_ask(session, "again", RSN_NUL, NULL));
    IS(RSN_ERR_STATE, rsn_session_run(session, NULL, NULL));
    OK(rsn_session_fork(&fork, session, NULL)); /* legal; the fork has no callback: all is */
    OK(rsn_session_next(fork, &other));
    rsn_session_free(fork);
    rsn_session_free(session); /* does nothing here */
  }
  ++*calls;
  return RSN_STOP;
}

static int32_t refuse(uint64_t done, uint64_t total, void *data) {
  (void)done, (void)total, (void)data;
  return 1;
}

static void test_model_options(const char *path) {
  rsn_model *model = (rsn_model *)&failures;
  rsn_model_options o;
  ARGUMENT(rsn_model_load(NULL, path, RSN_NUL, NULL));
  ARGUMENT(rsn_model_load(&model, NULL, 5, NULL));
  CHECK(model == NULL);
  ARGUMENT(rsn_model_load(&model, "a\0b", 3, NULL));
  IS(RSN_ERR_NOT_FOUND, rsn_model_load(&model, "", 0, NULL));
  model = (rsn_model *)&failures;
  IS(RSN_ERR_NOT_FOUND, rsn_model_load(&model, "/no/such/model.gguf", RSN_NUL, NULL));
  CHECK(model == NULL);
  CHECK(strstr(rsn_last_error(), "/no/such/model.gguf") != NULL);
  IS(RSN_ERR_FORMAT, rsn_model_load_memory(&model, "not a GGUF file at all, whatever", 32, NULL));
  ARGUMENT(rsn_model_load_memory(NULL, "x", 1, NULL));
  ARGUMENT(rsn_model_load_memory(&model, NULL, 10, NULL));
  CHECK(rsn_model_load_memory(&model, "", 0, NULL) == RSN_ERR_FORMAT && model == NULL);
  rsn_model_free(NULL);

#define WITH(status, change)                                          \
  do {                                                                \
    OK(rsn_model_options_init(&o, sizeof o));                         \
    change;                                                           \
    IS(status, rsn_model_load(&model, path, RSN_NUL, &o));            \
    CHECK(model == NULL);                                             \
  } while (0)
  WITH(RSN_ERR_STRUCT, o.struct_size = 0);
  WITH(RSN_ERR_STRUCT, o.struct_size = 7);
  WITH(RSN_ERR_ARGUMENT, o.reserved = 1);
  WITH(RSN_ERR_ARGUMENT, o.threads = 0);
  WITH(RSN_ERR_ARGUMENT, o.threads = -2);
  WITH(RSN_ERR_ARGUMENT, o.threads = 1 << 30);
  WITH(RSN_ERR_ARGUMENT, o.kv_type = 9);
  WITH(RSN_ERR_ARGUMENT, o.load = -1);
  WITH(RSN_ERR_ARGUMENT, o.device_size = 3);
  WITH(RSN_ERR_DEVICE, (o.device = "abacus", o.device_size = RSN_NUL));
  WITH(RSN_ERR_TEXT, (o.chat_template = "\xff", o.chat_template_size = 1));
  WITH(RSN_ERR_CANCELLED, o.progress = refuse);
#undef WITH
}

static void test_messages(rsn_model *model, rsn_session *session) {
  rsn_messages *messages = NULL;
  size_t count = 9;
  int32_t role;
  const char *text;
  size_t text_size;
  ARGUMENT(rsn_messages_new(NULL));
  OK(rsn_messages_new(&messages));
  ARGUMENT(rsn_messages_add(NULL, RSN_ROLE_USER, "x", 1, NULL, 0));
  ARGUMENT(rsn_messages_add(messages, 9, "x", 1, NULL, 0));
  ARGUMENT(rsn_messages_add(messages, -1, "x", 1, NULL, 0));
  ARGUMENT(rsn_messages_add(messages, RSN_ROLE_USER, NULL, 0, NULL, 0));
  ARGUMENT(rsn_messages_add(messages, RSN_ROLE_USER, "x", (size_t)-2, NULL, 0));
  ARGUMENT(rsn_messages_add(messages, RSN_ROLE_USER, "x", 1, NULL, 4));
  IS(RSN_ERR_TEXT, rsn_messages_add(messages, RSN_ROLE_USER, "\xc3(", 2, NULL, 0));
  IS(RSN_ERR_TEXT, rsn_messages_add(messages, RSN_ROLE_USER, "x", 1, "\xed\xa0\x80", 3));
  ARGUMENT(rsn_messages_count(NULL, &count));
  ARGUMENT(rsn_messages_count(messages, NULL));
  OK(rsn_messages_count(messages, &count));
  CHECK(count == 0); /* nothing of the failed ones */
  ARGUMENT(rsn_messages_get(messages, 0, &role, &text, &text_size, NULL, NULL));
  ARGUMENT(rsn_messages_get(NULL, 0, NULL, NULL, NULL, NULL, NULL));
  ARGUMENT(rsn_messages_truncate(messages, 1));
  ARGUMENT(rsn_messages_truncate(NULL, 0));
  OK(rsn_messages_add(messages, RSN_ROLE_USER, "a\0b", 3, NULL, 0));
  OK(rsn_messages_get(messages, 0, &role, &text, &text_size, NULL, NULL));
  CHECK(role == RSN_ROLE_USER && text_size == 3 && memcmp(text, "a\0b", 3) == 0);
  /* Handles of another kind. */
  ARGUMENT(rsn_messages_count((const rsn_messages *)(const void *)model, &count));
  ARGUMENT(rsn_session_prompt(session, NULL, NULL));
  ARGUMENT(rsn_session_prompt(NULL, messages, NULL));
  ARGUMENT(rsn_session_prompt((rsn_session *)(void *)messages, messages, NULL));
  ARGUMENT(rsn_model_render(model, NULL, NULL, NULL, 0, &count));
  ARGUMENT(rsn_model_render(NULL, messages, NULL, NULL, 0, &count));
  ARGUMENT(rsn_model_render(model, messages, NULL, NULL, 0, NULL));
  ARGUMENT(rsn_model_render(model, messages, NULL, NULL, 4, &count));
  rsn_messages_free(NULL);
  rsn_messages_free(messages);
}

static void test_generate_options(rsn_session *session) {
  static const int32_t ids[1] = {1 << 30};
  static const float bias[1] = {1};
  static const char *stop[1] = {NULL};
  static const char *bad_stop[1] = {"\xff"};
  static const char *empty_stop[1] = {""};
  rsn_generate_options o;
#define WITH(status, change)                                             \
  do {                                                                   \
    OK(rsn_generate_options_init(&o, sizeof o));                         \
    change;                                                              \
    IS(status, rsn_session_ask(session, "Hello", RSN_NUL, &o));          \
  } while (0)
  WITH(RSN_ERR_STRUCT, o.struct_size = 0);
  WITH(RSN_ERR_STRUCT, o.struct_size = 1u << 31);
  WITH(RSN_ERR_ARGUMENT, o.reserved = 1);
  WITH(RSN_ERR_ARGUMENT, o.max_tokens = 0);
  WITH(RSN_ERR_ARGUMENT, o.max_tokens = -2);
  WITH(RSN_ERR_ARGUMENT, o.branch = -2);
  WITH(RSN_ERR_ARGUMENT, o.thinking = 3);
  WITH(RSN_ERR_ARGUMENT, o.temperature = -1);
  WITH(RSN_ERR_ARGUMENT, o.temperature = INFINITY);
  WITH(RSN_ERR_ARGUMENT, o.top_p = 0);
  WITH(RSN_ERR_ARGUMENT, o.top_p = 1.5f);
  WITH(RSN_ERR_ARGUMENT, o.min_p = -0.1f);
  WITH(RSN_ERR_ARGUMENT, o.min_p = 1.1f);
  WITH(RSN_ERR_ARGUMENT, o.repetition_penalty = 0);
  WITH(RSN_ERR_ARGUMENT, o.presence_penalty = INFINITY);
  WITH(RSN_ERR_ARGUMENT, o.frequency_penalty = -INFINITY);
  WITH(RSN_ERR_ARGUMENT, o.top_k = -2);
  WITH(RSN_ERR_ARGUMENT, o.penalty_last_n = -2);
  WITH(RSN_ERR_ARGUMENT, o.sampling_order = 2);
  WITH(RSN_ERR_ARGUMENT, o.logit_bias_count = 1);
  WITH(RSN_ERR_ARGUMENT, (o.logit_bias_tokens = ids, o.logit_bias_count = 1));
  WITH(RSN_ERR_ARGUMENT,
       (o.logit_bias_tokens = ids, o.logit_bias = bias, o.logit_bias_count = 1));
  WITH(RSN_ERR_ARGUMENT,
       (o.logit_bias_tokens = ids, o.logit_bias = bias, o.logit_bias_count = (size_t)1 << 60));
  WITH(RSN_ERR_ARGUMENT, o.stop_count = 1);
  WITH(RSN_ERR_ARGUMENT, (o.stop = stop, o.stop_count = 1));
  WITH(RSN_ERR_ARGUMENT, (o.stop = empty_stop, o.stop_count = 1));
  WITH(RSN_ERR_ARGUMENT, (o.stop = empty_stop, o.stop_count = (size_t)1 << 60));
  WITH(RSN_ERR_TEXT, (o.stop = bad_stop, o.stop_count = 1));
  WITH(RSN_ERR_ARGUMENT, o.think_budget_soft = -2);
  WITH(RSN_ERR_ARGUMENT, o.think_budget_hard = -2);
  WITH(RSN_ERR_ARGUMENT, o.think_minimum = -2);
  WITH(RSN_ERR_ARGUMENT, o.answer_reserve = -2);
  WITH(RSN_ERR_ARGUMENT, (o.think_minimum = 9, o.think_budget_hard = 8));
  WITH(RSN_ERR_ARGUMENT, o.trace = 1u << 31);
  WITH(RSN_ERR_TEXT, (o.continuation = "\xff", o.continuation_size = 1));
  WITH(RSN_ERR_ARGUMENT, o.continuation_size = 1);
  WITH(RSN_ERR_TEXT, (o.template_arguments = "{", o.template_arguments_size = 1));
  WITH(RSN_ERR_TEXT, (o.template_arguments = "[1]", o.template_arguments_size = RSN_NUL));
  WITH(RSN_ERR_ARGUMENT, o.alternatives = 65);
  WITH(RSN_ERR_ARGUMENT, o.alternatives = -2);
  WITH(RSN_ERR_ARGUMENT, o.release = 2);
  WITH(RSN_ERR_ARGUMENT, o.wait_ms = -2);
#undef WITH
}

static void test_session(rsn_model *model, rsn_session *session) {
  rsn_session *other = (rsn_session *)&failures;
  rsn_session_options options;
  rsn_event event, raw;
  rsn_session *twice[2];
  size_t which = 0, count = 0;
  const char *text;
  size_t text_size;
  int32_t running = 1;
  int64_t position = -1;
  rsn_step step;
  rsn_token token;
  rsn_usage usage;
  rsn_generate_options generate;
  rsn_event_init(&event, sizeof event);
  memset(&raw, 0, sizeof raw);
  rsn_step_init(&step, sizeof step);
  rsn_token_init(&token, sizeof token);
  rsn_usage_init(&usage, sizeof usage);
  rsn_generate_options_init(&generate, sizeof generate);

  ARGUMENT(rsn_session_new(NULL, model, NULL));
  ARGUMENT(rsn_session_new(&other, NULL, NULL));
  CHECK(other == NULL);
  OK(rsn_session_options_init(&options, sizeof options));
  options.context_length = UINT32_MAX;
  ARGUMENT(rsn_session_new(&other, model, &options));
  options.struct_size = 0;
  IS(RSN_ERR_STRUCT, rsn_session_new(&other, model, &options));
  rsn_session_free(NULL);

  /* Before any request. */
  IS(RSN_ERR_STATE, rsn_session_next(session, &event));
  IS(RSN_ERR_STATE, rsn_session_run(session, keep_going, NULL));
  IS(RSN_ERR_STATE, rsn_session_end_thinking(session));
  IS(RSN_ERR_STATE, rsn_session_stop(session));
  IS(RSN_ERR_STATE, rsn_session_inject(session, "x", 1));
  IS(RSN_ERR_STATE, rsn_session_rewind(session, 0, NULL));
  IS(RSN_ERR_STATE, rsn_session_generate_options(session, &generate));
  OK(rsn_session_logits(session, NULL, 0, &count)); /* only the size */
  CHECK(count > 0);
  OK(rsn_session_cancel(session)); /* nothing to cancel */
  OK(rsn_session_running(session, &running));
  CHECK(running == 0);

  test_generate_options(session);
  OK(rsn_session_running(session, &running));
  CHECK(running == 0); /* none of the failed ones started */

  ARGUMENT(rsn_session_ask(NULL, "x", 1, NULL));
  ARGUMENT(rsn_session_ask(session, NULL, 0, NULL));
  ARGUMENT(rsn_session_ask(session, "x", (size_t)-2, NULL));
  IS(RSN_ERR_TEXT, rsn_session_ask(session, "\xf0\x9f", 2, NULL));
  ARGUMENT(rsn_session_prompt_text(NULL, "x", 1, 0, NULL));
  ARGUMENT(rsn_session_prompt_text(session, NULL, 0, 0, NULL));
  ARGUMENT(rsn_session_prompt_text(session, "x", 1, 64, NULL));

  OK(rsn_session_ask(session, "What is 3 + 4?", RSN_NUL, NULL));
  ARGUMENT(rsn_session_next(NULL, &event));
  ARGUMENT(rsn_session_next(session, NULL));
  IS(RSN_ERR_STRUCT, rsn_session_next(session, &raw));
  ARGUMENT(rsn_session_running(session, NULL));
  ARGUMENT(rsn_session_running(NULL, &running));
  ARGUMENT(rsn_session_position(session, NULL));
  ARGUMENT(rsn_session_position(NULL, &position));
  ARGUMENT(rsn_session_step_count(session, NULL));
  ARGUMENT(rsn_session_step_count(NULL, &count));
  ARGUMENT(rsn_session_step(session, 1000000, &step));
  ARGUMENT(rsn_session_step(session, 0, NULL));
  ARGUMENT(rsn_session_step(NULL, 0, &step));
  ARGUMENT(rsn_session_step_experts(session, 1000000, NULL, 0, &count));
  ARGUMENT(rsn_session_step_experts(NULL, 0, NULL, 0, &count));
  ARGUMENT(rsn_session_step_experts(session, 0, NULL, 0, NULL));
  ARGUMENT(rsn_session_token(session, -1, &token));
  ARGUMENT(rsn_session_token(session, INT64_MAX, &token));
  ARGUMENT(rsn_session_token(session, 0, NULL));
  ARGUMENT(rsn_session_token(NULL, 0, &token));
  ARGUMENT(rsn_session_text(session, RSN_CHANNEL_PROMPT, &text, &text_size));
  ARGUMENT(rsn_session_text(session, 17, &text, &text_size));
  ARGUMENT(rsn_session_text(session, RSN_CHANNEL_ANSWER, NULL, &text_size));
  ARGUMENT(rsn_session_text(session, RSN_CHANNEL_ANSWER, &text, NULL));
  ARGUMENT(rsn_session_text(NULL, RSN_CHANNEL_ANSWER, &text, &text_size));
  ARGUMENT(rsn_session_answer(session, NULL, &text_size, NULL));
  ARGUMENT(rsn_session_answer(session, &text, NULL, NULL));
  ARGUMENT(rsn_session_answer(NULL, &text, &text_size, NULL));
  ARGUMENT(rsn_session_logits(NULL, NULL, 0, &count));
  ARGUMENT(rsn_session_logits(session, NULL, 0, NULL));
  ARGUMENT(rsn_session_logits(session, NULL, 5, &count));
  ARGUMENT(rsn_session_usage(session, NULL));
  ARGUMENT(rsn_session_usage(NULL, &usage));
  ARGUMENT(rsn_session_generate_options(session, NULL));
  ARGUMENT(rsn_session_generate_options(NULL, &generate));
  ARGUMENT(rsn_session_end_thinking(NULL));
  ARGUMENT(rsn_session_stop(NULL));
  ARGUMENT(rsn_session_inject(NULL, "x", 1));
  ARGUMENT(rsn_session_inject(session, NULL, 0));
  IS(RSN_ERR_TEXT, rsn_session_inject(session, "\x80", 1));
  ARGUMENT(rsn_session_rewind(NULL, 0, NULL));
  ARGUMENT(rsn_session_rewind(session, -1, NULL));
  ARGUMENT(rsn_session_rewind(session, 0, NULL)); /* inside the prompt */
  ARGUMENT(rsn_session_rewind(session, INT64_MAX, NULL));
  generate.trace = 1u << 30;
  ARGUMENT(rsn_session_rewind(session, 1, &generate));
  ARGUMENT(rsn_session_fork(&other, session, &generate));
  ARGUMENT(rsn_session_fork(NULL, session, NULL));
  ARGUMENT(rsn_session_fork(&other, NULL, NULL));
  CHECK(other == NULL);
  ARGUMENT(rsn_session_cancel(NULL));
  ARGUMENT(rsn_session_run(NULL, keep_going, NULL));

  twice[0] = twice[1] = session;
  ARGUMENT(rsn_sessions_next(NULL, 1, &which, &event));
  ARGUMENT(rsn_sessions_next(twice, 1, NULL, &event));
  ARGUMENT(rsn_sessions_next(twice, 1, &which, NULL));
  ARGUMENT(rsn_sessions_next(twice, 2, &which, &event));
  ARGUMENT(rsn_sessions_next(twice, (size_t)-1, &which, &event));
  twice[1] = NULL;
  ARGUMENT(rsn_sessions_next(twice, 2, &which, &event));
  OK(rsn_sessions_next(NULL, 0, &which, &event));
  CHECK(event.kind == RSN_EVENT_NONE && which == 0);

  /* After all that the session still answers. */
  ARGUMENT(rsn_session_run(session, unknown_wish, NULL));
  CHECK(strstr(rsn_last_error(), "77") != NULL);
  {
    int calls = 0;
    OK(rsn_session_run(session, inside, &calls));
    CHECK(calls >= 2); /* the event, and DONE at least */
  }
  OK(rsn_session_ask(session, "What is 3 + 4?", RSN_NUL, NULL));
  OK(rsn_session_run(session, NULL, NULL));
  IS(RSN_ERR_STATE, rsn_session_next(session, &event));
}

static void test_model(rsn_model *model) {
  rsn_model_info info;
  rsn_tensor_info tensor;
  rsn_plan_options plan;
  size_t count = 0, size = 0;
  int32_t tokens[8];
  char text[4];
  const char *borrowed;
  rsn_model_info_init(&info, sizeof info);
  rsn_tensor_info_init(&tensor, sizeof tensor);
  rsn_plan_options_init(&plan, sizeof plan);
  ARGUMENT(rsn_model_describe(NULL, &info));
  ARGUMENT(rsn_model_describe(model, NULL));
  info.struct_size = 0;
  IS(RSN_ERR_STRUCT, rsn_model_describe(model, &info));
  rsn_model_info_init(&info, sizeof info);
  OK(rsn_model_describe(model, &info));
  ARGUMENT(rsn_model_tensor(NULL, 0, &tensor));
  ARGUMENT(rsn_model_tensor(model, 0, NULL));
  ARGUMENT(rsn_model_tensor(model, (size_t)info.tensors, &tensor));
  OK(rsn_model_tensor(model, (size_t)info.tensors - 1, &tensor));
  ARGUMENT(rsn_model_plan(NULL, &plan, NULL, 0, &size));
  ARGUMENT(rsn_model_plan(model, &plan, NULL, 0, NULL));
  plan.format = 2;
  ARGUMENT(rsn_model_plan(model, &plan, NULL, 0, &size));
  plan.format = RSN_FORMAT_JSON, plan.sessions = 0;
  ARGUMENT(rsn_model_plan(model, &plan, NULL, 0, &size));
  plan.sessions = 1, plan.context_length = UINT32_MAX;
  ARGUMENT(rsn_model_plan(model, &plan, NULL, 0, &size));
  OK(rsn_model_plan(model, NULL, NULL, 0, &size));
  CHECK(size > 10);
  IS(RSN_ERR_CAPACITY, rsn_model_plan(model, NULL, text, sizeof text, &size));

  ARGUMENT(rsn_model_tokenize(NULL, "x", 1, 0, tokens, 8, &count));
  ARGUMENT(rsn_model_tokenize(model, NULL, 0, 0, tokens, 8, &count));
  ARGUMENT(rsn_model_tokenize(model, "x", 1, 4, tokens, 8, &count));
  ARGUMENT(rsn_model_tokenize(model, "x", 1, 0, NULL, 8, &count));
  ARGUMENT(rsn_model_tokenize(model, "x", 1, 0, tokens, 8, NULL));
  OK(rsn_model_tokenize(model, "", 0, 0, tokens, 8, &count));
  CHECK(count == 0);
  tokens[0] = -5;
  IS(RSN_ERR_CAPACITY,
     rsn_model_tokenize(model, "one two three four", RSN_NUL, 0, tokens, 1, &count));
  CHECK(count > 1 && tokens[0] == -5); /* nothing written */
  ARGUMENT(rsn_model_detokenize(NULL, tokens, 1, 0, text, 4, &size));
  ARGUMENT(rsn_model_detokenize(model, NULL, 1, 0, text, 4, &size));
  ARGUMENT(rsn_model_detokenize(model, tokens, 1, 0, text, 4, &size)); /* id -5 */
  ARGUMENT(rsn_model_detokenize(model, tokens, (size_t)-1, 0, text, 4, &size));
  tokens[0] = (int32_t)info.vocabulary;
  ARGUMENT(rsn_model_detokenize(model, tokens, 1, 0, text, 4, &size));
  tokens[0] = 0;
  ARGUMENT(rsn_model_detokenize(model, tokens, 1, 2, text, 4, &size));
  ARGUMENT(rsn_model_detokenize(model, tokens, 1, 0, text, 4, NULL));
  ARGUMENT(rsn_model_detokenize(model, tokens, 1, 0, NULL, 4, &size));
  ARGUMENT(rsn_model_token_text(NULL, 0, &borrowed, &size));
  ARGUMENT(rsn_model_token_text(model, -1, &borrowed, &size));
  ARGUMENT(rsn_model_token_text(model, (int32_t)info.vocabulary, &borrowed, &size));
  ARGUMENT(rsn_model_token_text(model, 0, NULL, &size));
  ARGUMENT(rsn_model_token_text(model, 0, &borrowed, NULL));
}

static void test_devices(void) {
  rsn_devices *devices = NULL;
  rsn_device device;
  size_t count = 0;
  rsn_device_init(&device, sizeof device);
  ARGUMENT(rsn_devices_new(NULL, NULL, 0));
  ARGUMENT(rsn_devices_new(&devices, NULL, 3));
  CHECK(devices == NULL);
  OK(rsn_devices_new(&devices, NULL, 0));
  ARGUMENT(rsn_devices_count(NULL, &count));
  ARGUMENT(rsn_devices_count(devices, NULL));
  OK(rsn_devices_count(devices, &count));
  CHECK(count >= 1);
  ARGUMENT(rsn_devices_get(NULL, 0, &device));
  ARGUMENT(rsn_devices_get(devices, count, &device));
  ARGUMENT(rsn_devices_get(devices, 0, NULL));
  OK(rsn_devices_get(devices, 0, &device));
  CHECK(device.name_size == 3 && memcmp(device.name, "cpu", 3) == 0);
  rsn_devices_free(NULL);
  rsn_devices_free(devices);
}

int main(int argc, char **argv) {
  rsn_model *model = NULL;
  rsn_session *session = NULL;
  const char *path = argc > 1 ? argv[1] : NULL;
  test_model_options(path);
  OK(rsn_model_load(&model, path, path ? RSN_NUL : 0, NULL));
  if (model == NULL) return 1;
  OK(rsn_session_new(&session, model, NULL));
  if (session == NULL) return 1;
  test_devices();
  test_model(model);
  test_messages(model, session);
  test_session(model, session);
  rsn_session_free(session);
  rsn_model_free(model);
  printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
