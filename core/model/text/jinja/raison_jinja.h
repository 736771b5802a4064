/* The C surface of the Rust crate: compiled chat templates and Unicode normal form C.
 * No function panics or throws; texts are UTF-8, pointer and length. */
#ifndef RAISON_JINJA_H
#define RAISON_JINJA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owned by the crate: free it with raison_jinja_text_free. */
typedef struct raison_jinja_text {
  char *data;
  size_t size;
  size_t capacity;
} raison_jinja_text;

typedef struct raison_jinja_template raison_jinja_template;

enum {
  RAISON_JINJA_OK = 0,
  RAISON_JINJA_INVALID = 1, /* the template or the context is wrong; the text says how */
  RAISON_JINJA_RAISED = 2,  /* the template called raise_exception; the text is its message */
  RAISON_JINJA_LIMIT = 3,   /* too much work, output or recursion */
  RAISON_JINJA_PANIC = 4    /* a fault of the engine, contained */
};

/* The date and time that strftime_now prints. */
typedef struct raison_jinja_clock {
  int32_t year, month, day; /* 2026, 1-12, 1-31 */
  int32_t hour, minute, second;
  int32_t weekday;     /* 0 is Sunday */
  int32_t day_of_year; /* 1-366 */
} raison_jinja_clock;

/* On failure *out is NULL and *text the reason. */
int32_t raison_jinja_compile(const char *source, size_t size, raison_jinja_template **out,
                             raison_jinja_text *text);
/* `context` is a JSON object with the template's variables. *text is the output or the reason. */
int32_t raison_jinja_render(const raison_jinja_template *compiled, const char *context, size_t size,
                            const raison_jinja_clock *clock, size_t max_output,
                            raison_jinja_text *text);
void raison_jinja_free(raison_jinja_template *compiled);
void raison_jinja_text_free(raison_jinja_text *text);

/* 1: the text is in normal form C already and *out is empty; 0: *out is its normal form; < 0: failed. */
int32_t raison_jinja_nfc(const char *text, size_t size, raison_jinja_text *out);

#ifdef __cplusplus
}
#endif

#endif
