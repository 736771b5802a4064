/* raison/backend.h: the plug-in table of a back end (C99).
 *
 * A back end is a table of operations named for their mathematics. It knows no model, no session and
 * no file. The rules, all of which the test back end `far` enforces:
 *
 *  1. Only `upload`, `download` and `weight` touch host memory. Every other operand is a view
 *     {buffer, offset, dtype, shape, strides} of a buffer that the back end made.
 *  2. Operations are enqueued on a queue and run in order; their effect is visible to the host only
 *     after `synchronize`. An operation's argument struct may be reused as soon as the call returns.
 *  3. What changes from step to step (tokens, positions, lengths, page tables, row offsets, expert
 *     slots) lies in the STEP BUFFER, an ordinary buffer written by `upload` before the step and read
 *     on the device. It is never in an argument: so a recorded step can be replayed with new contents.
 *  4. An operation is absent (NULL) or works for everything that `supports` accepts. The table's
 *     entries marked [required] are never NULL: a table that lacks one is not used at all. What
 *     another operation does is composed from the required ones by the host.
 *  5. A row's result depends on that row and its own sequence only: never on which other rows,
 *     sequences or threads share the pass. (The default promise of determinism.)
 *  6. No C++ type, exception or ownership crosses this table.
 *
 * All structs begin with struct_size; both sides read only the prefix that both know.
 * Promise: weaker than raison.h's; may change in a minor release, guarded by RSN_BACKEND_VERSION.
 */
#ifndef RAISON_BACKEND_H_
#define RAISON_BACKEND_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RSN_BACKEND_VERSION 1u

/* Element types; the numbers are GGUF's type ids. Quantised rows are GGUF blocks (reference:
 * the GGUF specification), unless `layout` says that the back end repacked them. */
enum {
  RSN_DTYPE_F32 = 0,
  RSN_DTYPE_F16 = 1,
  RSN_DTYPE_Q4_0 = 2,
  RSN_DTYPE_Q4_1 = 3,
  RSN_DTYPE_Q5_0 = 6,
  RSN_DTYPE_Q5_1 = 7,
  RSN_DTYPE_Q8_0 = 8,
  RSN_DTYPE_Q4_K = 12,
  RSN_DTYPE_Q5_K = 13,
  RSN_DTYPE_Q6_K = 14,
  RSN_DTYPE_I32 = 26,
  RSN_DTYPE_BF16 = 30
};

typedef struct rsn_device_state rsn_device_state; /* the back end's own */
typedef struct rsn_buffer rsn_buffer;             /* memory of the device */
typedef struct rsn_queue rsn_queue;               /* an in-order stream of operations */
typedef struct rsn_recording rsn_recording;       /* a recorded step */

/* A view. shape and stride are outermost first; stride[] counts BYTES and the innermost dimension is
 * always contiguous (a quantised row is one run of blocks). Unused leading dimensions are not stored:
 * rank says how many there are. A NULL buffer means "no such operand". */
typedef struct rsn_tensor {
  rsn_buffer *buffer;
  uint64_t offset; /* bytes from the start of the buffer */
  uint32_t dtype;
  uint32_t layout; /* 0 = plain; other values are private to the back end that made the weight */
  uint32_t rank;
  uint32_t reserved;
  int64_t shape[4];
  int64_t stride[4];
} rsn_tensor;

/* What the host gives to a back end. Valid as long as the device. */
typedef struct rsn_backend_host {
  uint32_t struct_size;
  uint32_t threads; /* size of the host's pool, the caller included */
  void *context;
  /* level: 0 error, 1 warning, 2 information, 3 detail. Text is UTF-8, NUL-terminated. */
  void (*log)(void *context, uint32_t level, const char *text);
  /* Calls task(arg, index, worker) for every index in [0, count), on up to `threads` workers, and
   * returns when all are done. worker < threads is unique among the tasks running at one time. */
  void (*parallel_for)(void *context, uint32_t count,
                       void (*task)(void *arg, uint32_t index, uint32_t worker), void *arg);
  const char *cache_directory; /* UTF-8, may be NULL: keep nothing */
  /* May be NULL. `weight` calls it on the thread that called it, for one run of source bytes behind the
   * other, as soon as it needs them no more: a large weight then never lies in memory twice, and loading
   * can be cancelled inside it. Non-zero: give up and return that number. */
  int32_t (*weight_read)(void *context, const void *from, uint64_t bytes);
} rsn_backend_host;

typedef struct rsn_device_info {
  uint32_t struct_size;
  uint32_t kind; /* 0 cpu, 1 integrated gpu, 2 discrete gpu; others count as 0 */
  uint64_t memory_total; /* bytes */
  uint64_t memory_free;
  char name[64];        /* "cpu" */
  char description[256]; /* "AMD EPYC ..., AVX-512 VNNI" */
  char driver[64];      /* "580.65.06", "llvmpipe, Mesa 22.3.6"; empty: none is involved */
  char problem[256];    /* why it cannot be opened; empty: it can */
  uint64_t largest_buffer; /* bytes of the largest buffer or weight; 0: what there is of memory */
} rsn_device_info;

/* -------- the geometry of a ragged step, as views of the step buffer ----------------------------
 * A step has `rows` tokens of `sequences` sequences; the rows of a sequence are consecutive and
 * ascending in position. The newest rows are in the cache before attention reads it. */
typedef struct rsn_ragged {
  rsn_tensor row_begin;   /* i32 (sequences + 1): first row of each sequence; last = rows */
  rsn_tensor kv_length;   /* i32 (sequences): keys visible to the sequence's last row */
  rsn_tensor page_begin;  /* i32 (sequences): where its page numbers start in `pages` */
  rsn_tensor pages;       /* i32 (capacity): page numbers, in order of position */
  uint32_t page_tokens;   /* tokens per page */
  uint32_t reserved;
} rsn_ragged;
/* Row r of sequence s stands at position kv_length[s] - (row_begin[s+1] - r), and sees the keys of
 * positions 0..that, inclusive. */

/* -------- operations ---------------------------------------------------------------------------- */

/* out[t] = table[tokens[t]], dequantised. */
typedef struct rsn_embed {
  uint32_t struct_size, reserved;
  rsn_tensor table;  /* any (vocabulary, width) */
  rsn_tensor tokens; /* i32 (rows), step buffer; the host has checked the range */
  rsn_tensor out;    /* f32 (rows, width) */
} rsn_embed;

/* out[i] = in[index[i]]. */
typedef struct rsn_gather_rows {
  uint32_t struct_size, reserved;
  rsn_tensor in;    /* f32 (rows, width) */
  rsn_tensor index; /* i32 (count), step buffer */
  rsn_tensor out;   /* f32 (count, width) */
} rsn_gather_rows;

/* out = in / sqrt(mean(in^2) + epsilon) * weight over the last dimension. `in` may be (rows, width)
 * or (rows, heads, width); out may be in itself. */
typedef struct rsn_rms_norm {
  uint32_t struct_size;
  float epsilon;
  rsn_tensor in;     /* f32 */
  rsn_tensor weight; /* f32 (width) */
  rsn_tensor out;    /* f32, shape of in */
} rsn_rms_norm;

/* Up to four products of the same input (so that q, k, v, or gate and up, quantise it once):
 *   out_j[t, b, o] (+)= sum_i weight_j[b, o, i] * in[t, b, i] + bias_j[o]
 * weight is (out, in), or (batch, out, in) with in (rows, batch, in) and out (rows, batch, out).
 * Quantised weights: the back end may quantise each row of `in` in blocks of 32 or 256. */
typedef struct rsn_matmul_term {
  rsn_tensor weight; /* any dtype that supports() accepts */
  rsn_tensor bias;   /* f32 (out), optional */
  rsn_tensor out;    /* f32; read when accumulate */
} rsn_matmul_term;
/* Rows [first, first + count) are consecutive tokens of ONE sequence's prompt. A back end may compute
 * all of them in another way than rows that stand alone (another order of sums, padded to a fixed
 * number of rows; with weights other than f32 both sides rounded to the 11 bits of f16, for tensor
 * cores); whether it does, and how, may depend on `count` and on no other row: rule 5. */
typedef struct rsn_chunk {
  uint32_t first;
  uint32_t count;
} rsn_chunk;
typedef struct rsn_matmul {
  uint32_t struct_size;
  uint32_t terms;      /* 1..4 */
  uint32_t accumulate; /* non-zero: out += product (the residual) */
  uint32_t reserved;
  rsn_tensor in;       /* f32 (rows, in) or (rows, batch, in) */
  rsn_matmul_term term[4];
  /* A hint that may be ignored. Numbers of the step like `rows`, so no view: read during the call. */
  const rsn_chunk *chunk; /* (chunks), disjoint, ascending; NULL: none */
  uint32_t chunks;
  uint32_t reserved2;
} rsn_matmul;

/* table[t, i] = {cos, sin}(position[t] * frequency[i]) * magnitude. Once per step. Angles are formed
 * in f64 (f32 loses the phase beyond 1e5 positions) or as exactly. */
typedef struct rsn_rope_table {
  uint32_t struct_size;
  float magnitude;
  rsn_tensor positions;   /* i32 (rows), step buffer */
  rsn_tensor frequencies; /* f32 (pairs, 2): hi + lo parts of an f64 frequency */
  rsn_tensor out;         /* f32 (rows, pairs, 2) */
} rsn_rope_table;

/* Rotates pairs of the last dimension in place: (u, v) -> (u cos - v sin, v cos + u sin). */
typedef struct rsn_rope {
  uint32_t struct_size;
  uint32_t interleaved; /* 1: pairs (2i, 2i+1); 0: (i, i + pairs) */
  rsn_tensor table;     /* f32 (rows, pairs, 2), from rope_table */
  rsn_tensor x;         /* f32 (rows, heads, 2 * pairs), a view with strides */
} rsn_rope;

/* cache[page, head, token] = in[t, head], converted; slot[t] = page * page_tokens + token. */
typedef struct rsn_kv_write {
  uint32_t struct_size, reserved;
  rsn_tensor in;    /* f32 (rows, heads, width) */
  rsn_tensor slots; /* i32 (rows), step buffer */
  rsn_tensor cache; /* f32|f16|bf16 (pages, heads, page_tokens, width) */
} rsn_kv_write;

/* cache[to[i]] = cache[from[i]] for whole pages, in any order: a fork's first write. No page is in `to`
 * twice, and none that is in `to` is in `from`, but for from[i] == to[i], which does nothing. */
typedef struct rsn_kv_copy_page {
  uint32_t struct_size, reserved;
  rsn_tensor cache; /* (pages, heads, page_tokens, width) */
  rsn_tensor from;  /* i32 (count), step buffer */
  rsn_tensor to;    /* i32 (count) */
} rsn_kv_copy_page;

/* Causal attention over the paged cache; softmax in f32; grouped heads: query head h reads key head
 * h / (heads / kv_heads). */
typedef struct rsn_attention {
  uint32_t struct_size;
  float scale; /* on q.k */
  rsn_tensor q;       /* f32 (rows, heads, width) */
  rsn_tensor k_cache; /* (pages, kv_heads, page_tokens, width) */
  rsn_tensor v_cache; /* (pages, kv_heads, page_tokens, value_width) */
  rsn_tensor out;     /* f32 (rows, heads, value_width) */
  rsn_ragged ragged;
} rsn_attention;

/* Multi-head latent attention over the compressed cache. Per head h and token:
 *   k_h = [w_k[h]^T c ; r], v_h = w_v[h] c, out_h = softmax(q_h . k_h * scale) v_h
 * where a cache row is [c (latent) ; r (rope)]. The back end may absorb w_k into the query and w_v
 * into the output, or expand keys and values: `form` 0 chooses by the SEQUENCE's own number of rows
 * (never by the batch's), 1 absorbs, 2 expands. Optional: the host composes the absorbed form from
 * matmul and attention. */
typedef struct rsn_mla_attention {
  uint32_t struct_size;
  float scale;
  uint32_t form;
  uint32_t reserved;
  rsn_tensor q_nope; /* f32 (rows, heads, nope) */
  rsn_tensor q_rope; /* f32 (rows, heads, rope), rotated */
  rsn_tensor w_k;    /* (heads, latent, nope): u_h = w_k[h] q_nope_h */
  rsn_tensor w_v;    /* (heads, value, latent) */
  rsn_tensor cache;  /* (pages, 1, page_tokens, latent + rope) */
  rsn_tensor out;    /* f32 (rows, heads, value) */
  rsn_ragged ragged;
} rsn_mla_attention;

/* out = silu(gate) * up, silu(z) = z / (1 + exp(-z)). out may be gate or up. */
typedef struct rsn_silu_mul {
  uint32_t struct_size, reserved;
  rsn_tensor gate; /* f32 (rows, width) */
  rsn_tensor up;   /* f32 (rows, width) */
  rsn_tensor out;  /* f32 (rows, width) */
} rsn_silu_mul;

/* Chooses experts. scores = softmax or sigmoid of the logits, f32; choice = scores + bias; groups are
 * ranked by `group_rule`; larger value first, then lower index; NaN ranks as -inf, ids stay in range.
 * weights = scores of the chosen (without bias), divided by (their sum + 1e-20) if normalize, then
 * times scale. ids of a row are in ascending order of expert. */
typedef struct rsn_moe_route {
  uint32_t struct_size;
  uint32_t scoring;           /* 0 softmax, 1 sigmoid */
  uint32_t groups;            /* 1 = no groups */
  uint32_t groups_used;
  uint32_t group_rule;        /* 0 largest member, 1 sum of the two largest */
  uint32_t masked_are_zero;   /* masked groups compete with 0 instead of -inf */
  uint32_t normalize;
  float scale;
  rsn_tensor logits;          /* f32 (rows, experts) */
  rsn_tensor bias;            /* f32 (experts), optional */
  rsn_tensor ids;             /* i32 (rows, used), out */
  rsn_tensor weights;         /* f32 (rows, used), out */
} rsn_moe_route;

/* out[t] (+)= sum over the chosen experts e, ascending, of weight * down_e(silu(gate_e x) * up_e x).
 * slots[e] is the index of expert e in the three stacks, or -1 if it lives elsewhere (skipped). */
typedef struct rsn_moe_experts {
  uint32_t struct_size;
  uint32_t accumulate;
  rsn_tensor in;      /* f32 (rows, width) */
  rsn_tensor ids;     /* i32 (rows, used) */
  rsn_tensor weights; /* f32 (rows, used) */
  rsn_tensor slots;   /* i32 (experts), step buffer */
  rsn_tensor gate;    /* (stacked, inner, width) */
  rsn_tensor up;      /* (stacked, inner, width) */
  rsn_tensor down;    /* (stacked, width, inner) */
  rsn_tensor out;     /* f32 (rows, width) */
} rsn_moe_experts;

/* What the sampler needs of each row of logits, so that few numbers leave the device.
 * First the RAW row gives logsumexp and entropy (nats, f64 or pairwise sums). Then adjustments, in
 * order: z = (z > 0 ? z / divisor : z * divisor) + add for the listed (row, id); the `top` largest
 * adjusted logits (ties: lower id first) come back with their raw values, and the adjusted
 * logsumexp. A NaN or +inf in the raw row sets flags bit 0. `logits` is left RAW: the host may fetch a
 * whole row afterwards when its filters need more than the top. */
typedef struct rsn_logit_record {  /* one per row, followed by nothing: f32 x 8 = 32 bytes */
  float logsumexp;
  float entropy;
  float adjusted_logsumexp;
  uint32_t flags; /* bit 0: a NaN or +inf was seen */
  uint32_t count; /* candidates written */
  uint32_t reserved[3];
} rsn_logit_record;
typedef struct rsn_reduce_logits {
  uint32_t struct_size;
  uint32_t top;               /* candidates per row */
  rsn_tensor logits;          /* f32 (rows, vocabulary); unchanged on return */
  rsn_tensor adjust_begin;    /* i32 (rows + 1), step buffer */
  rsn_tensor adjust_id;       /* i32 (capacity) */
  rsn_tensor adjust_divisor;  /* f32 (capacity) */
  rsn_tensor adjust_add;      /* f32 (capacity) */
  rsn_tensor records;         /* f32 (rows, 8): rsn_logit_record */
  rsn_tensor ids;             /* i32 (rows, top) */
  rsn_tensor values;          /* f32 (rows, top): adjusted logits */
  rsn_tensor raw;             /* f32 (rows, top): raw logits */
} rsn_reduce_logits;

/* Numbers for supports(): the operation's place in rsn_backend. */
enum {
  RSN_OP_EMBED, RSN_OP_GATHER_ROWS, RSN_OP_RMS_NORM, RSN_OP_MATMUL, RSN_OP_ROPE_TABLE, RSN_OP_ROPE,
  RSN_OP_KV_WRITE, RSN_OP_KV_COPY_PAGE, RSN_OP_ATTENTION, RSN_OP_MLA_ATTENTION, RSN_OP_SILU_MUL,
  RSN_OP_MOE_ROUTE, RSN_OP_MOE_EXPERTS, RSN_OP_REDUCE_LOGITS
};

/* How `weight` may keep the bytes. */
enum {
  RSN_WEIGHT_MAY_REFERENCE = 1, /* the bytes outlive the device: use them in place */
  RSN_WEIGHT_MAY_REPACK = 2     /* a private layout may be made (the tensor's layout != 0) */
};

/* -------- the table -----------------------------------------------------------------------------
 * Functions return 0 or a negative rsn_status of raison.h; the sentence is kept for last_error. */
typedef struct rsn_backend {
  uint32_t struct_size;
  uint32_t version; /* RSN_BACKEND_VERSION */
  const char *name; /* "cpu" */
  uint32_t (*device_count)(void); /* [required] also those that cannot be opened */
  int32_t (*device_open)(const rsn_backend_host *host, uint32_t index,
                         rsn_device_state **out); /* [required] */
  void (*device_close)(rsn_device_state *device); /* [required] what was made on it is freed before */
  int32_t (*device_info)(rsn_device_state *device, rsn_device_info *info); /* [required] */
  /* Thread-local text of the calling thread's last failure; never NULL. */
  const char *(*last_error)(void); /* [required] */

  /* Memory. Buffers are aligned to 64 bytes or more and zeroed when made. */
  int32_t (*buffer_new)(rsn_device_state *device, uint64_t bytes, rsn_buffer **out); /* [required] */
  void (*buffer_free)(rsn_buffer *buffer); /* [required] */
  /* Makes a weight of `description` (its buffer, offset and layout are filled in) from plain host
   * bytes: a reference, a copy or a repacked copy, as flags allow. *referenced tells whether the host
   * bytes are still used. The buffer is freed with buffer_free. */
  int32_t (*weight)(rsn_device_state *device, rsn_tensor *description, const void *bytes,
                    uint64_t size, uint32_t flags, uint32_t *referenced); /* [required] */

  /* Queues. An error of an enqueued operation is sticky and returned by synchronize, which clears it:
   * the queue then goes on. An index in the step buffer that is out of range is such an error, or its
   * row has no meaning; it never leads outside a view. */
  int32_t (*queue_new)(rsn_device_state *device, rsn_queue **out); /* [required] */
  void (*queue_free)(rsn_queue *queue); /* [required] */
  int32_t (*upload)(rsn_queue *queue, rsn_buffer *to, uint64_t offset, const void *from,
                    uint64_t bytes); /* [required] */
  /* `to` is filled by the next synchronize. */
  int32_t (*download)(rsn_queue *queue, void *to, rsn_buffer *from, uint64_t offset,
                      uint64_t bytes); /* [required] */
  int32_t (*synchronize)(rsn_queue *queue); /* [required] */

  /* Between begin and end operations are recorded and not run; upload, download and synchronize are
   * refused. replay enqueues the whole recording. All four are NULL together if there is no recording. */
  int32_t (*record_begin)(rsn_queue *queue);
  int32_t (*record_end)(rsn_queue *queue, rsn_recording **out);
  int32_t (*replay)(rsn_queue *queue, rsn_recording *recording);
  void (*recording_free)(rsn_recording *recording);

  /* Non-zero if the operation works for exactly this description (dtypes, layouts, shapes, widths,
   * page size). Buffers may be NULL. args points to the operation's own struct. */
  int32_t (*supports)(rsn_device_state *device, uint32_t op, const void *args); /* [required] */

  int32_t (*embed)(rsn_queue *, const rsn_embed *);                 /* [required] */
  int32_t (*gather_rows)(rsn_queue *, const rsn_gather_rows *);     /* [required] */
  int32_t (*rms_norm)(rsn_queue *, const rsn_rms_norm *);           /* [required] */
  int32_t (*matmul)(rsn_queue *, const rsn_matmul *);               /* [required] */
  int32_t (*rope_table)(rsn_queue *, const rsn_rope_table *);       /* [required] */
  int32_t (*rope)(rsn_queue *, const rsn_rope *);                   /* [required] */
  int32_t (*kv_write)(rsn_queue *, const rsn_kv_write *);           /* [required] */
  int32_t (*kv_copy_page)(rsn_queue *, const rsn_kv_copy_page *);   /* [required] */
  int32_t (*attention)(rsn_queue *, const rsn_attention *);         /* [required] */
  int32_t (*mla_attention)(rsn_queue *, const rsn_mla_attention *);
  int32_t (*silu_mul)(rsn_queue *, const rsn_silu_mul *);           /* [required] */
  int32_t (*moe_route)(rsn_queue *, const rsn_moe_route *);         /* [required] */
  int32_t (*moe_experts)(rsn_queue *, const rsn_moe_experts *);     /* [required] */
  int32_t (*reduce_logits)(rsn_queue *, const rsn_reduce_logits *); /* [required] */

  /* The device's line in a list, without opening it (a driver's context costs memory and time).
   * NULL: the host opens the device to ask. */
  int32_t (*device_query)(uint32_t index, rsn_device_info *info);

  /* Makes a weight as `weight` does, of which only the first `size` bytes, whole blocks, are given: they
   * repeat to its end, and the device writes them out in its own memory. For weights whose values do not
   * matter (timing). The host bytes are not used after it returns. NULL: all bytes are given to `weight`. */
  int32_t (*weight_repeated)(rsn_device_state *device, rsn_tensor *description, const void *bytes,
                             uint64_t size, uint32_t flags);
} rsn_backend;

/* The two symbols that a plug-in exports. Where no driver is installed rsn_backend_open still fills
 * name, version and last_error, and returns RSN_ERR_DEVICE (-32) with a sentence that says what is
 * missing: the plug-in itself must load on a machine without the device. */
uint32_t rsn_backend_version(void);
int32_t rsn_backend_open(const rsn_backend_host *host, rsn_backend *backend);

#ifdef __cplusplus
}
#endif
#endif /* RAISON_BACKEND_H_ */
