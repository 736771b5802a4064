/* The C driver of tests/bindings/cases.txt (README.md beside it): runs the table through raison.h and
 * prints what happened. The other languages' drivers must print the same bytes. Checks the table's
 * `want` lines: exits with 1 if one is not in the output of the verb before it. */
#define _POSIX_C_SOURCE 200809L /* open_memstream, getline */
#include <pthread.h>
#include <raison/raison.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parity_case.h"

enum { kSessions = 8, kThreads = 16 };

static rsn_model *model;
static rsn_session *sessions[kSessions];
static char names[kSessions][16];
static int current;

/* ---- output */

static void put_text(FILE *out, const char *text, size_t size) {
  size_t i;
  for (i = 0; i < size; ++i) {
    switch (text[i]) {
      case '\n': fputs("\\n", out); break;
      case '\r': fputs("\\r", out); break;
      case '\t': fputs("\\t", out); break;
      case '\0': fputs("\\0", out); break;
      case '\\': fputs("\\\\", out); break;
      default: fputc(text[i], out);
    }
  }
}

static void put_bytes(FILE *out, const char *bytes, size_t size) {
  size_t i;
  for (i = 0; i < size; ++i) fprintf(out, "%02x", (unsigned char)bytes[i]);
}

/* The machine's own numbers. */
static void put_without_times(FILE *out, const char *json, size_t size) {
  static const char *const keys[] = {"\"microseconds\":", "\"begin_seconds\":", "\"end_seconds\":"};
  size_t i = 0, k;
  while (i < size) {
    for (k = 0; k < 3; ++k) {
      const size_t length = strlen(keys[k]);
      if (size - i < length || memcmp(json + i, keys[k], length) != 0) continue;
      fprintf(out, "%s0", keys[k]);
      i += length;
      while (i < size && json[i] != ',' && json[i] != '}') ++i;
      break;
    }
    if (k == 3) fputc(json[i++], out);
  }
  fputc('\n', out);
}

static rsn_status put_event(FILE *out, const rsn_event *event) {
  size_t size;
  char *json;
  rsn_status status;
  if (event->kind == RSN_EVENT_PROGRESS) return RSN_OK;
  status = rsn_event_json(event, NULL, 0, &size);
  if (status != RSN_OK) return status;
  json = malloc(size);
  status = rsn_event_json(event, json, size, &size);
  if (status == RSN_OK) put_without_times(out, json, size);
  free(json);
  return status;
}

static rsn_status put_step(FILE *out, const rsn_step *step) {
  size_t size;
  char *json;
  rsn_status status = rsn_step_json(step, NULL, 0, &size);
  if (status != RSN_OK) return status;
  json = malloc(size);
  status = rsn_step_json(step, json, size, &size);
  if (status == RSN_OK) put_without_times(out, json, size);
  free(json);
  return status;
}

static int kind_of(const char *name) {
  static const char *const kinds[] = {"none", "progress", "token", "step_begin", "step_end",
                                      "think_begin", "think_end", "notice", "done"};
  int i;
  for (i = 0; i < 9; ++i)
    if (strcmp(name, kinds[i]) == 0) return i;
  return -1;
}

/* ---- loading and sessions */

static void close_all(void) {
  int i;
  for (i = 0; i < kSessions; ++i) {
    rsn_session_free(sessions[i]);
    sessions[i] = NULL;
    names[i][0] = '\0';
  }
  rsn_model_free(model);
  model = NULL;
  current = 0;
}

static rsn_status load(const Line *line) {
  rsn_model_options o;
  rsn_status status = rsn_model_options_init(&o, sizeof o);
  const char *mode = text_of(line, "load", "map");
  const Value *path = find(line, "path"), *bytes = find(line, "bytes");
  if (status != RSN_OK) return status;
  if (find(line, "device") != NULL) {
    o.device = find(line, "device")->text;
    o.device_size = find(line, "device")->size;
  }
  if (find(line, "chat_template") != NULL) {
    o.chat_template = find(line, "chat_template")->text;
    o.chat_template_size = find(line, "chat_template")->size;
  }
  o.context_length = (uint32_t)number_of(line, "context_length", 0);
  o.kv_bytes = (uint64_t)number_of(line, "kv_bytes", 0);
  o.load = strcmp(mode, "copy") == 0 ? RSN_LOAD_COPY
           : strcmp(mode, "header") == 0 ? RSN_LOAD_HEADER
                                         : RSN_LOAD_MAP;
  rsn_model_free(model);
  if (bytes != NULL) {
    char raw[256];
    const size_t size = from_hex(bytes, raw, sizeof raw);
    o.load = RSN_LOAD_COPY;
    return rsn_model_load_memory(&model, raw, size, &o);
  }
  return rsn_model_load(&model, path ? path->text : NULL, path ? path->size : 0, &o);
}

static int slot_of(const char *name) {
  int i;
  for (i = 0; i < kSessions && names[i][0] != '\0'; ++i)
    if (strcmp(names[i], name) == 0) return i;
  if (i == kSessions) exit(2);
  snprintf(names[i], sizeof names[i], "%s", name);
  return i;
}

static rsn_status new_session(const Line *line) {
  rsn_session_options o;
  rsn_status status = rsn_session_options_init(&o, sizeof o);
  if (status != RSN_OK) return status;
  o.context_length = (uint32_t)number_of(line, "context_length", 0);
  current = slot_of(text_of(line, "name", "a"));
  rsn_session_free(sessions[current]);
  return rsn_session_new(&sessions[current], model, &o);
}

static rsn_status add_messages(const Line *line, rsn_messages *messages) {
  static const char *const roles[] = {"system", "user", "assistant", "tool"};
  const Value *thinking = NULL;
  int i, r;
  for (i = 0; i < line->count; ++i) {
    const Value *value = &line->values[i];
    if (strcmp(value->key, "thinking") == 0 && !is_mode(value)) thinking = value;
    for (r = 0; r < 4; ++r) {
      rsn_status status;
      if (strcmp(value->key, roles[r]) != 0) continue;
      status = rsn_messages_add(messages, r, value->text, value->size,
                                thinking ? thinking->text : NULL, thinking ? thinking->size : 0);
      if (status != RSN_OK) return status;
      thinking = NULL;
    }
  }
  return RSN_OK;
}

/* ---- running */

typedef struct {
  FILE *out;
  int at;      /* kind */
  int64_t nth; /* of that kind */
  const char *verdict;
  int thrown;
} Run;

static void *cancel_there(void *session) {
  rsn_session_cancel(session);
  return NULL;
}

static int32_t on_event(rsn_session *session, const rsn_event *event, void *data) {
  Run *run = data;
  if (run->thrown) return RSN_CONTINUE;
  put_event(run->out, event);
  if (event->kind != run->at || --run->nth != 0) return RSN_CONTINUE;
  if (strcmp(run->verdict, "end_thinking") == 0) return RSN_END_THINKING;
  if (strcmp(run->verdict, "stop") == 0) return RSN_STOP;
  if (strcmp(run->verdict, "cancel") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_there, session);
    pthread_join(thread, NULL);
  }
  if (strcmp(run->verdict, "throw") == 0) {
    run->thrown = 1;
    return RSN_STOP;
  }
  return RSN_CONTINUE;
}

static rsn_status put_answer_text(FILE *out, const char *word, rsn_session *session) {
  const char *text;
  size_t size;
  rsn_status status = rsn_session_text(session, RSN_CHANNEL_ANSWER, &text, &size);
  if (status != RSN_OK) return status;
  fprintf(out, "%s ", word);
  put_text(out, text, size);
  fputc('\n', out);
  return RSN_OK;
}

static rsn_status run(const Line *line, rsn_session *session, FILE *out) {
  Run state;
  rsn_status status;
  state.out = out;
  state.at = kind_of(text_of(line, "at", "none"));
  state.nth = number_of(line, "nth", 1);
  state.verdict = text_of(line, "verdict", "continue");
  state.thrown = 0;
  status = rsn_session_run(session, on_event, &state);
  if (state.thrown) {
    fputs("thrown\n", out);
    return RSN_OK;
  }
  return status == RSN_OK ? put_answer_text(out, "answer", session) : status;
}

static rsn_status events(const Line *line, rsn_session *session, FILE *out) {
  const int until = kind_of(text_of(line, "until", "done"));
  int64_t count = number_of(line, "count", 1);
  int32_t running;
  rsn_event event;
  rsn_status status = rsn_event_init(&event, sizeof event);
  if (status == RSN_OK) status = rsn_session_running(session, &running);
  while (status == RSN_OK && running) {
    status = rsn_session_next(session, &event);
    if (status == RSN_OK) status = put_event(out, &event);
    if (status == RSN_OK && event.kind == until && --count == 0) break;
    if (status == RSN_OK) status = rsn_session_running(session, &running);
  }
  return status;
}

typedef struct {
  const Line *line;
  const Value *text;
  rsn_session *session;
  rsn_status status;
} Job;

static void *work(void *data) {
  Job *job = data;
  Options o;
  job->status = read_options(job->line, &o);
  if (job->status == RSN_OK) job->status = rsn_session_new(&job->session, model, NULL);
  if (job->status == RSN_OK) {
    job->status = rsn_session_ask(job->session, job->text->text, job->text->size, &o.c);
  }
  if (job->status == RSN_OK) job->status = rsn_session_run(job->session, NULL, NULL);
  return NULL;
}

static rsn_status threads(const Line *line, FILE *out) {
  const int count = (int)number_of(line, "count", 1);
  pthread_t thread[kThreads];
  Job jobs[kThreads];
  rsn_status status = RSN_OK;
  int i;
  if (count > kThreads) exit(2);
  for (i = 0; i < count; ++i) {
    jobs[i].line = line;
    jobs[i].text = find(line, "text");
    jobs[i].session = NULL;
    pthread_create(&thread[i], NULL, work, &jobs[i]);
  }
  for (i = 0; i < count; ++i) pthread_join(thread[i], NULL);
  for (i = 0; i < count; ++i) {
    if (status == RSN_OK) status = jobs[i].status;
    if (status == RSN_OK) status = put_answer_text(out, "thread", jobs[i].session);
    rsn_session_free(jobs[i].session);
  }
  return status;
}

static rsn_status together(const Line *line, FILE *out) {
  rsn_session *group[kThreads];
  size_t count = 0, which = 0, i;
  int v;
  char word[32];
  Options o;
  rsn_event event;
  rsn_status status = rsn_event_init(&event, sizeof event);
  if (status == RSN_OK) status = read_options(line, &o);
  for (v = 0; v < line->count && status == RSN_OK && count < kThreads; ++v) {
    if (strcmp(line->values[v].key, "text") != 0) continue;
    status = rsn_session_new(&group[count], model, NULL);
    if (status != RSN_OK) break;
    status = rsn_session_ask(group[count++], line->values[v].text, line->values[v].size, &o.c);
  }
  event.kind = RSN_EVENT_PROGRESS;
  while (status == RSN_OK && event.kind != RSN_EVENT_NONE) {
    status = rsn_sessions_next(group, count, &which, &event);
  }
  for (i = 0; i < count; ++i) {
    snprintf(word, sizeof word, "together %d", (int)i);
    if (status == RSN_OK) status = put_answer_text(out, word, group[i]);
    rsn_session_free(group[i]);
  }
  return status;
}

/* ---- getters */

static rsn_status steps(rsn_session *session, FILE *out) {
  rsn_step step;
  size_t count = 0, i;
  rsn_status status = rsn_session_step_count(session, &count);
  if (status == RSN_OK) status = rsn_step_init(&step, sizeof step);
  for (i = 0; i < count && status == RSN_OK; ++i) {
    status = rsn_session_step(session, i, &step);
    if (status == RSN_OK) status = put_step(out, &step);
  }
  return status;
}

static rsn_status tokens(rsn_session *session, FILE *out) {
  rsn_token t;
  int64_t end = 0, i;
  rsn_status status = rsn_session_position(session, &end);
  if (status == RSN_OK) status = rsn_token_init(&t, sizeof t);
  for (i = 0; i < end && status == RSN_OK; ++i) {
    status = rsn_session_token(session, i, &t);
    if (status != RSN_OK) break;
    fprintf(out, "token %d %d %d %d %d %d %d ", (int)t.position, t.token, t.step, t.channel,
            t.source, t.rank, t.branch);
    put_bytes(out, t.text, t.text_size);
    fputc('\n', out);
  }
  return status;
}

static rsn_status options(rsn_session *session, FILE *out) {
  rsn_generate_options o;
  size_t i;
  rsn_status status = rsn_generate_options_init(&o, sizeof o);
  if (status == RSN_OK) status = rsn_session_generate_options(session, &o);
  if (status != RSN_OK) return status;
  fprintf(out, "options %llu %d %d %d %d %d %d %d %d %d %d", (unsigned long long)o.seed, o.branch,
          o.max_tokens, o.top_k, o.alternatives, o.think_budget_soft, o.think_budget_hard,
          o.think_minimum, o.answer_reserve, o.thinking, o.release);
  for (i = 0; i < o.stop_count; ++i) {
    fputc(' ', out);
    put_text(out, o.stop[i], o.stop_sizes[i]);
  }
  fputc('\n', out);
  return RSN_OK;
}

static rsn_status usage(rsn_session *session, FILE *out) {
  rsn_usage u;
  rsn_status status = rsn_usage_init(&u, sizeof u);
  if (status == RSN_OK) status = rsn_session_usage(session, &u);
  if (status == RSN_OK) {
    fprintf(out, "usage %d %d %d %d %d %d\n", (int)u.prompt_tokens, (int)u.cached_tokens,
            (int)u.thinking_tokens, (int)u.answer_tokens, (int)u.forced_tokens,
            (int)u.discarded_tokens);
  }
  return status;
}

static rsn_status experts(const Line *line, rsn_session *session, FILE *out) {
  const size_t index = (size_t)number_of(line, "index", 0);
  uint32_t *counts;
  size_t count, i;
  rsn_status status = rsn_session_step_experts(session, index, NULL, 0, &count);
  if (status != RSN_OK) return status;
  counts = malloc(count * sizeof *counts);
  status = rsn_session_step_experts(session, index, counts, count, &count);
  if (status == RSN_OK) {
    fputs("experts", out);
    for (i = 0; i < count; ++i) fprintf(out, " %u", counts[i]);
    fputc('\n', out);
  }
  free(counts);
  return status;
}

static rsn_status logits(rsn_session *session, FILE *out) {
  float *row;
  size_t count, i, best = 0;
  rsn_status status = rsn_session_logits(session, NULL, 0, &count);
  if (status != RSN_OK) return status;
  row = malloc(count * sizeof *row);
  status = rsn_session_logits(session, row, count, &count);
  for (i = 1; i < count && status == RSN_OK; ++i)
    if (row[i] > row[best]) best = i;
  if (status == RSN_OK) fprintf(out, "logits %d %d\n", (int)count, (int)best);
  free(row);
  return status;
}

static rsn_status info(FILE *out) {
  rsn_model_info i;
  rsn_status status = rsn_model_info_init(&i, sizeof i);
  if (status == RSN_OK) status = rsn_model_describe(model, &i);
  if (status == RSN_OK) {
    fprintf(out, "info %.*s %.*s %llu %u %u %u %u\n", (int)i.architecture_size, i.architecture,
            (int)i.name_size, i.name, (unsigned long long)i.parameters, i.vocabulary, i.layers,
            i.experts, (unsigned)i.tensors);
  }
  return status;
}

static rsn_status tokenize(const Line *line, FILE *out) {
  const Value *text = find(line, "text");
  const uint32_t flags = (uint32_t)((number_of(line, "special", 0) ? RSN_TOKENIZE_SPECIAL : 0) |
                                    (number_of(line, "bos", 0) ? RSN_TOKENIZE_BOS : 0));
  int32_t *ids;
  size_t count, i;
  rsn_status status = rsn_model_tokenize(model, text->text, text->size, flags, NULL, 0, &count);
  if (status != RSN_OK) return status;
  ids = malloc((count + 1) * sizeof *ids);
  status = rsn_model_tokenize(model, text->text, text->size, flags, ids, count, &count);
  if (status == RSN_OK) {
    fputs("tokens", out);
    for (i = 0; i < count; ++i) fprintf(out, " %d", ids[i]);
    fputc('\n', out);
  }
  free(ids);
  return status;
}

static rsn_status detokenize(const Line *line, FILE *out) {
  int32_t ids[64];
  const size_t count = numbers_of(find(line, "tokens"), ids, 64);
  const uint32_t flags = number_of(line, "special", 0) ? RSN_DETOKENIZE_SPECIAL : 0;
  char text[4096];
  size_t size;
  rsn_status status = rsn_model_detokenize(model, ids, count, flags, text, sizeof text, &size);
  if (status == RSN_OK) {
    fputs("bytes ", out);
    put_bytes(out, text, size);
    fputc('\n', out);
  }
  return status;
}

static rsn_status token_text(const Line *line, FILE *out) {
  const char *text;
  size_t size;
  rsn_status status =
      rsn_model_token_text(model, (int32_t)number_of(line, "token", 0), &text, &size);
  if (status == RSN_OK) {
    fputs("bytes ", out);
    put_bytes(out, text, size);
    fputc('\n', out);
  }
  return status;
}

static rsn_status render(const Line *line, FILE *out) {
  rsn_messages *messages;
  char text[8192];
  size_t size;
  Options o;
  rsn_status status = rsn_messages_new(&messages);
  if (status == RSN_OK) status = read_options(line, &o);
  if (status == RSN_OK) status = add_messages(line, messages);
  if (status == RSN_OK) {
    status = rsn_model_render(model, messages, &o.c, text, sizeof text, &size);
  }
  if (status == RSN_OK) {
    fputs("text ", out);
    put_text(out, text, size);
    fputc('\n', out);
  }
  rsn_messages_free(messages);
  return status;
}

/* ---- the verbs */

static rsn_status start(const Line *line, rsn_session *session) {
  Options o;
  rsn_status status = read_options(line, &o);
  const Value *text = find(line, "text");
  if (status != RSN_OK) return status;
  if (strcmp(line->verb, "ask") == 0) {
    return rsn_session_ask(session, text->text, text->size, &o.c);
  }
  if (strcmp(line->verb, "prompt_text") == 0) {
    const uint32_t flags = (uint32_t)((number_of(line, "special", 0) ? RSN_TOKENIZE_SPECIAL : 0) |
                                      (number_of(line, "bos", 0) ? RSN_TOKENIZE_BOS : 0));
    return rsn_session_prompt_text(session, text->text, text->size, flags, &o.c);
  } else {
    rsn_messages *messages;
    status = rsn_messages_new(&messages);
    if (status == RSN_OK) status = add_messages(line, messages);
    if (status == RSN_OK) status = rsn_session_prompt(session, messages, &o.c);
    rsn_messages_free(messages);
    return status;
  }
}

static rsn_status steer(const Line *line, rsn_session *session) {
  const char *verb = line->verb;
  const Value *text = find(line, "text");
  Options o;
  rsn_status status = read_options(line, &o);
  if (status != RSN_OK) return status;
  if (strcmp(verb, "end_thinking") == 0) return rsn_session_end_thinking(session);
  if (strcmp(verb, "stop") == 0) return rsn_session_stop(session);
  if (strcmp(verb, "cancel") == 0) return rsn_session_cancel(session);
  if (strcmp(verb, "inject") == 0) return rsn_session_inject(session, text->text, text->size);
  if (strcmp(verb, "rewind") == 0) {
    int64_t position = number_of(line, "position", 0);
    if (find(line, "step") != NULL) {
      rsn_step step;
      status = rsn_step_init(&step, sizeof step);
      if (status == RSN_OK) {
        status = rsn_session_step(session, (size_t)number_of(line, "step", 0), &step);
      }
      if (status != RSN_OK) return status;
      position = step.rewind;
    }
    return rsn_session_rewind(session, position, o.any ? &o.c : NULL);
  } else { /* fork */
    const int slot = slot_of(text_of(line, "name", "b"));
    rsn_session_free(sessions[slot]);
    return rsn_session_fork(&sessions[slot], session, o.any ? &o.c : NULL);
  }
}

static int is_one_of(const char *verb, const char *list) {
  const char *at = strstr(list, verb);
  const size_t length = strlen(verb);
  return at != NULL && at[-1] == ' ' && at[length] == ' ';
}

static rsn_status do_verb(const Line *line, FILE *out) {
  const char *verb = line->verb;
  rsn_session *session = sessions[current];
  rsn_status status = RSN_OK;
  const int of_model = is_one_of(verb, " session info tokenize detokenize token_text render threads together ");
  const int quiet = is_one_of(verb, " load session use close ask prompt prompt_text end_thinking stop cancel inject rewind fork ");
  const int free_of = is_one_of(verb, " load use close ");
  if (of_model ? model == NULL : !free_of && session == NULL) {
    fputs("closed\n", out);
    return RSN_OK;
  }
  if (strcmp(verb, "load") == 0) {
    status = load(line);
  } else if (strcmp(verb, "session") == 0) {
    status = new_session(line);
  } else if (strcmp(verb, "use") == 0) {
    current = slot_of(text_of(line, "name", "a"));
  } else if (strcmp(verb, "close") == 0) {
    if (strcmp(text_of(line, "what", ""), "model") == 0) {
      rsn_model_free(model);
      model = NULL;
    } else {
      const int slot = find(line, "name") ? slot_of(text_of(line, "name", "")) : current;
      rsn_session_free(sessions[slot]);
      sessions[slot] = NULL;
    }
  } else if (is_one_of(verb, " ask prompt prompt_text ")) {
    status = start(line, session);
  } else if (is_one_of(verb, " end_thinking stop cancel inject rewind fork ")) {
    status = steer(line, session);
  } else if (strcmp(verb, "events") == 0) {
    status = events(line, session, out);
  } else if (strcmp(verb, "run") == 0) {
    status = run(line, session, out);
  } else if (strcmp(verb, "threads") == 0) {
    status = threads(line, out);
  } else if (strcmp(verb, "together") == 0) {
    status = together(line, out);
  } else if (strcmp(verb, "steps") == 0) {
    status = steps(session, out);
  } else if (strcmp(verb, "text") == 0) {
    const char *text;
    size_t size;
    const int thinking = strcmp(text_of(line, "channel", ""), "thinking") == 0;
    status = rsn_session_text(session, thinking ? RSN_CHANNEL_THINKING : RSN_CHANNEL_ANSWER, &text,
                              &size);
    if (status == RSN_OK) {
      fputs("text ", out);
      put_text(out, text, size);
      fputc('\n', out);
    }
  } else if (strcmp(verb, "answer") == 0) {
    const char *text;
    size_t size;
    int32_t step;
    status = rsn_session_answer(session, &text, &size, &step);
    if (status == RSN_OK) {
      fprintf(out, "answer %d ", step);
      put_text(out, text, size);
      fputc('\n', out);
    }
  } else if (strcmp(verb, "usage") == 0) {
    status = usage(session, out);
  } else if (strcmp(verb, "position") == 0) {
    int64_t position;
    status = rsn_session_position(session, &position);
    if (status == RSN_OK) fprintf(out, "position %d\n", (int)position);
  } else if (strcmp(verb, "running") == 0) {
    int32_t running;
    status = rsn_session_running(session, &running);
    if (status == RSN_OK) fprintf(out, "running %d\n", running);
  } else if (strcmp(verb, "tokens") == 0) {
    status = tokens(session, out);
  } else if (strcmp(verb, "options") == 0) {
    status = options(session, out);
  } else if (strcmp(verb, "experts") == 0) {
    status = experts(line, session, out);
  } else if (strcmp(verb, "logits") == 0) {
    status = logits(session, out);
  } else if (strcmp(verb, "info") == 0) {
    status = info(out);
  } else if (strcmp(verb, "tokenize") == 0) {
    status = tokenize(line, out);
  } else if (strcmp(verb, "detokenize") == 0) {
    status = detokenize(line, out);
  } else if (strcmp(verb, "token_text") == 0) {
    status = token_text(line, out);
  } else if (strcmp(verb, "render") == 0) {
    status = render(line, out);
  } else {
    fprintf(stderr, "unknown verb '%s'\n", verb);
    exit(2);
  }
  if (status == RSN_OK && quiet) fputs("ok\n", out);
  return status;
}

int main(int argc, char **argv) {
  FILE *table = argc == 2 ? fopen(argv[1], "rb") : NULL;
  char *raw = NULL, *output = NULL;
  size_t capacity = 0, size = 0;
  int failures = 0, number = 0;
  Line line;
  if (table == NULL) {
    fputs("usage: parity CASES\n", stderr);
    return 2;
  }
  while (getline(&raw, &capacity, table) >= 0) {
    ++number;
    if (!parse_line(raw, &line)) continue;
    if (strcmp(line.verb, "want") == 0) {
      if (output == NULL || strstr(output, line.argument) == NULL) {
        fprintf(stderr, "%s:%d: '%s' is not in\n%s\n", argv[1], number, line.argument,
                output ? output : "");
        ++failures;
      }
      continue;
    }
    if (strcmp(line.verb, "case") == 0) {
      close_all();
      printf("case %s\n", line.argument);
      continue;
    }
    printf("> %s\n", line.verb);
    free(output);
    {
      FILE *out = open_memstream(&output, &size);
      const rsn_status status = do_verb(&line, out);
      if (status != RSN_OK) fprintf(out, "error %s\n", rsn_status_name(status));
      fclose(out);
    }
    fwrite(output, 1, size, stdout);
  }
  close_all();
  free(output);
  free(raw);
  fclose(table);
  return failures != 0;
}
