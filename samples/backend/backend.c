/* The table of the example back end: memory, queue, and the two symbols that a plug-in exports.
 * Operations run when they are enqueued, on the host's memory; there is no recording (NULL). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "example.h"

static __thread char last_sentence[256];

int32_t fail(int32_t code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_sentence, sizeof last_sentence, format, arguments);
  va_end(arguments);
  return code;
}

static const char *last_error(void) { return last_sentence; }

/* ---- the device */

static uint32_t device_count(void) { return 1; }

static int32_t device_open(const rsn_backend_host *host, uint32_t index, rsn_device_state **out) {
  if (index != 0) return fail(ERR_ARGUMENT, "example: there is no device %u", (unsigned)index);
  rsn_device_state *device = malloc(sizeof *device);
  if (device == NULL) return fail(ERR_MEMORY, "example: no memory for a device");
  device->host = host;
  *out = device;
  return OK;
}

static void device_close(rsn_device_state *device) { free(device); }

/* Both sides know a prefix of a struct: what is written is cut to the caller's size. */
static int32_t write_info(rsn_device_info *to) {
  rsn_device_info info;
  const uint32_t size = to->struct_size;
  memset(&info, 0, sizeof info);
  if (size < sizeof size) return fail(ERR_ARGUMENT, "example: struct_size is %u", (unsigned)size);
  info.struct_size = size;
  strcpy(info.name, "example");
  strcpy(info.description, "plain C99 loops: how a back end is written");
  memcpy(to, &info, size < sizeof info ? size : sizeof info);
  return OK;
}

static int32_t device_info(rsn_device_state *device, rsn_device_info *info) {
  (void)device;
  return write_info(info);
}

static int32_t device_query(uint32_t index, rsn_device_info *info) {
  if (index != 0) return fail(ERR_ARGUMENT, "example: there is no device %u", (unsigned)index);
  return write_info(info);
}

/* ---- memory */

static int32_t buffer_new(rsn_device_state *device, uint64_t bytes, rsn_buffer **out) {
  (void)device;
  rsn_buffer *buffer = calloc(1, sizeof *buffer);
  /* Zeroed and aligned to 64 bytes. A process addresses less than 2^47 bytes. */
  void *memory = bytes < (uint64_t)1 << 47 ? calloc(1, (size_t)bytes + 64) : NULL;
  if (buffer == NULL || memory == NULL) {
    free(buffer);
    free(memory);
    return fail(ERR_MEMORY, "example: no memory for %llu bytes", (unsigned long long)bytes);
  }
  buffer->allocated = memory;
  buffer->data = (char *)memory + (64 - (uintptr_t)memory % 64);
  buffer->bytes = bytes;
  *out = buffer;
  return OK;
}

static void buffer_free(rsn_buffer *buffer) {
  if (buffer == NULL) return;
  free(buffer->allocated);
  free(buffer);
}

static int32_t weight(rsn_device_state *device, rsn_tensor *description, const void *bytes,
                      uint64_t size, uint32_t flags, uint32_t *referenced) {
  int32_t code = check_weight(description, size);
  if (code != OK) return code;
  /* Floats are read in place, so they must be aligned; anything else is copied. */
  const int in_place = (flags & RSN_WEIGHT_MAY_REFERENCE) != 0 && (uintptr_t)bytes % 4 == 0;
  rsn_buffer *buffer = NULL;
  code = buffer_new(device, in_place ? 0 : size, &buffer);
  if (code != OK) return code;
  if (in_place) {
    buffer->data = (char *)(uintptr_t)bytes; /* only ever read */
    buffer->bytes = size;
  } else if (size > 0) {
    memcpy(buffer->data, bytes, (size_t)size);
  }
  description->buffer = buffer;
  description->offset = 0;
  description->layout = 0;
  *referenced = (uint32_t)in_place;
  return OK;
}

/* ---- the queue */

static int32_t queue_new(rsn_device_state *device, rsn_queue **out) {
  rsn_queue *queue = calloc(1, sizeof *queue);
  if (queue == NULL) return fail(ERR_MEMORY, "example: no memory for a queue");
  queue->device = device;
  *out = queue;
  return OK;
}

static void queue_free(rsn_queue *queue) { free(queue); }

static int32_t check_copy(const rsn_buffer *buffer, uint64_t offset, uint64_t bytes) {
  if (buffer == NULL) return fail(ERR_ARGUMENT, "example: a copy without a buffer");
  if (offset > buffer->bytes || bytes > buffer->bytes - offset) {
    return fail(ERR_ARGUMENT, "example: a copy of %llu bytes at %llu in a buffer of %llu",
                (unsigned long long)bytes, (unsigned long long)offset,
                (unsigned long long)buffer->bytes);
  }
  return OK;
}

static int32_t upload(rsn_queue *queue, rsn_buffer *to, uint64_t offset, const void *from,
                      uint64_t bytes) {
  const int32_t code = check_copy(to, offset, bytes);
  (void)queue;
  if (code == OK && bytes > 0) memcpy(to->data + offset, from, (size_t)bytes);
  return code;
}

static int32_t download(rsn_queue *queue, void *to, rsn_buffer *from, uint64_t offset,
                        uint64_t bytes) {
  const int32_t code = check_copy(from, offset, bytes);
  (void)queue;
  if (code == OK && bytes > 0) memcpy(to, from->data + offset, (size_t)bytes);
  return code;
}

static int32_t synchronize(rsn_queue *queue) {
  const int32_t code = queue->failure;
  if (code != OK) fail(code, "%s", queue->sentence);
  queue->failure = OK;
  return code;
}

/* ---- operations */

static int32_t supports(rsn_device_state *device, uint32_t op, const void *args) {
  (void)device;
  return check_op(op, args, WITHOUT_MEMORY) == OK;
}

/* An operation copies the prefix of the arguments that both sides know, is refused at once if its
 * description is wrong, and keeps what fails while it runs for synchronize. */
#define OPERATION(name, number)                                                             \
  static int32_t name(rsn_queue *queue, const rsn_##name *from) {                           \
    rsn_##name args;                                                                        \
    int32_t code;                                                                           \
    if (from == NULL || from->struct_size < sizeof from->struct_size) {                     \
      return fail(ERR_ARGUMENT, #name ": the argument struct has no size");                 \
    }                                                                                       \
    memset(&args, 0, sizeof args);                                                          \
    memcpy(&args, from, from->struct_size < sizeof args ? from->struct_size : sizeof args); \
    code = check_op(number, &args, WITH_MEMORY);                                            \
    if (code != OK || queue->failure != OK) return code;                                    \
    queue->failure = run_##name(queue, &args);                                              \
    if (queue->failure != OK) strcpy(queue->sentence, last_sentence);                       \
    return OK;                                                                              \
  }
OPERATION(embed, RSN_OP_EMBED)
OPERATION(gather_rows, RSN_OP_GATHER_ROWS)
OPERATION(rms_norm, RSN_OP_RMS_NORM)
OPERATION(matmul, RSN_OP_MATMUL)
OPERATION(rope_table, RSN_OP_ROPE_TABLE)
OPERATION(rope, RSN_OP_ROPE)
OPERATION(kv_write, RSN_OP_KV_WRITE)
OPERATION(kv_copy_page, RSN_OP_KV_COPY_PAGE)
OPERATION(attention, RSN_OP_ATTENTION)
OPERATION(silu_mul, RSN_OP_SILU_MUL)
OPERATION(moe_route, RSN_OP_MOE_ROUTE)
OPERATION(moe_experts, RSN_OP_MOE_EXPERTS)
OPERATION(reduce_logits, RSN_OP_REDUCE_LOGITS)

/* ---- the two symbols */

#define EXPORT __attribute__((visibility("default")))

EXPORT uint32_t rsn_backend_version(void) { return RSN_BACKEND_VERSION; }

EXPORT int32_t rsn_backend_open(const rsn_backend_host *host, rsn_backend *backend) {
  rsn_backend t;
  const uint32_t size = backend->struct_size;
  (void)host;
  if (size < 2 * sizeof(uint32_t)) return fail(ERR_ARGUMENT, "example: struct_size is too small");
  memset(&t, 0, sizeof t); /* what is not named below is absent: mla_attention and recording */
  t.struct_size = size;
  t.version = RSN_BACKEND_VERSION;
  t.name = "example";
  t.device_count = device_count;
  t.device_open = device_open;
  t.device_close = device_close;
  t.device_info = device_info;
  t.device_query = device_query;
  t.last_error = last_error;
  t.buffer_new = buffer_new;
  t.buffer_free = buffer_free;
  t.weight = weight;
  t.queue_new = queue_new;
  t.queue_free = queue_free;
  t.upload = upload;
  t.download = download;
  t.synchronize = synchronize;
  t.supports = supports;
  t.embed = embed;
  t.gather_rows = gather_rows;
  t.rms_norm = rms_norm;
  t.matmul = matmul;
  t.rope_table = rope_table;
  t.rope = rope;
  t.kv_write = kv_write;
  t.kv_copy_page = kv_copy_page;
  t.attention = attention;
  t.silu_mul = silu_mul;
  t.moe_route = moe_route;
  t.moe_experts = moe_experts;
  t.reduce_logits = reduce_logits;
  memcpy(backend, &t, size < sizeof t ? size : sizeof t);
  return OK;
}
