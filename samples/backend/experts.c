/* Choosing experts, running them, and what the sampler needs of the logits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "example.h"

/* NaN ranks as -inf. */
static float rank_of(float value) { return isnan(value) ? -INFINITY : value; }

/* The index of the largest value that is not yet taken; the lower one of equals. */
static int64_t best_left(const float *values, const char *taken, int64_t n) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; ++i) {
    if (!taken[i] && (best < 0 || rank_of(values[i]) > rank_of(values[best]))) best = i;
  }
  return best;
}

static void score(const float *logits, int64_t n, int sigmoid, float *scores) {
  double largest = -INFINITY, sum = 0;
  for (int64_t e = 0; e < n; ++e) {
    if (sigmoid) scores[e] = (float)(1 / (1 + exp(-(double)logits[e])));
    if (logits[e] > largest) largest = logits[e];
  }
  if (sigmoid) return;
  for (int64_t e = 0; e < n; ++e) sum += exp(logits[e] - largest);
  for (int64_t e = 0; e < n; ++e) scores[e] = (float)(exp(logits[e] - largest) / sum);
}

/* Replaces the choice values of all groups but the best. groups: (a->groups); taken: (experts). */
static void mask_groups(const rsn_moe_route *a, float *choice, float *groups, char *taken) {
  const int64_t n = a->logits.shape[1], members = n / a->groups;
  for (int64_t g = 0; g < a->groups; ++g) {
    float first = -INFINITY, second = -INFINITY;
    for (int64_t i = g * members; i < (g + 1) * members; ++i) {
      const float value = rank_of(choice[i]);
      if (value > first) {
        second = first;
        first = value;
      } else if (value > second) {
        second = value;
      }
    }
    groups[g] = a->group_rule == 0 ? first : first + second;
  }
  memset(taken, 0, (size_t)n);
  for (uint32_t i = 0; i < a->groups_used; ++i) taken[best_left(groups, taken, a->groups)] = 1;
  for (int64_t e = n; e-- > 0;) {
    if (!taken[e / members]) choice[e] = a->masked_are_zero ? 0 : -INFINITY;
  }
}

int32_t run_moe_route(rsn_queue *queue, const rsn_moe_route *a) {
  const int64_t n = a->logits.shape[1], used = a->ids.shape[1];
  float *scores =
      malloc((size_t)n * 3 * sizeof *scores + (size_t)n); /* then choice, groups, taken */
  float *choice = scores + n, *groups = choice + n;
  char *taken = (char *)(groups + n);
  (void)queue;
  if (scores == NULL)
    return fail(ERR_MEMORY, "moe_route: no memory for %lld experts", (long long)n);
  for (int64_t t = 0; t < a->logits.shape[0]; ++t) {
    int32_t *ids = (int32_t *)row_at(&a->ids, t, 0, 0);
    float *weights = f32_at(&a->weights, t, 0);
    double sum = 0;
    int64_t k = 0;
    score(f32_at(&a->logits, t, 0), n, a->scoring == 1, scores);
    for (int64_t e = 0; e < n; ++e) {
      choice[e] = a->bias.buffer != NULL ? scores[e] + f32_at(&a->bias, 0, 0)[e] : scores[e];
    }
    if (a->groups > 1) mask_groups(a, choice, groups, taken);
    for (int64_t e = 0; e < n; ++e) taken[e] = 0;
    for (int64_t i = 0; i < used; ++i) taken[best_left(choice, taken, n)] = 1;
    for (int64_t e = 0; e < n; ++e) {
      if (!taken[e]) continue;
      ids[k++] = (int32_t)e;
      sum += scores[e];
    }
    for (k = 0; k < used; ++k) {
      weights[k] = (float)(scores[ids[k]] / (a->normalize ? sum + 1e-20 : 1) * a->scale);
    }
  }
  free(scores);
  return OK;
}

static double dot(const rsn_tensor *w, int64_t slot, int64_t row, const float *x, int64_t n,
                  float *decoded) {
  double sum = 0;
  decode_row(w->dtype, row_at(w, slot, row, 0), n, decoded);
  for (int64_t i = 0; i < n; ++i) sum += (double)decoded[i] * x[i];
  return sum;
}

/* One expert of one row, added to sum (width). hidden: (inner); decoded: (the larger of both). */
static void add_expert(const rsn_moe_experts *a, int64_t slot, const float *x, double gain,
                       double *sum, float *hidden, float *decoded) {
  const int64_t width = a->in.shape[1], inner = a->gate.shape[1];
  for (int64_t i = 0; i < inner; ++i) {
    const double gate = dot(&a->gate, slot, i, x, width, decoded);
    const double up = dot(&a->up, slot, i, x, width, decoded);
    hidden[i] = (float)(gate / (1 + exp(-gate)) * up);
  }
  for (int64_t o = 0; o < width; ++o) {
    sum[o] += gain * dot(&a->down, slot, o, hidden, inner, decoded);
  }
}

int32_t run_moe_experts(rsn_queue *queue, const rsn_moe_experts *a) {
  const int64_t width = a->in.shape[1], inner = a->gate.shape[1];
  const int64_t used = a->ids.shape[1], experts = a->slots.shape[0];
  const int64_t widest = width > inner ? width : inner;
  const int32_t *slots = i32_at(&a->slots, 0);
  (void)queue;
  for (int64_t e = 0; e < experts; ++e) {
    if (slots[e] < -1 || slots[e] >= a->gate.shape[0]) {
      return fail(ERR_ARGUMENT, "moe_experts: slots[%lld] is %d", (long long)e, (int)slots[e]);
    }
  }
  for (int64_t t = 0; t < a->in.shape[0]; ++t) {
    for (int64_t k = 0; k < used; ++k) {
      const int32_t id = ((int32_t *)row_at(&a->ids, t, 0, 0))[k];
      if (id < 0 || id >= experts) {
        return fail(ERR_ARGUMENT, "moe_experts: ids[%lld, %lld] is %d", (long long)t, (long long)k,
                    (int)id);
      }
    }
  }
  double *sum = malloc(((size_t)width + 1) * sizeof *sum);
  float *hidden = malloc(((size_t)inner + (size_t)widest + 1) * sizeof *hidden);
  if (sum == NULL || hidden == NULL) {
    free(sum);
    free(hidden);
    return fail(ERR_MEMORY, "moe_experts: no memory for a row of %lld", (long long)widest);
  }
  for (int64_t t = 0; t < a->in.shape[0]; ++t) {
    const int32_t *ids = (int32_t *)row_at(&a->ids, t, 0, 0); /* ascending, as moe_route says */
    float *out = f32_at(&a->out, t, 0);
    for (int64_t o = 0; o < width; ++o) sum[o] = a->accumulate ? out[o] : 0;
    for (int64_t k = 0; k < used; ++k) {
      if (slots[ids[k]] < 0) continue; /* lives elsewhere */
      add_expert(a, slots[ids[k]], f32_at(&a->in, t, 0), f32_at(&a->weights, t, 0)[k], sum, hidden,
                 hidden + inner);
    }
    for (int64_t o = 0; o < width; ++o) out[o] = (float)sum[o];
  }
  free(sum);
  free(hidden);
  return OK;
}

static double log_sum_exp(const float *z, int64_t n, double *entropy) {
  double largest = -INFINITY, sum = 0, weighted = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (isnan(z[i])) return *entropy = NAN;
    if (z[i] > largest) largest = z[i];
  }
  *entropy = 0;
  if (largest == -INFINITY) return largest;
  for (int64_t i = 0; i < n; ++i) {
    const double e = exp(z[i] - largest);
    sum += e;
    if (e != 0) weighted += e * (z[i] - largest);
  }
  *entropy = log(sum) - weighted / sum;
  return largest + log(sum);
}

typedef struct {
  float value;
  int32_t id;
} candidate;

static int better_first(const void *x, const void *y) {
  const candidate *a = x, *b = y;
  if (rank_of(a->value) != rank_of(b->value)) return rank_of(a->value) > rank_of(b->value) ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

/* adjusted: (vocabulary); order: (vocabulary). */
static int32_t reduce_row(const rsn_reduce_logits *a, int64_t t, float *adjusted,
                          candidate *order) {
  const int64_t n = a->logits.shape[1];
  const float *raw = f32_at(&a->logits, t, 0);
  const int32_t *begin = i32_at(&a->adjust_begin, 0) + t, *id = i32_at(&a->adjust_id, 0);
  rsn_logit_record record;
  double entropy, unused;
  memset(&record, 0, sizeof record);
  for (int64_t i = 0; i < n; ++i) {
    if (isnan(raw[i]) || raw[i] == INFINITY) record.flags |= 1;
  }
  record.logsumexp = (float)log_sum_exp(raw, n, &entropy);
  record.entropy = (float)entropy;
  memcpy(adjusted, raw, (size_t)n * sizeof *raw);
  if (begin[0] < 0 || begin[1] < begin[0] || begin[1] > a->adjust_id.shape[0]) {
    return fail(ERR_ARGUMENT, "reduce_logits: adjustments %d to %d", (int)begin[0], (int)begin[1]);
  }
  for (int32_t i = begin[0]; i < begin[1]; ++i) {
    if (id[i] < 0 || id[i] >= n) {
      return fail(ERR_ARGUMENT, "reduce_logits: adjust_id[%d] is %d", (int)i, (int)id[i]);
    }
    const float divisor = f32_at(&a->adjust_divisor, 0, 0)[i];
    float *z = adjusted + id[i];
    *z = (*z > 0 ? *z / divisor : *z * divisor) + f32_at(&a->adjust_add, 0, 0)[i];
  }
  record.adjusted_logsumexp = (float)log_sum_exp(adjusted, n, &unused);
  record.count = a->top < n ? a->top : (uint32_t)n;
  for (int64_t i = 0; i < n; ++i) {
    order[i].value = adjusted[i];
    order[i].id = (int32_t)i;
  }
  qsort(order, (size_t)n, sizeof *order, better_first);
  for (uint32_t i = 0; i < record.count; ++i) {
    ((int32_t *)row_at(&a->ids, t, 0, 0))[i] = order[i].id;
    f32_at(&a->values, t, 0)[i] = order[i].value;
    f32_at(&a->raw, t, 0)[i] = raw[order[i].id];
  }
  memcpy(row_at(&a->records, t, 0, 0), &record, sizeof record);
  return OK;
}

int32_t run_reduce_logits(rsn_queue *queue, const rsn_reduce_logits *a) {
  const size_t n = (size_t)a->logits.shape[1];
  candidate *order = malloc((n + 1) * (sizeof *order + sizeof(float)));
  int32_t code = OK;
  (void)queue;
  if (order == NULL) return fail(ERR_MEMORY, "reduce_logits: no memory for %zu logits", n);
  for (int64_t t = 0; code == OK && t < a->logits.shape[0]; ++t) {
    code = reduce_row(a, t, (float *)(order + n), order);
  }
  free(order);
  return code;
}
