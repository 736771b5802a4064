/* A program that was compiled years ago, against a header whose structs had fewer fields
 * (old_header.cmake makes it), and runs with today's library. Each struct is followed by guard bytes:
 * a library that wrote its own, larger struct would destroy them. */
#include <old/raison/raison.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,         \
              rsn_last_error());                                                  \
      ++failures;                                                                 \
    }                                                                             \
  } while (0)

#define GUARDED(type) \
  struct {            \
    type it;          \
    unsigned char guard[32]; \
  }
#define INIT(type, g)                            \
  do {                                           \
    memset(&(g), 0x5A, sizeof(g));               \
    CHECK(type##_init(&(g).it, sizeof(type)) == RSN_OK); \
  } while (0)

static int whole(const unsigned char *guard) {
  int i;
  for (i = 0; i < 32; ++i) {
    if (guard[i] != 0x5A) return 0;
  }
  return 1;
}

int main(void) {
  rsn_model *model = NULL;
  rsn_session *session = NULL;
  GUARDED(rsn_event) event;
  GUARDED(rsn_step) step;
  GUARDED(rsn_usage) usage;
  GUARDED(rsn_model_info) info;
  GUARDED(rsn_generate_options) options;
  GUARDED(rsn_model_options) model_options;
  size_t steps = 0;
  int tokens = 0;
  rsn_status status;
#ifndef RSN_OLD_HEADER
#error "this program must see the old header"
#endif
  INIT(rsn_event, event);
  INIT(rsn_step, step);
  INIT(rsn_usage, usage);
  INIT(rsn_model_info, info);
  INIT(rsn_generate_options, options);
  INIT(rsn_model_options, model_options);
  CHECK(rsn_model_load(&model, NULL, 0, &model_options.it) == RSN_OK);
  CHECK(rsn_model_describe(model, &info.it) == RSN_OK);
  CHECK(info.it.layers > 0 && whole(info.guard));
  CHECK(rsn_session_new(&session, model, NULL) == RSN_OK);
  options.it.max_tokens = 200;
  options.it.temperature = 0;
  CHECK(rsn_session_ask(session, "What is 12 * 13?", RSN_NUL, &options.it) == RSN_OK);
  do {
    status = rsn_session_next(session, &event.it);
    CHECK(status == RSN_OK && whole(event.guard));
    tokens += event.it.kind == RSN_EVENT_TOKEN;
  } while (status == RSN_OK && event.it.kind != RSN_EVENT_DONE);
  CHECK(tokens > 10);
  CHECK(rsn_session_step_count(session, &steps) == RSN_OK && steps > 0);
  CHECK(rsn_session_step(session, 0, &step.it) == RSN_OK);
  CHECK(step.it.text_size > 0 && whole(step.guard));
  CHECK(rsn_session_usage(session, &usage.it) == RSN_OK);
  CHECK(usage.it.thinking_tokens > 0 && whole(usage.guard));
  CHECK(rsn_session_generate_options(session, &options.it) == RSN_OK);
  CHECK(options.it.max_tokens == 200 && whole(options.guard));
  rsn_session_free(session);
  rsn_model_free(model);
  return failures == 0 ? 0 : 1;
}
