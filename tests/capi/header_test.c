/* Compiled as C99 and as C++ with -Wall -Wextra -pedantic -Werror: the header alone must pass, and
 * every type in it must be complete or opaque. Runs what needs no model. */
#include <raison/raison.h>
/* Twice: the guard works. */
#include <raison/raison.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                             \
  do {                                                               \
    if (!(condition)) {                                              \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                    \
    }                                                                \
  } while (0)

/* A struct that is bigger than the library's must come back zero beyond what the library knows. */
#define CHECK_INIT(type)                                              \
  do {                                                                \
    struct {                                                          \
      type known;                                                     \
      unsigned char later[64];                                        \
    } grown;                                                          \
    size_t i;                                                         \
    memset(&grown, 0xAB, sizeof grown);                               \
    CHECK(type##_init(&grown.known, sizeof grown) == RSN_OK);         \
    CHECK(grown.known.struct_size == sizeof grown);                   \
    for (i = 0; i < sizeof grown.later; ++i) CHECK(grown.later[i] == 0); \
    CHECK(type##_init(NULL, sizeof(type)) == RSN_ERR_ARGUMENT);       \
    CHECK(type##_init(&grown.known, 0) == RSN_ERR_STRUCT);            \
    CHECK(type##_init(&grown.known, 3) == RSN_ERR_STRUCT);            \
    CHECK(type##_init(&grown.known, (size_t)1 << 40) == RSN_ERR_STRUCT); \
    CHECK(type##_init(&grown.known, sizeof(type)) == RSN_OK);         \
    CHECK(grown.known.struct_size == sizeof(type));                   \
  } while (0)

int main(void) {
  static const rsn_status all[] = {
      RSN_OK,           RSN_ERR_ARGUMENT,  RSN_ERR_STRUCT,      RSN_ERR_TEXT,
      RSN_ERR_CAPACITY, RSN_ERR_NOT_FOUND, RSN_ERR_FORMAT,      RSN_ERR_UNSUPPORTED,
      RSN_ERR_TEMPLATE, RSN_ERR_MEMORY,    RSN_ERR_KV,          RSN_ERR_DEVICE,
      RSN_ERR_STATE,    RSN_ERR_BUSY,      RSN_ERR_FORKED,      RSN_ERR_CONTEXT,
      RSN_ERR_CANCELLED, RSN_ERR_INTERNAL, RSN_ERR_NONFINITE};
  size_t i, j;
  for (i = 0; i < sizeof all / sizeof all[0]; ++i) {
    CHECK(strncmp(rsn_status_name(all[i]), i == 0 ? "RSN_OK" : "RSN_ERR_", 6) == 0);
    CHECK(strcmp(rsn_status_name(all[i]), "RSN_ERR_?") != 0);
    for (j = 0; j < i; ++j) CHECK(strcmp(rsn_status_name(all[i]), rsn_status_name(all[j])) != 0);
  }
  CHECK(strcmp(rsn_status_name(1), "RSN_ERR_?") == 0);
  CHECK(strcmp(rsn_status_name(-1000), "RSN_ERR_?") == 0);
  /* Pinned for ever. */
  CHECK(RSN_ERR_ARGUMENT == -10 && RSN_ERR_NOT_FOUND == -20 && RSN_ERR_MEMORY == -30);
  CHECK(RSN_ERR_STATE == -40 && RSN_ERR_CANCELLED == -50 && RSN_ERR_INTERNAL == -60);

  CHECK(rsn_version_number() == RSN_VERSION_NUMBER);
  CHECK(strcmp(rsn_version_text(), "0.1.0") == 0);
  CHECK(rsn_last_error() != NULL);

  CHECK_INIT(rsn_event);
  CHECK_INIT(rsn_step);
  CHECK_INIT(rsn_token);
  CHECK_INIT(rsn_usage);
  CHECK_INIT(rsn_session_options);
  CHECK_INIT(rsn_generate_options);
  CHECK_INIT(rsn_model_options);
  CHECK_INIT(rsn_device);
  CHECK_INIT(rsn_model_info);
  CHECK_INIT(rsn_tensor_info);
  CHECK_INIT(rsn_plan_options);
  CHECK(strlen(rsn_last_error()) > 0);

  {
    rsn_generate_options o;
    CHECK(rsn_generate_options_init(&o, sizeof o) == RSN_OK);
    CHECK(o.temperature != o.temperature && o.top_p != o.top_p); /* NaN: not set */
    CHECK(o.max_tokens == RSN_UNSET && o.branch == RSN_UNSET && o.top_k == RSN_UNSET);
    CHECK(o.seed == 0 && o.stop == NULL && o.reserved == 0);
  }
  return failures == 0 ? 0 : 1;
}
