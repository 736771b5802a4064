/* Causal attention over pages of keys and values. */
#include <math.h>
#include <stdlib.h>

#include "example.h"

/* Where a row stands: how many keys it sees, and the pages that hold them. */
typedef struct {
  int64_t keys;
  const int32_t *pages;
} place;

static int32_t check_sequence(const rsn_ragged *g, int64_t s, int64_t rows, int64_t page_count) {
  const int32_t *row_begin = i32_at(&g->row_begin, 0), *pages = i32_at(&g->pages, 0);
  const int64_t count = (int64_t)row_begin[s + 1] - row_begin[s];
  const int64_t length = i32_at(&g->kv_length, 0)[s], begin = i32_at(&g->page_begin, 0)[s];
  const int64_t used = (length + g->page_tokens - 1) / g->page_tokens;
  if (row_begin[s] < 0 || count < 0 || row_begin[s + 1] > rows || (count > 0 && length < count)) {
    return fail(ERR_ARGUMENT, "attention: sequence %lld has %lld rows and %lld keys", (long long)s,
                (long long)count, (long long)length);
  }
  if (count == 0) return OK;
  if (begin < 0 || begin + used > g->pages.shape[0]) {
    return fail(ERR_ARGUMENT, "attention: page_begin[%lld] is %lld", (long long)s,
                (long long)begin);
  }
  for (int64_t p = begin; p < begin + used; ++p) {
    if (pages[p] < 0 || pages[p] >= page_count) {
      return fail(ERR_ARGUMENT, "attention: pages[%lld] is %d", (long long)p, (int)pages[p]);
    }
  }
  return OK;
}

/* One head of one row. scores: (keys); row: (width or value_width); sum: (value_width). */
static void attend(const rsn_attention *a, int64_t r, int64_t h, place at, double *scores,
                   float *row, double *sum) {
  const int64_t kv_head = h / (a->q.shape[1] / a->k_cache.shape[1]);
  const int64_t width = a->q.shape[2], value_width = a->v_cache.shape[3];
  const int64_t tokens = a->ragged.page_tokens;
  const float *q = f32_at(&a->q, r, h);
  float *out = f32_at(&a->out, r, h);
  double largest = -INFINITY, total = 0;
  for (int64_t p = 0; p < at.keys; ++p) {
    decode_row(a->k_cache.dtype, row_at(&a->k_cache, at.pages[p / tokens], kv_head, p % tokens),
               width, row);
    scores[p] = 0;
    for (int64_t i = 0; i < width; ++i) scores[p] += (double)q[i] * row[i];
    scores[p] *= a->scale;
    if (scores[p] > largest) largest = scores[p];
  }
  for (int64_t i = 0; i < value_width; ++i) sum[i] = 0;
  for (int64_t p = 0; p < at.keys; ++p) {
    /* Nothing but -inf: all weights are 0 and so is the output. */
    const double weight = largest == -INFINITY && !isnan(scores[p]) ? 0 : exp(scores[p] - largest);
    total += weight;
    decode_row(a->v_cache.dtype, row_at(&a->v_cache, at.pages[p / tokens], kv_head, p % tokens),
               value_width, row);
    for (int64_t i = 0; i < value_width; ++i) sum[i] += weight * row[i];
  }
  for (int64_t i = 0; i < value_width; ++i) out[i] = total == 0 ? 0 : (float)(sum[i] / total);
}

int32_t run_attention(rsn_queue *queue, const rsn_attention *a) {
  const rsn_ragged *g = &a->ragged;
  const int64_t sequences = g->kv_length.shape[0], rows = a->q.shape[0];
  const int32_t *row_begin = i32_at(&g->row_begin, 0), *length = i32_at(&g->kv_length, 0);
  const int64_t widest = a->q.shape[2] > a->v_cache.shape[3] ? a->q.shape[2] : a->v_cache.shape[3];
  int64_t longest = 0;
  (void)queue;
  if (row_begin[0] != 0 || row_begin[sequences] != rows) {
    return fail(ERR_ARGUMENT, "attention: row_begin ends at %d, there are %lld rows",
                (int)row_begin[sequences], (long long)rows);
  }
  for (int64_t s = 0; s < sequences; ++s) {
    const int32_t code = check_sequence(g, s, rows, a->k_cache.shape[0]);
    if (code != OK) return code;
    if (length[s] > longest) longest = length[s];
  }
  double *scores = malloc(((size_t)longest + (size_t)widest + 1) * sizeof *scores);
  float *row = malloc(((size_t)widest + 1) * sizeof *row);
  if (scores != NULL && row != NULL) {
    for (int64_t s = 0; s < sequences; ++s) {
      for (int64_t r = row_begin[s]; r < row_begin[s + 1]; ++r) {
        const place at = {length[s] - (row_begin[s + 1] - r) + 1,
                          i32_at(&g->pages, 0) + i32_at(&g->page_begin, 0)[s]};
        for (int64_t h = 0; h < a->q.shape[1]; ++h)
          attend(a, r, h, at, scores, row, scores + longest);
      }
    }
  }
  const int32_t code =
      scores != NULL && row != NULL
          ? OK
          : fail(ERR_MEMORY, "attention: no memory for %lld keys", (long long)longest);
  free(scores);
  free(row);
  return code;
}
