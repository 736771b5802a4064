/* stream: asks a question and shows the reasoning step by step, then the answer.
 *
 *   stream                           the built-in model, a question of its own
 *   stream "What is 12 * 13?"        another question
 *   stream "..." model.gguf          another model
 *
 * The same program stands beside this one in other languages; all print the same. */
#include <raison/raison.h>
#include <stdio.h>

static void print_text(const char *text, size_t size) { fwrite(text, 1, size, stdout); }

/* One line in the margin of a step: its number and how sure the model was of it. */
static rsn_status print_step(rsn_session *session, const rsn_event *event) {
  rsn_step step;
  rsn_status status = rsn_step_init(&step, sizeof step);
  if (status == RSN_OK) status = rsn_session_step(session, (size_t)event->step, &step);
  if (status != RSN_OK) return status;
  printf("[step %d, confidence %.2f] ", step.index + 1, step.confidence);
  while (step.text_size > 0 && step.text[step.text_size - 1] == '\n') --step.text_size;
  print_text(step.text, step.text_size);
  putchar('\n');
  return RSN_OK;
}

static rsn_status stream(const char *question, const char *path) {
  rsn_model *model = NULL;
  rsn_session *session = NULL;
  rsn_event event;
  rsn_usage usage;
  rsn_status status = rsn_event_init(&event, sizeof event);
  if (status == RSN_OK) status = rsn_usage_init(&usage, sizeof usage);
  if (status == RSN_OK) status = rsn_model_load(&model, path, path ? RSN_NUL : 0, NULL);
  if (status == RSN_OK) status = rsn_session_new(&session, model, NULL);
  rsn_model_free(model); /* the session keeps what it needs */
  if (status == RSN_OK) status = rsn_session_ask(session, question, RSN_NUL, NULL);

  while (status == RSN_OK && event.kind != RSN_EVENT_DONE) {
    status = rsn_session_next(session, &event);
    if (status != RSN_OK) break;
    switch (event.kind) {
      case RSN_EVENT_STEP_END:
        status = print_step(session, &event);
        break;
      case RSN_EVENT_TOKEN:
        if (event.channel == RSN_CHANNEL_ANSWER) print_text(event.text, event.text_size);
        break;
      default: /* later versions bring kinds that this program does not know */
        break;
    }
    fflush(stdout);
  }
  if (status == RSN_OK) {
    printf("\n[final answer: ");
    print_text(event.text, event.text_size);
    printf("]\n");
    status = rsn_session_usage(session, &usage);
  }
  if (status == RSN_OK) {
    printf("[%d tokens of thinking, %d of answer]\n", (int)usage.thinking_tokens,
           (int)usage.answer_tokens);
  }
  rsn_session_free(session);
  return status;
}

int main(int argc, char **argv) {
  rsn_status status = stream(argc > 1 ? argv[1] : "How many r's are in strawberry?",
                             argc > 2 ? argv[2] : NULL);
  if (status == RSN_OK) return 0;
  fprintf(stderr, "stream: %s (%s)\n", rsn_last_error(), rsn_status_name(status));
  return 1;
}
