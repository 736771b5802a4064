/* Is this description legal, is it one that this back end works for, and do its views lie inside
 * their buffers? `supports` asks without memory; every operation asks again with it. */
#include <string.h>

#include "example.h"

enum { F32, I32, WEIGHT, CACHE };
static const int64_t kLargest = (int64_t)1 << 40; /* of a size or a stride: products do not wrap */
enum { ANY = -1 };

typedef struct {
  const char *op;
  int memory;
  int32_t code; /* of the first complaint */
} checker;

static int allowed(int kind, uint32_t dtype) {
  switch (kind) {
    case F32:
      return dtype == RSN_DTYPE_F32;
    case I32:
      return dtype == RSN_DTYPE_I32;
    case WEIGHT:
      return dtype == RSN_DTYPE_F32 || dtype == RSN_DTYPE_F16 || dtype == RSN_DTYPE_Q8_0;
    default:
      return dtype == RSN_DTYPE_F32 || dtype == RSN_DTYPE_F16;
  }
}

static void complain(checker *c, const char *name, const char *what, int64_t value) {
  c->code = fail(ERR_ARGUMENT, "%s: %s: %s is %lld", c->op, name, what, (long long)value);
}

static void need(checker *c, int yes, const char *what, int64_t value) {
  if (c->code == OK && !yes) complain(c, "arguments", what, value);
}

/* A view of `rank` dimensions; a size of ANY is not compared. */
static void view(checker *c, const char *name, const rsn_tensor *t, int kind, uint32_t rank,
                 const int64_t *shape) {
  static const char *const kTakes[] = {"f32", "i32", "f32, f16 and Q8_0", "f32 and f16"};
  if (c->code != OK) return;
  if (t->rank != rank) return complain(c, name, "rank", t->rank);
  if (t->layout != 0) return complain(c, name, "layout", t->layout);
  if (!allowed(kind, t->dtype)) {
    c->code = fail(ERR_UNSUPPORTED, "%s: %s has element type %u; the example back end takes %s",
                   c->op, name, (unsigned)t->dtype, kTakes[kind]);
    return;
  }
  for (uint32_t d = 0; d < rank; ++d) {
    if (t->shape[d] < 0 || t->shape[d] > kLargest) return complain(c, name, "size", t->shape[d]);
    if (shape[d] != ANY && t->shape[d] != shape[d]) return complain(c, name, "size", t->shape[d]);
  }
  const int64_t row = row_bytes(t->dtype, t->shape[rank - 1]);
  if (row < 0) return complain(c, name, "width (not whole blocks)", t->shape[rank - 1]);
  const int64_t unit = t->dtype == RSN_DTYPE_F16 ? 2 : t->dtype == RSN_DTYPE_Q8_0 ? 1 : 4;
  double end = (double)t->offset + (double)row; /* beyond 2^53 it is too large anyway */
  int empty = row == 0;
  for (uint32_t d = 0; d + 1 < rank; ++d) {
    empty = empty || t->shape[d] == 0;
    if (t->shape[d] < 2) continue;
    if (t->stride[d] < 0 || t->stride[d] > kLargest || t->stride[d] % unit != 0) {
      return complain(c, name, "stride", t->stride[d]);
    }
    end += (double)(t->shape[d] - 1) * (double)t->stride[d];
  }
  if (c->memory == WITHOUT_MEMORY || empty) return;
  if (t->buffer == NULL) return complain(c, name, "buffer", 0);
  if (end > (double)t->buffer->bytes) return complain(c, name, "last byte", (int64_t)end);
  if ((uintptr_t)(t->buffer->data + t->offset) % (uintptr_t)unit != 0) {
    complain(c, name, "offset (not aligned)", (int64_t)t->offset);
  }
}

static void view1(checker *c, const char *name, const rsn_tensor *t, int kind, int64_t n) {
  view(c, name, t, kind, 1, &n);
}
static void view2(checker *c, const char *name, const rsn_tensor *t, int kind, int64_t n0,
                  int64_t n1) {
  const int64_t shape[2] = {n0, n1};
  view(c, name, t, kind, 2, shape);
}
static void view3(checker *c, const char *name, const rsn_tensor *t, int kind, int64_t n0,
                  int64_t n1, int64_t n2) {
  const int64_t shape[3] = {n0, n1, n2};
  view(c, name, t, kind, 3, shape);
}

int32_t check_weight(const rsn_tensor *t, uint64_t size) {
  static const int64_t kAny[4] = {ANY, ANY, ANY, ANY};
  checker c = {"weight", WITHOUT_MEMORY, OK};
  if (t->rank < 1 || t->rank > 4)
    return fail(ERR_ARGUMENT, "weight: rank is %u", (unsigned)t->rank);
  view(&c, "description", t, WEIGHT, t->rank, kAny);
  if (c.code != OK) return c.code;
  double bytes = (double)row_bytes(t->dtype, t->shape[t->rank - 1]);
  for (uint32_t d = 0; d + 1 < t->rank; ++d) bytes *= (double)t->shape[d];
  if (bytes != (double)size) {
    return fail(ERR_ARGUMENT, "weight: %llu bytes were given, the shape has %.0f",
                (unsigned long long)size, bytes);
  }
  return OK;
}

static void check_ragged(checker *c, const rsn_ragged *g) {
  const int64_t sequences = g->kv_length.shape[0];
  view1(c, "kv_length", &g->kv_length, I32, ANY);
  view1(c, "row_begin", &g->row_begin, I32, sequences + 1);
  view1(c, "page_begin", &g->page_begin, I32, sequences);
  view1(c, "pages", &g->pages, I32, ANY);
  need(c, g->page_tokens > 0, "page_tokens", g->page_tokens);
}

static void check_matmul(checker *c, const rsn_matmul *a) {
  const int batched = a->in.rank == 3;
  const int64_t *in = a->in.shape;
  need(c, a->terms >= 1 && a->terms <= 4, "terms", a->terms);
  if (batched) {
    view3(c, "in", &a->in, F32, ANY, ANY, ANY);
  } else {
    view2(c, "in", &a->in, F32, ANY, ANY);
  }
  for (uint32_t j = 0; c->code == OK && j < a->terms; ++j) {
    const rsn_matmul_term *term = &a->term[j];
    const int64_t out = term->weight.shape[batched ? 1 : 0];
    if (batched) {
      view3(c, "weight", &term->weight, WEIGHT, in[1], ANY, in[2]);
      view3(c, "out", &term->out, F32, in[0], in[1], out);
    } else {
      view2(c, "weight", &term->weight, WEIGHT, ANY, in[1]);
      view2(c, "out", &term->out, F32, in[0], out);
    }
    if (term->bias.buffer != NULL) view1(c, "bias", &term->bias, F32, out);
  }
}

static void check_route(checker *c, const rsn_moe_route *a) {
  const int64_t rows = a->logits.shape[0], experts = a->logits.shape[1], used = a->ids.shape[1];
  view2(c, "logits", &a->logits, F32, ANY, ANY);
  view2(c, "ids", &a->ids, I32, rows, ANY);
  view2(c, "weights", &a->weights, F32, rows, used);
  if (a->bias.buffer != NULL) view1(c, "bias", &a->bias, F32, experts);
  need(c, a->scoring <= 1, "scoring", a->scoring);
  need(c, a->group_rule <= 1, "group_rule", a->group_rule);
  need(c, used >= 1 && used <= experts, "the number of experts used", used);
  need(c, a->groups >= 1 && experts % (a->groups ? a->groups : 1) == 0, "groups", a->groups);
  if (c->code != OK || a->groups == 1) return;
  need(c, a->groups_used >= 1 && a->groups_used <= a->groups, "groups_used", a->groups_used);
  need(c, a->group_rule == 0 || experts / a->groups >= 2, "experts of a group",
       experts / a->groups);
  need(c, used <= experts / a->groups * a->groups_used, "the number of experts used", used);
}

static void check_any(checker *c, uint32_t op, const void *args) {
  static const int64_t kAny[4] = {ANY, ANY, ANY, ANY};
  switch (op) {
    case RSN_OP_EMBED: {
      const rsn_embed *a = args;
      view2(c, "table", &a->table, WEIGHT, ANY, ANY);
      view1(c, "tokens", &a->tokens, I32, ANY);
      return view2(c, "out", &a->out, F32, a->tokens.shape[0], a->table.shape[1]);
    }
    case RSN_OP_GATHER_ROWS: {
      const rsn_gather_rows *a = args;
      view2(c, "in", &a->in, F32, ANY, ANY);
      view1(c, "index", &a->index, I32, ANY);
      return view2(c, "out", &a->out, F32, a->index.shape[0], a->in.shape[1]);
    }
    case RSN_OP_RMS_NORM: {
      const rsn_rms_norm *a = args;
      need(c, a->in.rank == 2 || a->in.rank == 3, "the rank of in", a->in.rank);
      if (c->code != OK) return;
      view(c, "in", &a->in, F32, a->in.rank, kAny);
      view1(c, "weight", &a->weight, F32, a->in.shape[a->in.rank - 1]);
      return view(c, "out", &a->out, F32, a->in.rank, a->in.shape);
    }
    case RSN_OP_MATMUL:
      return check_matmul(c, args);
    case RSN_OP_ROPE_TABLE: {
      const rsn_rope_table *a = args;
      view1(c, "positions", &a->positions, I32, ANY);
      view2(c, "frequencies", &a->frequencies, F32, ANY, 2);
      return view3(c, "out", &a->out, F32, a->positions.shape[0], a->frequencies.shape[0], 2);
    }
    case RSN_OP_ROPE: {
      const rsn_rope *a = args;
      view3(c, "table", &a->table, F32, ANY, ANY, 2);
      need(c, a->interleaved <= 1, "interleaved", a->interleaved);
      return view3(c, "x", &a->x, F32, a->table.shape[0], ANY, 2 * a->table.shape[1]);
    }
    case RSN_OP_KV_WRITE: {
      const rsn_kv_write *a = args;
      const int64_t shape[4] = {ANY, a->in.shape[1], ANY, a->in.shape[2]};
      view3(c, "in", &a->in, F32, ANY, ANY, ANY);
      view1(c, "slots", &a->slots, I32, a->in.shape[0]);
      return view(c, "cache", &a->cache, CACHE, 4, shape);
    }
    case RSN_OP_KV_COPY_PAGE: {
      const rsn_kv_copy_page *a = args;
      view(c, "cache", &a->cache, CACHE, 4, kAny);
      view1(c, "from", &a->from, I32, ANY);
      return view1(c, "to", &a->to, I32, a->from.shape[0]);
    }
    case RSN_OP_ATTENTION: {
      const rsn_attention *a = args;
      const int64_t *k = a->k_cache.shape;
      const int64_t keys[4] = {ANY, ANY, a->ragged.page_tokens, a->q.shape[2]};
      const int64_t values[4] = {k[0], k[1], a->ragged.page_tokens, ANY};
      check_ragged(c, &a->ragged);
      view3(c, "q", &a->q, F32, ANY, ANY, ANY);
      view(c, "k_cache", &a->k_cache, CACHE, 4, keys);
      view(c, "v_cache", &a->v_cache, CACHE, 4, values);
      need(c, k[1] > 0 && a->q.shape[1] % (k[1] ? k[1] : 1) == 0, "the number of heads",
           a->q.shape[1]);
      return view3(c, "out", &a->out, F32, a->q.shape[0], a->q.shape[1], a->v_cache.shape[3]);
    }
    case RSN_OP_SILU_MUL: {
      const rsn_silu_mul *a = args;
      view2(c, "gate", &a->gate, F32, ANY, ANY);
      view2(c, "up", &a->up, F32, a->gate.shape[0], a->gate.shape[1]);
      return view2(c, "out", &a->out, F32, a->gate.shape[0], a->gate.shape[1]);
    }
    case RSN_OP_MOE_ROUTE:
      return check_route(c, args);
    case RSN_OP_MOE_EXPERTS: {
      const rsn_moe_experts *a = args;
      const int64_t rows = a->in.shape[0], width = a->in.shape[1];
      const int64_t stacked = a->gate.shape[0], inner = a->gate.shape[1];
      view2(c, "in", &a->in, F32, ANY, ANY);
      view2(c, "ids", &a->ids, I32, rows, ANY);
      view2(c, "weights", &a->weights, F32, rows, a->ids.shape[1]);
      view1(c, "slots", &a->slots, I32, ANY);
      view3(c, "gate", &a->gate, WEIGHT, ANY, ANY, width);
      view3(c, "up", &a->up, WEIGHT, stacked, inner, width);
      view3(c, "down", &a->down, WEIGHT, stacked, width, inner);
      return view2(c, "out", &a->out, F32, rows, width);
    }
    case RSN_OP_REDUCE_LOGITS: {
      const rsn_reduce_logits *a = args;
      const int64_t rows = a->logits.shape[0], capacity = a->adjust_id.shape[0];
      view2(c, "logits", &a->logits, F32, ANY, ANY);
      view1(c, "adjust_begin", &a->adjust_begin, I32, rows + 1);
      view1(c, "adjust_id", &a->adjust_id, I32, ANY);
      view1(c, "adjust_divisor", &a->adjust_divisor, F32, capacity);
      view1(c, "adjust_add", &a->adjust_add, F32, capacity);
      view2(c, "records", &a->records, F32, rows, sizeof(rsn_logit_record) / 4);
      view2(c, "ids", &a->ids, I32, rows, a->top);
      view2(c, "values", &a->values, F32, rows, a->top);
      return view2(c, "raw", &a->raw, F32, rows, a->top);
    }
    default:
      c->code = fail(ERR_UNSUPPORTED, "example: there is no operation %u", (unsigned)op);
  }
}

int32_t check_op(uint32_t op, const void *args, int memory) {
  static const char *const kNames[] = {"embed",       "gather_rows",   "rms_norm", "matmul",
                                       "rope_table",  "rope",          "kv_write", "kv_copy_page",
                                       "attention",   "mla_attention", "silu_mul", "moe_route",
                                       "moe_experts", "reduce_logits"};
  checker c = {op < sizeof kNames / sizeof *kNames ? kNames[op] : "example", memory, OK};
  check_any(&c, op, args);
  return c.code;
}
