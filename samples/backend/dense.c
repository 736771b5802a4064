/* Rows of numbers: embed, gather_rows, rms_norm, matmul, rope_table, rope, silu_mul, and the
 * cache's kv_write and kv_copy_page. Sums are f64 and are rounded once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "example.h"

int32_t run_embed(rsn_queue *queue, const rsn_embed *a) {
  const int32_t *tokens = i32_at(&a->tokens, 0);
  (void)queue;
  for (int64_t t = 0; t < a->tokens.shape[0]; ++t) {
    if (tokens[t] < 0 || tokens[t] >= a->table.shape[0]) {
      return fail(ERR_ARGUMENT, "embed: tokens[%lld] is %d", (long long)t, (int)tokens[t]);
    }
    decode_row(a->table.dtype, row_at(&a->table, tokens[t], 0, 0), a->table.shape[1],
               f32_at(&a->out, t, 0));
  }
  return OK;
}

int32_t run_gather_rows(rsn_queue *queue, const rsn_gather_rows *a) {
  const int32_t *index = i32_at(&a->index, 0);
  (void)queue;
  for (int64_t i = 0; i < a->index.shape[0]; ++i) {
    if (index[i] < 0 || index[i] >= a->in.shape[0]) {
      return fail(ERR_ARGUMENT, "gather_rows: index[%lld] is %d", (long long)i, (int)index[i]);
    }
    memcpy(f32_at(&a->out, i, 0), f32_at(&a->in, index[i], 0), (size_t)a->in.shape[1] * 4);
  }
  return OK;
}

int32_t run_rms_norm(rsn_queue *queue, const rsn_rms_norm *a) {
  const int64_t width = a->in.shape[a->in.rank - 1];
  const int64_t heads = a->in.rank == 3 ? a->in.shape[1] : 1;
  const float *weight = f32_at(&a->weight, 0, 0);
  (void)queue;
  for (int64_t t = 0; t < a->in.shape[0]; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      const float *in = f32_at(&a->in, t, h);
      float *out = f32_at(&a->out, t, h); /* may be in */
      double squares = 0;
      for (int64_t i = 0; i < width; ++i) squares += (double)in[i] * in[i];
      const double factor = 1 / sqrt(squares / (double)width + a->epsilon);
      for (int64_t i = 0; i < width; ++i) out[i] = (float)(in[i] * factor * weight[i]);
    }
  }
  return OK;
}

/* One row of one weight against all rows of the input, as a task of the host's threads: each
 * output is one thread's, so results do not depend on how many there are. */
typedef struct {
  const rsn_matmul *a;
  const rsn_matmul_term *term;
  int64_t batch;
  float *rows; /* (threads, in): the decoded weight row of each worker */
} product;

static void product_task(void *arg, uint32_t o, uint32_t worker) {
  const product *p = arg;
  const rsn_matmul *a = p->a;
  const int batched = a->in.rank == 3;
  const int64_t n = a->in.shape[a->in.rank - 1];
  float *weight = p->rows + (int64_t)worker * n;
  decode_row(p->term->weight.dtype,
             batched ? row_at(&p->term->weight, p->batch, o, 0) : row_at(&p->term->weight, o, 0, 0),
             n, weight);
  for (int64_t t = 0; t < a->in.shape[0]; ++t) {
    const float *in = f32_at(&a->in, t, p->batch);
    float *out = f32_at(&p->term->out, t, p->batch) + o;
    double sum = a->accumulate ? *out : 0;
    if (p->term->bias.buffer != NULL) sum += f32_at(&p->term->bias, 0, 0)[o];
    for (int64_t i = 0; i < n; ++i) sum += (double)weight[i] * in[i];
    *out = (float)sum;
  }
}

int32_t run_matmul(rsn_queue *queue, const rsn_matmul *a) {
  const rsn_backend_host *host = queue->device->host;
  const int batched = a->in.rank == 3;
  const size_t n = (size_t)a->in.shape[a->in.rank - 1];
  float *rows = malloc((host->threads * n + 1) * sizeof *rows);
  if (rows == NULL) return fail(ERR_MEMORY, "matmul: no memory for %zu weights", n);
  for (uint32_t j = 0; j < a->terms; ++j) {
    const int64_t out = a->term[j].weight.shape[batched ? 1 : 0];
    for (int64_t b = 0; b < (batched ? a->in.shape[1] : 1); ++b) {
      product p = {a, &a->term[j], b, rows};
      if (a->in.shape[0] > 0) host->parallel_for(host->context, (uint32_t)out, product_task, &p);
    }
  }
  free(rows);
  return OK;
}

int32_t run_rope_table(rsn_queue *queue, const rsn_rope_table *a) {
  const int32_t *positions = i32_at(&a->positions, 0);
  (void)queue;
  for (int64_t t = 0; t < a->positions.shape[0]; ++t) {
    for (int64_t i = 0; i < a->frequencies.shape[0]; ++i) {
      const float *parts = f32_at(&a->frequencies, i, 0);
      const double angle = positions[t] * ((double)parts[0] + parts[1]);
      float *out = f32_at(&a->out, t, i);
      out[0] = (float)(cos(angle) * a->magnitude);
      out[1] = (float)(sin(angle) * a->magnitude);
    }
  }
  return OK;
}

int32_t run_rope(rsn_queue *queue, const rsn_rope *a) {
  const int64_t pairs = a->table.shape[1];
  (void)queue;
  for (int64_t t = 0; t < a->x.shape[0]; ++t) {
    for (int64_t h = 0; h < a->x.shape[1]; ++h) {
      float *x = f32_at(&a->x, t, h);
      for (int64_t i = 0; i < pairs; ++i) {
        const float *turn = f32_at(&a->table, t, i);
        float *u = a->interleaved ? x + 2 * i : x + i;
        float *v = a->interleaved ? x + 2 * i + 1 : x + i + pairs;
        const double old_u = *u, old_v = *v;
        *u = (float)(old_u * turn[0] - old_v * turn[1]);
        *v = (float)(old_v * turn[0] + old_u * turn[1]);
      }
    }
  }
  return OK;
}

int32_t run_silu_mul(rsn_queue *queue, const rsn_silu_mul *a) {
  (void)queue;
  for (int64_t t = 0; t < a->gate.shape[0]; ++t) {
    const float *gate = f32_at(&a->gate, t, 0), *up = f32_at(&a->up, t, 0);
    float *out = f32_at(&a->out, t, 0); /* may be gate or up */
    for (int64_t i = 0; i < a->gate.shape[1]; ++i) {
      const double z = gate[i];
      out[i] = (float)(z / (1 + exp(-z)) * up[i]);
    }
  }
  return OK;
}

int32_t run_kv_write(rsn_queue *queue, const rsn_kv_write *a) {
  const int32_t *slots = i32_at(&a->slots, 0);
  const int64_t tokens = a->cache.shape[2]; /* of a page */
  (void)queue;
  for (int64_t t = 0; t < a->in.shape[0]; ++t) {
    if (slots[t] < 0 || slots[t] >= a->cache.shape[0] * tokens) {
      return fail(ERR_ARGUMENT, "kv_write: slots[%lld] is %d", (long long)t, (int)slots[t]);
    }
    for (int64_t h = 0; h < a->in.shape[1]; ++h) {
      encode_row(a->cache.dtype, f32_at(&a->in, t, h), a->in.shape[2],
                 row_at(&a->cache, slots[t] / tokens, h, slots[t] % tokens));
    }
  }
  return OK;
}

int32_t run_kv_copy_page(rsn_queue *queue, const rsn_kv_copy_page *a) {
  const int32_t *from = i32_at(&a->from, 0), *to = i32_at(&a->to, 0);
  const size_t row = (size_t)row_bytes(a->cache.dtype, a->cache.shape[3]);
  (void)queue;
  for (int64_t i = 0; i < a->from.shape[0]; ++i) {
    if (from[i] < 0 || from[i] >= a->cache.shape[0] || to[i] < 0 || to[i] >= a->cache.shape[0]) {
      return fail(ERR_ARGUMENT, "kv_copy_page: page %d to page %d", (int)from[i], (int)to[i]);
    }
    for (int64_t h = 0; h < a->cache.shape[1]; ++h) {
      for (int64_t t = 0; t < a->cache.shape[2]; ++t) {
        memmove(row_at(&a->cache, to[i], h, t), row_at(&a->cache, from[i], h, t), row);
      }
    }
  }
  return OK;
}
