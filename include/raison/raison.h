/* raison.h: run reasoning models on your own hardware, and see and steer the reasoning.
 *
 * This header is the documentation and the only promise of libraison. It is C99, ordered as a
 * tutorial: chapter 1 is enough for a traced answer, each later chapter adds one thing.
 *
 *   #include <raison/raison.h>
 *   #include <stdio.h>
 *
 *   int main(void) {
 *     rsn_model *model;
 *     rsn_session *session = NULL;
 *     rsn_event event;
 *     rsn_event_init(&event, sizeof event);
 *     rsn_status status = rsn_model_load(&model, NULL, 0, NULL);  // the built-in model
 *     if (status == RSN_OK) status = rsn_session_new(&session, model, NULL);
 *     if (status == RSN_OK) status = rsn_session_ask(session, "What is 12 * 13?", RSN_NUL, NULL);
 *     while (status == RSN_OK && (status = rsn_session_next(session, &event)) == RSN_OK &&
 *            event.kind != RSN_EVENT_DONE)
 *       if (event.kind == RSN_EVENT_TOKEN) fwrite(event.text, 1, event.text_size, stdout);
 *     if (status != RSN_OK) fprintf(stderr, "%s\n", rsn_last_error());
 *     rsn_session_free(session);
 *     rsn_model_free(model);
 *     return status != RSN_OK;
 *   }
 *
 * Rules that hold for every function
 *
 *  Names     rsn_<noun>_<verb>. Nouns: model, messages, session, sessions (stepping many), event,
 *            token, step, devices, options.
 *  Status    Functions that can fail return rsn_status: RSN_OK (0) or a negative RSN_ERR_*, and
 *            then rsn_last_error() is a sentence that says what and why. Any function may return
 *            RSN_ERR_ARGUMENT for a NULL where none is allowed and for a value out of its range,
 *            RSN_ERR_STRUCT for a struct that was not initialised, RSN_ERR_MEMORY,
 *            RSN_ERR_INTERNAL, and for a handle that was made before fork() RSN_ERR_FORKED;
 *            comments name only what else can happen. A call that fails changes nothing unless its
 *            comment says otherwise. The library never ends the process, never prints, never
 *            throws, opens no socket.
 *  Handles   Functions that make a handle take `out` first and set it to NULL on failure. Free
 *            with the noun's own _free; freeing NULL is fine. A session keeps its model alive
 *            inside, so handles may be freed in any order. There is no global set-up or shutdown.
 *            Using a handle after it was freed is an error that the library cannot catch.
 *  Structs   Every struct begins with struct_size and is made ready by its _init function:
 *            rsn_event_init(&event, sizeof event). _init zeroes all of it and fills in "not set".
 *            Structs only ever grow at the end; a program compiled against an older or a newer
 *            header works: only the part that both know is read and written. Non-zero bytes in a
 *            part that this library does not know are RSN_ERR_STRUCT: nothing is silently ignored.
 *            Fields named reserved must be 0.
 *  Options   A NULL options pointer means the defaults. Integers are RSN_UNSET (-1) and floats NaN
 *            until you set them, where their comment says "Unset:": then the value named there
 *            holds, often what the model's file recommends.
 *  Text      UTF-8, always pointer + byte length, in both directions. Lengths that you pass may be
 *            RSN_NUL: the text ends at its NUL byte. Text that you get is not NUL-terminated unless
 *            its comment says so, is never cut inside a code point, and invalid bytes that a model
 *            makes arrive as U+FFFD.
 *  Owned:    says that you must free what you get.
 *  Borrowed: says how long what you get stays valid.
 *  Threads   A model may be used from any number of threads at once. A session, a messages object
 *            and a devices list are used by one thread at a time, any number of them at once; only
 *            rsn_session_cancel() may be called on a session from another thread. Using one session
 *            from two threads at once gives RSN_ERR_BUSY.
 *  fork()    In a child process the inherited handles are unusable: every call on them returns
 *            RSN_ERR_FORKED, their _free releases nothing. Load again in the child.
 *  Since:    the version that brought a function. All of this header is the stable tier.
 */
#ifndef RAISON_RAISON_H_
#define RAISON_RAISON_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(RSN_BUILDING)
#define RSN_API __declspec(dllexport)
#else
#define RSN_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define RSN_API __attribute__((visibility("default")))
#else
#define RSN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Chapter 0: numbers ---------------------------------------------------------------------- */

#define RSN_VERSION_MAJOR 0
#define RSN_VERSION_MINOR 1
#define RSN_VERSION_PATCH 0
/* 10000 * major + 100 * minor + patch of this header. */
#define RSN_VERSION_NUMBER 100

/* The length of a text that ends at its NUL byte. */
#define RSN_NUL ((size_t)-1)
/* An integer option that is not set. */
#define RSN_UNSET (-1)
/* A floating-point option that is not set is NaN; rsn_..._options_init writes it. */

/* What a call came to. The numbers are pinned for ever, in bands of ten. */
typedef int32_t rsn_status;
enum {
  RSN_OK = 0,
  /* -1x: the caller's arguments */
  RSN_ERR_ARGUMENT = -10, /* a NULL, a number out of range, an unknown enumerator */
  RSN_ERR_STRUCT = -11,   /* struct_size 0, or non-zero bytes that this version does not know */
  RSN_ERR_TEXT = -12,     /* text that is not UTF-8, or not the JSON that was asked for */
  RSN_ERR_CAPACITY = -13, /* the caller's buffer is too small; the needed size was written */
  /* -2x: files */
  RSN_ERR_NOT_FOUND = -20,   /* no such file, or it cannot be opened */
  RSN_ERR_FORMAT = -21,      /* malformed, truncated or contradicting itself */
  RSN_ERR_UNSUPPORTED = -22, /* well-formed, but not implemented; named in the sentence */
  RSN_ERR_TEMPLATE = -23,    /* no chat template, or it fails on these messages */
  /* -3x: memory and devices */
  RSN_ERR_MEMORY = -30, /* the system gave no memory */
  RSN_ERR_KV = -31,     /* kv_bytes is used up; free or rewind a session and go on */
  RSN_ERR_DEVICE = -32, /* a device is missing, refused or lost */
  /* -4x: state */
  RSN_ERR_STATE = -40,   /* not now: no request is running, or not from inside a callback */
  RSN_ERR_BUSY = -41,    /* another thread is using this session */
  RSN_ERR_FORKED = -42,  /* the handle was made in another process */
  RSN_ERR_CONTEXT = -43, /* the text does not fit the session's context length */
  /* -5x: cancelled */
  RSN_ERR_CANCELLED = -50, /* by rsn_session_cancel() or by a progress callback */
  /* -6x: the library's own faults */
  RSN_ERR_INTERNAL = -60,
  RSN_ERR_NONFINITE = -61 /* the model produced a NaN or an infinity */
};

/* The sentence of the calling thread's latest failed call.
 * Read it only after a failure: success does not clear it. Never NULL, NUL-terminated UTF-8.
 * Borrowed: until the next failing call on this thread. Since: 0.1 */
RSN_API const char *rsn_last_error(void);

/* The name of a status, "RSN_ERR_FORMAT"; "RSN_ERR_?" for an unknown number. NUL-terminated.
 * Borrowed: for ever. Since: 0.1 */
RSN_API const char *rsn_status_name(rsn_status status);

/* RSN_VERSION_NUMBER of the library that is running; the header's is the macro. Since: 0.1 */
RSN_API uint32_t rsn_version_number(void);

/* "0.1.0", NUL-terminated. Borrowed: for ever. Since: 0.1 */
RSN_API const char *rsn_version_text(void);

/* ---- Chapter 1: load, ask, read -------------------------------------------------------------- */

typedef struct rsn_model rsn_model;       /* immutable after load; shared by sessions and threads */
typedef struct rsn_session rsn_session;   /* one timeline: tokens, memory of them, trace */
typedef struct rsn_messages rsn_messages; /* a conversation */
typedef struct rsn_devices rsn_devices;   /* a list of devices, taken at one moment */

typedef struct rsn_model_options rsn_model_options;       /* chapter 5 */
typedef struct rsn_session_options rsn_session_options;   /* chapter 2 */
typedef struct rsn_generate_options rsn_generate_options; /* chapter 3 */

/* Loads a model from a GGUF file or a Hugging Face folder.
 *
 * path NULL loads the built-in model (looked for in RAISON_MODEL_PATH, beside the library, in
 * ../share/raison). A mapped file must not be changed while the model lives: that can end the
 * process with SIGBUS, which `load` = RSN_LOAD_COPY avoids. options NULL: the defaults.
 * Errors: RSN_ERR_NOT_FOUND, RSN_ERR_FORMAT, RSN_ERR_UNSUPPORTED, RSN_ERR_DEVICE,
 * RSN_ERR_CANCELLED (the progress callback returned non-zero).
 * Owned: *out, rsn_model_free(). Threads: any. Since: 0.1 */
RSN_API rsn_status rsn_model_load(rsn_model **out, const char *path, size_t path_size,
                                  const rsn_model_options *options);

/* Loads a model from the bytes of a GGUF file, an application's embedded resource for example.
 *
 * The bytes are used in place: they must stay valid and unchanged until the model and all of its
 * sessions are freed, unless `load` is RSN_LOAD_COPY. Errors as rsn_model_load().
 * Owned: *out, rsn_model_free(). Since: 0.1 */
RSN_API rsn_status rsn_model_load_memory(rsn_model **out, const void *bytes, size_t size,
                                         const rsn_model_options *options);

/* Gives up the caller's hold on a model; its memory goes when the last session is freed too.
 * NULL is fine. Since: 0.1 */
RSN_API void rsn_model_free(rsn_model *model);

/* Makes an empty session. It takes no cache memory until it is prompted.
 * Owned: *out, rsn_session_free(). Since: 0.1 */
RSN_API rsn_status rsn_session_new(rsn_session **out, rsn_model *model,
                                   const rsn_session_options *options);

/* Frees a session. A request that is running is cancelled first; events' pointers end here.
 * Must not be called while another thread uses the session, or inside its callback (then it does
 * nothing). NULL is fine. Since: 0.1 */
RSN_API void rsn_session_free(rsn_session *session);

/* Asks one question: a conversation of a single user message (see rsn_session_prompt()).
 * Since: 0.1 */
RSN_API rsn_status rsn_session_ask(rsn_session *session, const char *text, size_t text_size,
                                   const rsn_generate_options *options);

/* Kinds of event. Later versions add kinds: ignore the ones that you do not know. */
enum {
  RSN_EVENT_NONE = 0,        /* only from rsn_sessions_next(): nobody has a running request */
  RSN_EVENT_PROGRESS = 1,    /* a pass goes on; done, total, cached count the prompt's tokens */
  RSN_EVENT_TOKEN = 2,       /* one token with its record and the text that it completes */
  RSN_EVENT_STEP_BEGIN = 3,  /* a step of the thinking begins; `step` is its index */
  RSN_EVENT_STEP_END = 4,    /* it is complete; text is the whole step's */
  RSN_EVENT_THINK_BEGIN = 5, /* the thinking begins */
  RSN_EVENT_THINK_END = 6,   /* and ends; reason is a RSN_THINK_END_* */
  RSN_EVENT_NOTICE = 7,      /* an intervention; reason is a RSN_NOTICE_*, text a sentence */
  RSN_EVENT_DONE = 8         /* the last event of a request; reason is a RSN_DONE_* */
};

/* Where a token belongs. */
enum {
  RSN_CHANNEL_PROMPT = 0,   /* what the template made of the messages */
  RSN_CHANNEL_THINKING = 1, /* the chain of thought, tags not included */
  RSN_CHANNEL_ANSWER = 2,   /* what is meant for the reader */
  RSN_CHANNEL_CONTROL = 3   /* tags and end-of-text; such tokens have no text */
};

/* Who chose a token. */
enum {
  RSN_SOURCE_SAMPLED = 0,
  RSN_SOURCE_FORCED = 1,   /* by the library: closing tag, continuation of a minimum budget */
  RSN_SOURCE_INJECTED = 2, /* by rsn_session_inject() */
  RSN_SOURCE_PROMPT = 3
};

/* Why the thinking ended: `reason` of RSN_EVENT_THINK_END. */
enum {
  RSN_THINK_END_MODEL = 1,       /* the model closed it */
  RSN_THINK_END_SOFT_BUDGET = 2, /* at the first step boundary past think_budget_soft */
  RSN_THINK_END_HARD_BUDGET = 3, /* at think_budget_hard, or to keep answer_reserve free */
  RSN_THINK_END_CALLER = 4,      /* rsn_session_end_thinking() or RSN_END_THINKING */
  RSN_THINK_END_LENGTH = 5,      /* max_tokens or the context ended inside it */
  RSN_THINK_END_END_OF_TEXT = 6  /* the model ended its text without closing it */
};

/* Why a request is over: `reason` of RSN_EVENT_DONE. */
enum {
  RSN_DONE_END = 1,             /* the model ended its answer */
  RSN_DONE_STOP_STRING = 2,     /* one of `stop` appeared; it is not part of the answer */
  RSN_DONE_LENGTH_THINKING = 3, /* max_tokens, reached in the thinking */
  RSN_DONE_LENGTH_ANSWER = 4,   /* max_tokens, reached in the answer */
  RSN_DONE_CONTEXT_FULL = 5,    /* the session's context length is used up */
  RSN_DONE_CANCELLED = 6,       /* rsn_session_cancel() */
  RSN_DONE_STOPPED = 7,         /* rsn_session_stop() or RSN_STOP */
  RSN_DONE_UNCLOSED = 8,        /* the text ended while the thinking was never closed */
  RSN_DONE_FAILED = 9           /* an error: `status` is its number, text its sentence */
};

/* What the library did on its own or for you: `reason` of RSN_EVENT_NOTICE. */
enum {
  RSN_NOTICE_SOFT_BUDGET = 1,    /* think_budget_soft reached: ends at the next step boundary */
  RSN_NOTICE_HARD_BUDGET = 2,    /* think_budget_hard reached: closing tag forced */
  RSN_NOTICE_ANSWER_RESERVE = 3, /* thinking ended early to keep room for the answer */
  RSN_NOTICE_MINIMUM = 4,        /* a closing tag before think_minimum was replaced */
  RSN_NOTICE_END_THINKING = 5,   /* the caller ended the thinking */
  RSN_NOTICE_INJECTED = 6,       /* the caller's text went in */
  RSN_NOTICE_REWOUND = 7,        /* the session went back; position says where to */
  RSN_NOTICE_STOPPED = 8,        /* the caller stopped the request */
  RSN_NOTICE_CANCELLED = 9,      /* the caller cancelled it */
  RSN_NOTICE_PLACED = 10         /* at a request's beginning: which layers and experts run on which
                                    device. Not where all is done by the library's own CPU code and
                                    no GPU was passed over */
};

/* One event. Which fields count depends on kind; the others are 0, -1 (step, token, position), NaN
 * (the floats) or NULL.
 * Borrowed: its pointers live until the next rsn_session_next, _run, _prompt, _ask, _rewind or
 * _free on that session (for rsn_sessions_next: on any of those sessions); getters and cancel
 * leave them. */
typedef struct rsn_event {
  uint32_t struct_size; /* rsn_event_init() */
  int32_t kind;         /* RSN_EVENT_* */
  int32_t reason;       /* THINK_END, DONE, NOTICE: their reasons */
  rsn_status status;    /* DONE with RSN_DONE_FAILED: what failed; else RSN_OK */
  int64_t position;     /* the token's place in the session; for other kinds: the session's end */
  int64_t microseconds; /* since the request began */
  const char *text;     /* TOKEN: the text that this token completes, perhaps empty; STEP_END: the
                           step; NOTICE, failed DONE: a sentence; other DONE: the final answer, the
                           model's own form (the last \boxed{}, else what the answer says) */
  size_t text_size;     /* bytes */
  int32_t step;         /* TOKEN, STEP_*: index of the step, -1 outside the thinking;
                           DONE: the first step that states the final answer, -1 if none */
  int32_t channel;      /* RSN_CHANNEL_* */
  /* TOKEN */
  int32_t token;         /* id in the model's vocabulary */
  int32_t source;        /* RSN_SOURCE_* */
  int32_t rank;          /* 0: the model's most likely token */
  float logprob;         /* nats, whole vocabulary, temperature 1, before penalties and filters */
  float entropy;         /* nats, of that distribution */
  float sampled_logprob; /* nats, after the whole sampling chain; 0 for a token nobody drew */
  /* TOKEN, when `alternatives` was asked for: the most likely tokens, best first. */
  const int32_t *alternatives;        /* (alternative_count) token ids */
  const float *alternative_logprobs;  /* (alternative_count) as logprob */
  size_t alternative_count;
  /* TOKEN, when RSN_TRACE_EXPERTS was asked for: who computed this token, layer by layer. */
  const int32_t *expert_layers; /* (expert_count) */
  const int32_t *experts;       /* (expert_count) */
  const float *expert_weights;  /* (expert_count) gate weights */
  size_t expert_count;
  /* PROGRESS */
  int64_t done;   /* prompt tokens processed, the cached ones included; total once it decodes */
  int64_t total;  /* prompt tokens */
  int64_t cached; /* of these, tokens that an earlier request had processed */
} rsn_event;

/* Makes an event ready. size: sizeof *event. Since: 0.1 */
RSN_API rsn_status rsn_event_init(rsn_event *event, size_t size);

/* Produces the next event of the running request, computing what it needs.
 *
 * Waits at most wait_ms (generate options), then returns a PROGRESS event while the work goes on.
 * At most one token is computed beyond the event handed out, and one that steering discards leaves
 * no trace. After DONE a new prompt, or a rewind, starts the next request.
 * When the work fails the event is DONE with RSN_DONE_FAILED and the same status is returned; the
 * session keeps what it had, and rsn_session_rewind() to its end goes on from there.
 * Errors: RSN_ERR_STATE when no request is running; RSN_ERR_KV, RSN_ERR_DEVICE, RSN_ERR_NONFINITE.
 * Since: 0.1 */
RSN_API rsn_status rsn_session_next(rsn_session *session, rsn_event *event);

/* ---- Chapter 2: conversations and sessions --------------------------------------------------- */

enum {
  RSN_ROLE_SYSTEM = 0,
  RSN_ROLE_USER = 1,
  RSN_ROLE_ASSISTANT = 2,
  RSN_ROLE_TOOL = 3 /* what a tool gave back */
};

/* Makes an empty conversation. Owned: *out, rsn_messages_free(). Since: 0.1 */
RSN_API rsn_status rsn_messages_new(rsn_messages **out);

/* NULL is fine. Since: 0.1 */
RSN_API void rsn_messages_free(rsn_messages *messages);

/* Appends a message; the text is copied.
 * thinking: what an assistant thought before this text; NULL: nothing known. Templates decide what
 * they keep of it (DeepSeek-R1 drops earlier turns' thinking). RSN_ERR_TEXT if not UTF-8.
 * Since: 0.1 */
RSN_API rsn_status rsn_messages_add(rsn_messages *messages, int32_t role, const char *text,
                                    size_t text_size, const char *thinking, size_t thinking_size);

/* Since: 0.1 */
RSN_API rsn_status rsn_messages_count(const rsn_messages *messages, size_t *count);

/* Reads message `index`. Each pointer may be NULL. *thinking is NULL if none was given.
 * Borrowed: until the next call on messages that changes it. Since: 0.1 */
RSN_API rsn_status rsn_messages_get(const rsn_messages *messages, size_t index, int32_t *role,
                                    const char **text, size_t *text_size, const char **thinking,
                                    size_t *thinking_size);

/* Removes message `index` and all after it: edit an earlier turn and prompt again. Since: 0.1 */
RSN_API rsn_status rsn_messages_truncate(rsn_messages *messages, size_t index);

struct rsn_session_options {
  uint32_t struct_size;    /* rsn_session_options_init() */
  uint32_t context_length; /* tokens, at most the model's own; 0: the model option's, else the
                              model's own but at most 32,768 */
};

/* Since: 0.1 */
RSN_API rsn_status rsn_session_options_init(rsn_session_options *options, size_t size);

/* Starts a request: renders the whole conversation with the model's template, keeps the prefix that
 * the session already holds, and makes rsn_session_next() go on from there.
 *
 * Give the whole conversation each time; processing begins with the first next. A request that is
 * running is dropped without a DONE. messages may be freed at once.
 * Errors: RSN_ERR_TEMPLATE; RSN_ERR_CONTEXT if the prompt leaves no room for a token;
 * RSN_ERR_TEXT for template_arguments that are not a JSON object; RSN_ERR_STATE inside a callback.
 * On an error the session is as it was. Since: 0.1 */
RSN_API rsn_status rsn_session_prompt(rsn_session *session, const rsn_messages *messages,
                                      const rsn_generate_options *options);

/* Starts a request from raw text, with no template: continuation of a plain text, or a prompt that
 * you rendered yourself. flags: RSN_TOKENIZE_*. Otherwise as rsn_session_prompt(). Since: 0.1 */
RSN_API rsn_status rsn_session_prompt_text(rsn_session *session, const char *text, size_t text_size,
                                           uint32_t flags, const rsn_generate_options *options);

/* ---- Chapter 3: options of a request --------------------------------------------------------- */

enum {
  RSN_THINKING_AUTO = 0, /* as the template does it */
  RSN_THINKING_ON = 1,   /* the thinking is opened if the template did not */
  RSN_THINKING_OFF = 2   /* the template's own switch where it has one, else an empty thinking */
};

/* `trace`: what to record beyond log-probability and entropy, which are always there. */
enum {
  RSN_TRACE_EXPERTS = 1, /* (layer, expert, gate weight) of every token; counts per step */
  RSN_TRACE_PROMPT = 2   /* records of the prompt's tokens too: nothing of it is reused */
};

enum {
  RSN_RELEASE_TOKEN = 0, /* TOKEN events of the thinking carry their text */
  RSN_RELEASE_STEP = 1   /* they carry none; STEP_END has the step's: judge, then show */
};

/* The same numbers mean different distributions in different orders of the chain. Repetition,
 * presence and frequency penalty and the logit bias come first in both. */
enum {
  RSN_ORDER_HUGGING_FACE = 0, /* temperature, top_k, top_p, min_p: what model cards mean */
  RSN_ORDER_LLAMA_CPP = 1     /* top_k, top_p, min_p at temperature 1, then temperature */
};

/* Options of one request. A draw depends on (seed, branch, position) and nothing else: not on time,
 * threads or other sessions. A file that recommends any of temperature, top_k, top_p and min_p
 * speaks for all four: those that it leaves out are off. */
struct rsn_generate_options {
  uint32_t struct_size; /* rsn_generate_options_init() */
  int32_t max_tokens;   /* thinking and answer together; Unset: until the context is full */
  uint64_t seed;        /* default 0: the same program prints the same twice */
  int32_t branch;       /* Unset: 0 in a new session; after a fork or rewind the next number that
                           neither it nor its forks have used */
  int32_t thinking;     /* RSN_THINKING_* */

  float temperature;        /* 0: always the most likely token. Unset: the file's, else 0.6 */
  float top_p;              /* 0 < top_p <= 1, 1: off. Unset: the file's, else 0.95 */
  float min_p;              /* 0 <= min_p <= 1, 0: off. Unset: the file's, else 0 */
  float repetition_penalty; /* > 0, 1: off. Unset: the file's, else 1 */
  float presence_penalty;   /* 0: off. Unset: 0 */
  float frequency_penalty;  /* 0: off. Unset: 0 */
  int32_t top_k;            /* 0: off. Unset: the file's, else 0 */
  int32_t penalty_last_n;   /* tokens the penalties look back on, the prompt's included; 0: all.
                               Unset: 0 */

  const int32_t *logit_bias_tokens; /* (logit_bias_count) token ids */
  const float *logit_bias;          /* (logit_bias_count) added to the logit; -INFINITY forbids */
  size_t logit_bias_count;

  const char *const *stop;  /* (stop_count) texts that end the request, looked for in the answer */
  const size_t *stop_sizes; /* (stop_count) bytes, or RSN_NUL; NULL: all are RSN_NUL */
  size_t stop_count;

  int32_t release;           /* RSN_RELEASE_* */
  int32_t think_budget_soft; /* tokens; past it the thinking ends at the next step boundary.
                                Unset: none */
  int32_t think_budget_hard; /* at most so many tokens, tags not counted; 0: no thinking.
                                Unset: none */
  int32_t think_minimum;     /* no closing tag before so many tokens. Unset: none */
  int32_t answer_reserve;    /* tokens of max_tokens and context that the thinking may not take.
                                Unset: a quarter of what there is, at most 512 */
  uint32_t trace;            /* RSN_TRACE_* or-ed together */
  const char *continuation;  /* goes in where think_minimum replaces a closing tag. NULL: "Wait" */
  size_t continuation_size;

  const char *template_arguments; /* a JSON object of extra template variables; NULL: none */
  size_t template_arguments_size;

  int32_t alternatives;         /* top tokens in each record, 0..64; Unset: 0 */
  uint32_t exclude_first_token; /* non-zero, with rewind and fork: the token that followed there is
                                   not drawn again as the first one */
  uint32_t continue_last;       /* non-zero: go on from the end of the assistant's last message */
  int32_t wait_ms;              /* rsn_session_next waits at most so long; 0: never waits.
                                   Unset: 100 */
  int32_t sampling_order;       /* RSN_ORDER_* */
  uint32_t reserved;
};

/* Since: 0.1 */
RSN_API rsn_status rsn_generate_options_init(rsn_generate_options *options, size_t size);

/* The options that the session's request really uses: nothing in them is unset.
 * Errors: RSN_ERR_STATE before the first request.
 * Borrowed: until the next prompt, ask, rewind or free of the session. Since: 0.1 */
RSN_API rsn_status rsn_session_generate_options(const rsn_session *session,
                                                rsn_generate_options *options);

/* ---- Chapter 4: see and steer ---------------------------------------------------------------- */

/* What a step is, by its opening words. */
enum {
  RSN_MARKER_PLAIN = 0,
  RSN_MARKER_CHECK = 1,      /* "Let me verify" */
  RSN_MARKER_CORRECTION = 2, /* "Wait", "Actually", "Alternatively" */
  RSN_MARKER_CONCLUSION = 3  /* "Therefore", "So the answer" */
};
enum {
  RSN_STEP_DISCARDED = 1, /* a rewind left it; it stays readable */
  RSN_STEP_FORCED = 2,    /* it holds forced or injected tokens */
  RSN_STEP_OPEN = 4       /* its end has not come yet */
};

/* A step: one paragraph of the thinking. Live steps tile the thinking: half-open ranges of
 * positions without gap or overlap, whose texts concatenate to it byte for byte. */
typedef struct rsn_step {
  uint32_t struct_size;  /* rsn_step_init() */
  int32_t index;         /* its number for rsn_session_step(); discarded steps keep theirs */
  int64_t id;            /* never used again in this session or its forks */
  int64_t parent;        /* id of the step before it in its branch; -1: the first */
  int32_t channel;       /* RSN_CHANNEL_THINKING */
  int32_t marker;        /* RSN_MARKER_* */
  uint32_t flags;        /* RSN_STEP_* or-ed together */
  int32_t branch;        /* the branch that it was drawn in */
  const char *text;      /* Borrowed: until the next event, rewind, prompt or free */
  size_t text_size;      /* bytes */
  int64_t begin;         /* first position */
  int64_t end;           /* one past the last */
  int64_t rewind;        /* the position for rsn_session_rewind() to draw this step again */
  double begin_seconds;  /* since the request began */
  double end_seconds;
  float mean_logprob;    /* nats per token */
  float lowest_logprob;
  float mean_entropy;    /* nats */
  float confidence;      /* exp(mean_logprob): the geometric mean probability of its tokens, 0..1 */
} rsn_step;

/* The record of one token. The fields are those of rsn_event. */
typedef struct rsn_token {
  uint32_t struct_size; /* rsn_token_init() */
  int32_t token;
  int64_t position;
  int64_t microseconds; /* since its request began */
  const char *text;     /* this token's own bytes, perhaps a part of a code point */
  size_t text_size;
  int32_t step;
  int32_t channel;
  int32_t source;
  int32_t rank;    /* -1: not computed (a prompt token without RSN_TRACE_PROMPT) */
  float logprob;   /* NaN: not computed; so the next two */
  float entropy;
  float sampled_logprob;
  int32_t branch;
  const int32_t *alternatives;       /* (alternative_count) */
  const float *alternative_logprobs; /* (alternative_count) */
  size_t alternative_count;
  const int32_t *expert_layers; /* (expert_count) */
  const int32_t *experts;       /* (expert_count) */
  const float *expert_weights;  /* (expert_count) */
  size_t expert_count;
} rsn_token;

/* Since: 0.1 */
RSN_API rsn_status rsn_step_init(rsn_step *step, size_t size);
/* Since: 0.1 */
RSN_API rsn_status rsn_token_init(rsn_token *token, size_t size);

/* Writes an event, or a step, as one object of JSON without a newline: the same bytes in every
 * language. The keys are those of docs/trace.schema.json; what `raison run --json` adds to a line from
 * elsewhere (texts of alternatives, a step's numbers in its step_end) is not in it. A kind that this
 * library does not know has the name "unknown". See "Arrays" at rsn_model_tokenize(). Since: 0.1 */
RSN_API rsn_status rsn_event_json(const rsn_event *event, char *text, size_t capacity,
                                  size_t *text_size);
/* Since: 0.1 */
RSN_API rsn_status rsn_step_json(const rsn_step *step, char *text, size_t capacity,
                                 size_t *text_size);

/* How many steps the running or latest request has, discarded ones included. Since: 0.1 */
RSN_API rsn_status rsn_session_step_count(const rsn_session *session, size_t *count);

/* Reads step `index` < count; indexes are in order of time. Since: 0.1 */
RSN_API rsn_status rsn_session_step(const rsn_session *session, size_t index, rsn_step *step);

/* How often each expert worked on a step: counts is (layers, experts) row by row, dense layers all
 * 0. See "Arrays" at rsn_model_tokenize() for capacity and count.
 * Errors: RSN_ERR_STATE if RSN_TRACE_EXPERTS was not asked for; RSN_ERR_UNSUPPORTED on a dense
 * model.
 * Since: 0.1 */
RSN_API rsn_status rsn_session_step_experts(const rsn_session *session, size_t index,
                                            uint32_t *counts, size_t capacity, size_t *count);

/* *running becomes 1 while a request has events left; it is 0 before the first and after DONE.
 * Since: 0.1 */
RSN_API rsn_status rsn_session_running(const rsn_session *session, int32_t *running);

/* The number of tokens that the session holds: the position of the next one. Since: 0.1 */
RSN_API rsn_status rsn_session_position(const rsn_session *session, int64_t *position);

/* Reads the record of the token at a position < rsn_session_position(), of the prompt too.
 * Borrowed: its pointers, until the next event, rewind, prompt or free. Since: 0.1 */
RSN_API rsn_status rsn_session_token(const rsn_session *session, int64_t position,
                                     rsn_token *token);

/* All text of a channel (THINKING or ANSWER) of the running or latest request, so far.
 * Borrowed: until the next event, rewind, prompt or free. Since: 0.1 */
RSN_API rsn_status rsn_session_text(const rsn_session *session, int32_t channel, const char **text,
                                    size_t *text_size);

/* The final answer in the model's own form, and the first step that states it (-1: none; may be
 * NULL). Before DONE it is what can be known so far, perhaps empty. Borrowed: as
 * rsn_session_text().
 * Since: 0.1 */
RSN_API rsn_status rsn_session_answer(const rsn_session *session, const char **text,
                                      size_t *text_size, int32_t *step);

/* The raw logits after the session's latest token, one per vocabulary entry. See "Arrays" at
 * rsn_model_tokenize(). Errors: RSN_ERR_STATE before the prompt is processed. Since: 0.1 */
RSN_API rsn_status rsn_session_logits(rsn_session *session, float *logits, size_t capacity,
                                      size_t *count);

/* The bill of the running or latest request. */
typedef struct rsn_usage {
  uint32_t struct_size; /* rsn_usage_init() */
  uint32_t reserved;
  int64_t prompt_tokens;    /* the whole prompt */
  int64_t cached_tokens;    /* of it, reused from earlier */
  int64_t thinking_tokens;  /* in the live branch, tags not counted */
  int64_t answer_tokens;    /* in the live branch */
  int64_t forced_tokens;    /* of both and of the tags: forced or injected */
  int64_t discarded_tokens; /* left behind by rewinds */
  int64_t passes;           /* forward passes that this session took part in */
  double prompt_seconds;    /* processing the prompt */
  double thinking_seconds;
  double answer_seconds;
  double total_seconds; /* from the request's beginning to its latest event */
} rsn_usage;
/* Since: 0.1 */
RSN_API rsn_status rsn_usage_init(rsn_usage *usage, size_t size);
/* Since: 0.1 */
RSN_API rsn_status rsn_session_usage(const rsn_session *session, rsn_usage *usage);

/* Steering: each of these may be called between two rsn_session_next(), and inside the callback of
 * rsn_session_run(). Every intervention is announced by a NOTICE event. Errors: RSN_ERR_STATE when
 * there is no request to steer. */

/* Ends the thinking now: the model's closing tag and what it was trained to see after it are fed
 * through the model, which then answers. Errors: RSN_ERR_STATE outside the thinking. Since: 0.1 */
RSN_API rsn_status rsn_session_end_thinking(rsn_session *session);

/* Ends the request: the next event but NOTICE is DONE with RSN_DONE_STOPPED. Since: 0.1 */
RSN_API rsn_status rsn_session_stop(rsn_session *session);

/* Puts text into the current channel, as if the model had written it; its tokens are TOKEN events
 * with the model's own log-probabilities. Special-token strings in it are plain text.
 * Errors: RSN_ERR_CONTEXT. Since: 0.1 */
RSN_API rsn_status rsn_session_inject(rsn_session *session, const char *text, size_t text_size);

/* Goes back: tokens from `position` on are dropped, and the request runs on from there, also one
 * that was done. position: from the end of the prompt to rsn_session_position() (which drops
 * nothing).
 *
 * options NULL: those of the request, with the next branch number, so that sampling gives something
 * new; with an explicit branch (the old number replays bit for bit). At temperature 0 a rewind
 * changes nothing unless something else changes: the temperature, injected text,
 * exclude_first_token. Dropped steps stay readable, marked RSN_STEP_DISCARDED. Since: 0.1 */
RSN_API rsn_status rsn_session_rewind(rsn_session *session, int64_t position,
                                      const rsn_generate_options *options);

/* Makes a second session that holds the same tokens, steps and request, and shares the memory of
 * them until one of the two writes. options as in rsn_session_rewind(). The fork's request runs on
 * at the same position, also where the original's was cut short; a text that the model has ended
 * stays ended until the fork is rewound.
 * Legal between two next and inside the callback; the fork is a session of its own, on which also
 * the callback may call everything. Owned: *out, rsn_session_free(). Since: 0.1 */
RSN_API rsn_status rsn_session_fork(rsn_session **out, rsn_session *session,
                                    const rsn_generate_options *options);

/* Ends the running request from any thread, within 250 ms, prompt processing included; it ends with
 * DONE and RSN_DONE_CANCELLED, and the session stays usable. Without a running request: nothing
 * happens. Threads: any; the session must not be freed meanwhile. Since: 0.1 */
RSN_API rsn_status rsn_session_cancel(rsn_session *session);

/* What a trace callback returns. Other values are reserved: rsn_session_run() ends with
 * RSN_ERR_ARGUMENT. */
enum {
  RSN_CONTINUE = 0,
  RSN_END_THINKING = 1, /* as rsn_session_end_thinking(); outside the thinking: continue */
  RSN_STOP = 2          /* as rsn_session_stop() */
};
typedef int32_t (*rsn_event_callback)(rsn_session *session, const rsn_event *event,
                                      void *user_data);

/* Runs the request to its end, calling `callback` for each event, DONE included: on this thread, in
 * order, never after return.
 *
 * Inside the callback the getters, steering verbs, rewind, fork and cancel are legal on this session;
 * anything else on it is RSN_ERR_STATE. A rewind on DONE makes the run go on. callback NULL: only
 * run.
 * Errors: as rsn_session_next(); RSN_ERR_ARGUMENT for an unknown return value (the request can
 * then be continued). Since: 0.1 */
RSN_API rsn_status rsn_session_run(rsn_session *session, rsn_event_callback callback,
                                   void *user_data);

/* Advances many sessions of one model from one thread: returns one event, of sessions[*which].
 *
 * Sessions that step together share a forward pass. Sessions without a running request are skipped;
 * if none has one, event->kind is RSN_EVENT_NONE and *which = count. A session's failure is its own
 * event (DONE with RSN_DONE_FAILED), and this call returns RSN_OK. The same session may not stand
 * twice in the array. wait_ms: the shortest of theirs. Since: 0.1 */
RSN_API rsn_status rsn_sessions_next(rsn_session *const *sessions, size_t count, size_t *which,
                                     rsn_event *event);

/* ---- Chapter 5: options of a model, devices -------------------------------------------------- */

enum { RSN_KV_DEFAULT = 0 /* F16 */, RSN_KV_F32 = 1, RSN_KV_F16 = 2, RSN_KV_BF16 = 3 };
enum {
  RSN_LOAD_MAP = 0,  /* the file is mapped and its pages shared with other processes */
  RSN_LOAD_COPY = 1, /* the file is read into memory and closed */
  RSN_LOAD_HEADER = 2 /* no weights: information, tokens and templates work, sessions do not */
};
enum { RSN_LOG_ERROR = 0, RSN_LOG_WARNING = 1, RSN_LOG_INFORMATION = 2, RSN_LOG_DETAIL = 3 };

/* done of total bytes are loaded: read from the files with RSN_LOAD_COPY, which is half of the way, and
 * made into weights. done never falls, and ends at total. Called on the loading thread; non-zero cancels
 * the load. */
typedef int32_t (*rsn_progress_callback)(uint64_t done, uint64_t total, void *user_data);
/* The library's only voice. level: RSN_LOG_*. Called one call at a time, on any of the library's
 * threads or the caller's, until the model and all of its sessions are freed. Must not call the
 * library. text is NUL-terminated too. */
typedef void (*rsn_log_callback)(int32_t level, const char *text, size_t text_size,
                                 void *user_data);

struct rsn_model_options {
  uint32_t struct_size; /* rsn_model_options_init() */
  int32_t threads;      /* Unset: as many as the process may use (affinity, cgroup quota) */
  const char *device;   /* a name from rsn_devices_get(), or several: "cuda:0=20,cpu" has the first
                           20 layers on cuda:0 and the rest on the CPU; "cuda:0,cpu" as many as fit
                           there. NULL: the best that holds the whole model, else the CPU */
  size_t device_size;
  const char *backend_path; /* a folder to look for plug-ins in first, or one's file; NULL: none. One
                               without plug-ins is RSN_ERR_DEVICE */
  size_t backend_path_size;
  const char *chat_template; /* a Jinja template used instead of the file's; NULL: the file's */
  size_t chat_template_size;
  uint64_t kv_bytes;       /* limit of all sessions' caches together, taken as they grow; 0: half of
                              what the weights leave free, but one whole context where there is
                              room for it, and at most 64 sessions' whole contexts */
  uint32_t context_length; /* of sessions that name none; 0: the model's own, at most 32,768; more
                              than the model's own is RSN_ERR_UNSUPPORTED */
  int32_t kv_type;         /* RSN_KV_* */
  int32_t load;            /* RSN_LOAD_* */
  uint32_t repack;         /* 0: weights are used as they lie in the file, which stays mapped and
                              shared; non-zero (default): repacked where that is faster */
  uint32_t exact;          /* non-zero: prefix reuse and other chunkings are bit-identical too, at
                              some cost in speed */
  uint32_t reserved;
  rsn_progress_callback progress;
  void *progress_data;
  rsn_log_callback log;
  void *log_data;
  const char *experts; /* the device of all routed experts, or a split of each layer's like that of
                          `device`: "cuda:0=96,cpu" has the first 96 on the first, "own=96,cpu" with
                          their layer; NULL: all with their layers */
  size_t experts_size;
};

/* Since: 0.1 */
RSN_API rsn_status rsn_model_options_init(rsn_model_options *options, size_t size);

enum { RSN_DEVICE_CPU = 0, RSN_DEVICE_INTEGRATED_GPU = 1, RSN_DEVICE_GPU = 2 };

/* One device. Borrowed: its texts, until the list is freed. */
typedef struct rsn_device {
  uint32_t struct_size; /* rsn_device_init() */
  int32_t kind;         /* RSN_DEVICE_* */
  const char *name;     /* for rsn_model_options.device: "cpu" */
  size_t name_size;
  const char *description; /* "AMD EPYC ..., AVX-512 VNNI" */
  size_t description_size;
  const char *problem; /* why it cannot be used; NULL: it can */
  size_t problem_size;
  uint64_t memory_total; /* bytes */
  uint64_t memory_free;  /* bytes, when the list was taken */
  const char *driver;    /* "580.65.06"; NULL: none is involved */
  size_t driver_size;
} rsn_device;
/* Since: 0.1 */
RSN_API rsn_status rsn_device_init(rsn_device *device, size_t size);

/* Lists the devices, the CPU first, plug-ins opened (backend_path: as in rsn_model_options; then the
 * folders of RAISON_BACKEND_PATH, then the library's own). A plug-in that cannot be used, because
 * its driver is missing for instance, is one line with its problem, and so is a place of
 * RAISON_BACKEND_PATH without plug-ins.
 * Owned: *out, rsn_devices_free(). Since: 0.1 */
RSN_API rsn_status rsn_devices_new(rsn_devices **out, const char *backend_path,
                                   size_t backend_path_size);
/* NULL is fine. Since: 0.1 */
RSN_API void rsn_devices_free(rsn_devices *devices);
/* Since: 0.1 */
RSN_API rsn_status rsn_devices_count(const rsn_devices *devices, size_t *count);
/* Since: 0.1 */
RSN_API rsn_status rsn_devices_get(const rsn_devices *devices, size_t index, rsn_device *device);

/* ---- Chapter 6: what a model is -------------------------------------------------------------- */

/* Borrowed: its texts, until the model is freed. */
typedef struct rsn_model_info {
  uint32_t struct_size;     /* rsn_model_info_init() */
  uint32_t context_length;  /* tokens, the model's own limit */
  const char *architecture; /* "deepseek_v3", "llama", "qwen2" */
  size_t architecture_size;
  const char *name;
  size_t name_size;
  const char *path; /* of the file or folder; "memory" for a model loaded from memory */
  size_t path_size;
  const char *type; /* the element type that most weights have: "Q4_K" */
  size_t type_size;
  const char *device; /* that it was loaded on */
  size_t device_size;
  const char *chat_template; /* NULL: none */
  size_t chat_template_size;
  uint64_t parameters;         /* all of them */
  uint64_t active_parameters;  /* that one token meets */
  uint64_t file_bytes;         /* size of the file or files */
  uint64_t weight_bytes;       /* memory that the weights take */
  uint64_t kv_bytes_per_token; /* of one session, at this kv_type */
  uint64_t kv_bytes_limit;     /* of all sessions */
  uint64_t kv_bytes_used;      /* now */
  uint64_t passes;             /* forward passes since load */
  uint64_t tensors;            /* for rsn_model_tensor() */
  uint32_t vocabulary;
  uint32_t layers;
  uint32_t hidden;      /* width of a token between layers */
  uint32_t heads;       /* of attention */
  uint32_t kv_heads;    /* 1 for MLA's shared latent */
  uint32_t experts;     /* routed experts of a layer; 0: a dense model */
  uint32_t experts_used; /* per token */
  uint32_t experts_shared;
  uint32_t dense_layers; /* leading layers without experts */
  uint32_t threads;
  int32_t bos_token;         /* -1: none; so the next three */
  int32_t eos_token;
  int32_t think_begin_token; /* -1 also if the tag is more than one token */
  int32_t think_end_token;
  /* What unset generate options become. */
  float temperature;
  float top_p;
  float min_p;
  float repetition_penalty;
  int32_t top_k;
  uint32_t sampling_from_file; /* non-zero: the file recommends at least one of them */
} rsn_model_info;

/* Since: 0.1 */
RSN_API rsn_status rsn_model_info_init(rsn_model_info *info, size_t size);
/* Since: 0.1 */
RSN_API rsn_status rsn_model_describe(const rsn_model *model, rsn_model_info *info);

/* One tensor of the file. Borrowed: its texts, until the model is freed. */
typedef struct rsn_tensor_info {
  uint32_t struct_size; /* rsn_tensor_info_init() */
  uint32_t rank;        /* 1..4 */
  const char *name;
  size_t name_size;
  const char *type; /* "Q4_K" */
  size_t type_size;
  uint64_t shape[4]; /* outermost first; unused ones are 0 */
  uint64_t bytes;
} rsn_tensor_info;
/* Since: 0.1 */
RSN_API rsn_status rsn_tensor_info_init(rsn_tensor_info *info, size_t size);
/* Reads tensor `index` < rsn_model_info.tensors, in the file's order. Since: 0.1 */
RSN_API rsn_status rsn_model_tensor(const rsn_model *model, size_t index, rsn_tensor_info *info);

enum { RSN_FORMAT_TEXT = 0, RSN_FORMAT_JSON = 1 };
typedef struct rsn_plan_options {
  uint32_t struct_size; /* rsn_plan_options_init() */
  int32_t format;       /* RSN_FORMAT_* */
  uint32_t context_length; /* 0: the sessions' default */
  uint32_t sessions;       /* default 1 */
} rsn_plan_options;
/* Since: 0.1 */
RSN_API rsn_status rsn_plan_options_init(rsn_plan_options *options, size_t size);

/* Writes which device holds and computes what, and how many bytes weights, caches and work space
 * take, for people or as JSON. Works after RSN_LOAD_HEADER too: ask before you load.
 * See "Arrays" at rsn_model_tokenize(). Since: 0.1 */
RSN_API rsn_status rsn_model_plan(const rsn_model *model, const rsn_plan_options *options,
                                  char *text, size_t capacity, size_t *text_size);

/* ---- Chapter 7: tokens and templates --------------------------------------------------------- */

enum {
  RSN_TOKENIZE_SPECIAL = 1, /* strings of special tokens in the text become those tokens */
  RSN_TOKENIZE_BOS = 2      /* begins with the model's begin-of-text token, if it uses one */
};

/* Turns text into tokens. Text need not be valid UTF-8 here.
 *
 * Arrays: functions that write an array into your memory take its capacity and always set the last
 * argument to the full count. If that is more than capacity nothing is written and the status is
 * RSN_ERR_CAPACITY; asking with NULL and capacity 0 is RSN_OK. Since: 0.1 */
RSN_API rsn_status rsn_model_tokenize(const rsn_model *model, const char *text, size_t text_size,
                                      uint32_t flags, int32_t *tokens, size_t capacity,
                                      size_t *count);

enum { RSN_DETOKENIZE_SPECIAL = 1 /* special tokens give their text; otherwise none */ };

/* Turns tokens into text: exactly the bytes, which may end inside a code point.
 * Errors: RSN_ERR_ARGUMENT for an id outside the vocabulary. Since: 0.1 */
RSN_API rsn_status rsn_model_detokenize(const rsn_model *model, const int32_t *tokens, size_t count,
                                        uint32_t flags, char *text, size_t capacity,
                                        size_t *text_size);

/* The text of one token, special ones too; perhaps a part of a code point.
 * Borrowed: until the model is freed. Since: 0.1 */
RSN_API rsn_status rsn_model_token_text(const rsn_model *model, int32_t token, const char **text,
                                        size_t *text_size);

/* Renders a conversation as rsn_session_prompt() does it. Of the options only thinking,
 * template_arguments and continue_last count. Errors: RSN_ERR_TEMPLATE, RSN_ERR_TEXT. Since: 0.1 */
RSN_API rsn_status rsn_model_render(const rsn_model *model, const rsn_messages *messages,
                                    const rsn_generate_options *options, char *text,
                                    size_t capacity, size_t *text_size);

#ifdef __cplusplus
}
#endif
#endif /* RAISON_RAISON_H_ */
