/* What the example back end's files share: its memory, its sentences, its checks and its
 * operations. The whole plug-in is C99 over raison/backend.h and the C library. It reads f32, f16
 * and Q8_0 weights and keeps f32 and f16 keys and values; the rest it refuses with a sentence. */
#ifndef EXAMPLE_H_
#define EXAMPLE_H_

#include "raison/backend.h"

enum { OK = 0, ERR_ARGUMENT = -10, ERR_UNSUPPORTED = -22, ERR_MEMORY = -30, ERR_STATE = -40 };

struct rsn_buffer {
  char *data;
  uint64_t bytes;
  void *allocated; /* NULL: the host's own bytes are used */
};

struct rsn_device_state {
  const rsn_backend_host *host;
};

struct rsn_queue {
  rsn_device_state *device;
  int32_t failure; /* of an enqueued operation, until synchronize */
  char sentence[256];
};

/* Keeps a sentence for last_error and returns the code. */
int32_t fail(int32_t code, const char *format, ...);

/* ---- views */

/* The first byte of row (i, j, k) of a view; indices beyond its rank must be 0. */
static inline char *row_at(const rsn_tensor *t, int64_t i, int64_t j, int64_t k) {
  const int64_t index[3] = {i, j, k};
  char *at = t->buffer->data + t->offset;
  for (uint32_t d = 0; d + 1 < t->rank && d < 3; ++d) at += index[d] * t->stride[d];
  return at;
}
static inline float *f32_at(const rsn_tensor *t, int64_t i, int64_t j) {
  return (float *)row_at(t, i, j, 0);
}
static inline int32_t *i32_at(const rsn_tensor *t, int64_t i) {
  return (int32_t *)row_at(t, i, 0, 0);
}

/* ---- number formats (formats.c) */

int64_t row_bytes(uint32_t dtype, int64_t n); /* -1: a type or a width that is not supported */
void decode_row(uint32_t dtype, const char *from, int64_t n, float *to);
void encode_row(uint32_t dtype, const float *from, int64_t n, char *to); /* f32 and f16 */

/* ---- checks (check.c): OK, or a code and a sentence. Without memory, buffers may be NULL. */

enum { WITHOUT_MEMORY, WITH_MEMORY };
int32_t check_weight(const rsn_tensor *t, uint64_t size);
int32_t check_op(uint32_t op, const void *args, int memory);

/* ---- operations (dense.c, attention.c, experts.c), run at once on checked arguments. What they
 * read from the step buffer is checked here, for it is not known earlier. */

int32_t run_embed(rsn_queue *queue, const rsn_embed *a);
int32_t run_gather_rows(rsn_queue *queue, const rsn_gather_rows *a);
int32_t run_rms_norm(rsn_queue *queue, const rsn_rms_norm *a);
int32_t run_matmul(rsn_queue *queue, const rsn_matmul *a);
int32_t run_rope_table(rsn_queue *queue, const rsn_rope_table *a);
int32_t run_rope(rsn_queue *queue, const rsn_rope *a);
int32_t run_silu_mul(rsn_queue *queue, const rsn_silu_mul *a);
int32_t run_kv_write(rsn_queue *queue, const rsn_kv_write *a);
int32_t run_kv_copy_page(rsn_queue *queue, const rsn_kv_copy_page *a);
int32_t run_attention(rsn_queue *queue, const rsn_attention *a);
int32_t run_moe_route(rsn_queue *queue, const rsn_moe_route *a);
int32_t run_moe_experts(rsn_queue *queue, const rsn_moe_experts *a);
int32_t run_reduce_logits(rsn_queue *queue, const rsn_reduce_logits *a);

#endif /* EXAMPLE_H_ */
