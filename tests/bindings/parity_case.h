/* Lines of tests/bindings/cases.txt for the C driver: a verb, its argument, and key=value pairs, cut up
 * and unescaped in place. The table is the project's own file: what is wrong in it ends the program. */
#ifndef RAISON_TESTS_BINDINGS_PARITY_CASE_H_
#define RAISON_TESTS_BINDINGS_PARITY_CASE_H_

#include <raison/raison.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMostValues = 32, kMostStops = 8 };

typedef struct {
  const char *key;
  const char *text; /* NUL-terminated too */
  size_t size;
} Value;

typedef struct {
  const char *verb;
  const char *argument; /* of case and want: all after the first TAB */
  int count;
  Value values[kMostValues];
} Line;

/* What rsn_generate_options points to lives in here. */
typedef struct {
  rsn_generate_options c;
  int any; /* an option was given */
  const char *stop[kMostStops];
  size_t stop_sizes[kMostStops];
  int32_t bias_tokens[kMostStops];
  float bias[kMostStops];
} Options;

static size_t unescape(char *text) {
  char *to = text;
  const char *from = text;
  while (*from != '\0') {
    char c = *from++;
    if (c == '\\' && *from != '\0') {
      c = *from++;
      c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
    *to++ = c;
  }
  *to = '\0';
  return (size_t)(to - text);
}

/* 0: nothing to do on this line. */
static int parse_line(char *raw, Line *line) {
  char *at;
  const size_t length = strcspn(raw, "\n");
  raw[length] = '\0';
  if (raw[0] == '\0' || raw[0] == '#') return 0;
  line->count = 0;
  line->verb = raw;
  at = strchr(raw, '\t');
  if (at != NULL) *at++ = '\0';
  line->argument = at ? at : "";
  if (strcmp(raw, "case") == 0 || strcmp(raw, "want") == 0) return 1;
  while (at != NULL) {
    Value *value = &line->values[line->count++];
    char *next = strchr(at, '\t'), *equals;
    if (next != NULL) *next++ = '\0';
    equals = strchr(at, '=');
    if (equals == NULL || line->count > kMostValues - 1) {
      fprintf(stderr, "cannot read '%s'\n", at);
      exit(2);
    }
    *equals = '\0';
    value->key = at;
    value->text = equals + 1;
    value->size = unescape(equals + 1);
    at = next;
  }
  return 1;
}

static const Value *find(const Line *line, const char *key) {
  int i;
  for (i = 0; i < line->count; ++i)
    if (strcmp(line->values[i].key, key) == 0) return &line->values[i];
  return NULL;
}

static const char *text_of(const Line *line, const char *key, const char *otherwise) {
  const Value *value = find(line, key);
  return value ? value->text : otherwise;
}

static int64_t number_of(const Line *line, const char *key, int64_t otherwise) {
  const Value *value = find(line, key);
  return value ? strtoll(value->text, NULL, 10) : otherwise;
}

static size_t numbers_of(const Value *value, int32_t *to, size_t capacity) {
  const char *at = value->text;
  size_t count = 0;
  while (*at != '\0' && count < capacity) {
    char *end;
    to[count++] = (int32_t)strtol(at, &end, 10);
    at = *end == ',' ? end + 1 : end;
  }
  return count;
}

static size_t from_hex(const Value *value, char *to, size_t capacity) {
  size_t i;
  for (i = 0; 2 * i + 1 < value->size && i < capacity; ++i) {
    const char pair[3] = {value->text[2 * i], value->text[2 * i + 1], '\0'};
    to[i] = (char)strtol(pair, NULL, 16);
  }
  return i;
}

/* `thinking` is an option or, before a message, what was thought. */
static int is_mode(const Value *value) {
  return strcmp(value->text, "auto") == 0 || strcmp(value->text, "on") == 0 ||
         strcmp(value->text, "off") == 0;
}

static int read_number(const Value *v, const char *key, int32_t *to) {
  if (strcmp(v->key, key) != 0) return 0;
  *to = (int32_t)strtol(v->text, NULL, 10);
  return 1;
}

static int read_float(const Value *v, const char *key, float *to) {
  if (strcmp(v->key, key) != 0) return 0;
  *to = (float)strtod(v->text, NULL);
  return 1;
}

static int read_option(const Value *v, Options *o) {
  rsn_generate_options *c = &o->c;
  if (read_number(v, "max_tokens", &c->max_tokens) || read_number(v, "branch", &c->branch) ||
      read_float(v, "temperature", &c->temperature) || read_float(v, "top_p", &c->top_p) ||
      read_float(v, "min_p", &c->min_p) || read_number(v, "top_k", &c->top_k) ||
      read_float(v, "repetition_penalty", &c->repetition_penalty) ||
      read_float(v, "presence_penalty", &c->presence_penalty) ||
      read_float(v, "frequency_penalty", &c->frequency_penalty) ||
      read_number(v, "penalty_last_n", &c->penalty_last_n) ||
      read_number(v, "think_budget_soft", &c->think_budget_soft) ||
      read_number(v, "think_budget_hard", &c->think_budget_hard) ||
      read_number(v, "think_minimum", &c->think_minimum) ||
      read_number(v, "answer_reserve", &c->answer_reserve) ||
      read_number(v, "alternatives", &c->alternatives)) {
    return 1;
  }
  if (strcmp(v->key, "seed") == 0) {
    c->seed = strtoull(v->text, NULL, 10);
  } else if (strcmp(v->key, "thinking") == 0 && is_mode(v)) {
    c->thinking = strcmp(v->text, "on") == 0    ? RSN_THINKING_ON
                  : strcmp(v->text, "off") == 0 ? RSN_THINKING_OFF
                                                : RSN_THINKING_AUTO;
  } else if (strcmp(v->key, "release") == 0) {
    c->release = RSN_RELEASE_STEP;
  } else if (strcmp(v->key, "experts") == 0) {
    c->trace |= RSN_TRACE_EXPERTS;
  } else if (strcmp(v->key, "trace_prompt") == 0) {
    c->trace |= RSN_TRACE_PROMPT;
  } else if (strcmp(v->key, "exclude_first_token") == 0) {
    c->exclude_first_token = 1;
  } else if (strcmp(v->key, "continue_last") == 0) {
    c->continue_last = 1;
  } else if (strcmp(v->key, "continuation") == 0) {
    c->continuation = v->text;
    c->continuation_size = v->size;
  } else if (strcmp(v->key, "template_arguments") == 0) {
    c->template_arguments = v->text;
    c->template_arguments_size = v->size;
  } else if (strcmp(v->key, "stop") == 0 && c->stop_count < kMostStops) {
    o->stop[c->stop_count] = v->text;
    o->stop_sizes[c->stop_count++] = v->size;
  } else if (strcmp(v->key, "logit_bias") == 0 && c->logit_bias_count < kMostStops) {
    char *end;
    o->bias_tokens[c->logit_bias_count] = (int32_t)strtol(v->text, &end, 10);
    o->bias[c->logit_bias_count++] = (float)strtod(end + 1, NULL);
  } else {
    return 0;
  }
  return 1;
}

static rsn_status read_options(const Line *line, Options *o) {
  int i;
  rsn_status status = rsn_generate_options_init(&o->c, sizeof o->c);
  o->any = 0;
  o->c.stop = o->stop;
  o->c.stop_sizes = o->stop_sizes;
  o->c.logit_bias_tokens = o->bias_tokens;
  o->c.logit_bias = o->bias;
  for (i = 0; i < line->count && status == RSN_OK; ++i) o->any |= read_option(&line->values[i], o);
  o->c.wait_ms = 60000; /* no progress event in between */
  return status;
}

#endif /* RAISON_TESTS_BINDINGS_PARITY_CASE_H_ */
