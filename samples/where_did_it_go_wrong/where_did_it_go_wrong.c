/* where_did_it_go_wrong: shows how sure the model was of each step, and draws a doubtful one again.
 *
 *   where_did_it_go_wrong                     the built-in model, a question of its own
 *   where_did_it_go_wrong "A question"        another question
 *   where_did_it_go_wrong "..." model.gguf    another model
 *
 * It asks which step to draw again: Return takes the least confident one, 0 none. The same program
 * stands beside this one in other languages; all print the same. */
#include <raison/raison.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char question_of_its_own[] = "What is (17 + 26) * 38 - 14 * 9?";

static rsn_status get_step(rsn_session *session, size_t index, rsn_step *step) {
  rsn_status status = rsn_step_init(step, sizeof *step);
  return status == RSN_OK ? rsn_session_step(session, index, step) : status;
}

/* Runs to the end; prints each step, counted from `number`, and the answer. *whole: not cut short.
 */
static rsn_status show(rsn_session *session, size_t number, int *whole) {
  rsn_event event;
  rsn_step step;
  rsn_status status = rsn_event_init(&event, sizeof event);
  while (status == RSN_OK && event.kind != RSN_EVENT_DONE) {
    status = rsn_session_next(session, &event);
    if (status != RSN_OK) return status;
    if (event.kind == RSN_EVENT_STEP_END) {
      status = get_step(session, (size_t)event.step, &step);
      if (status != RSN_OK) return status;
      while (step.text_size > 0 && step.text[step.text_size - 1] == '\n') --step.text_size;
      printf("%3zu  %.2f  ", number++, step.confidence);
      fwrite(step.text, 1, step.text_size, stdout);
      putchar('\n');
    } else if (event.kind == RSN_EVENT_DONE) {
      printf("answer: ");
      fwrite(event.text, 1, event.text_size, stdout);
      putchar('\n');
      *whole = event.reason == RSN_DONE_END;
    }
    fflush(stdout);
  }
  if (!*whole) printf("(the text was cut short)\n");
  return status;
}

/* The number of the step to draw again; 0: none. */
static size_t choose(size_t least, size_t count) {
  char line[64] = "";
  char *end;
  unsigned long number;
  printf("Draw which step again, 1 to %zu, or 0 for none? [%zu] ", count, least);
  fflush(stdout);
  if (fgets(line, sizeof line, stdin) != NULL) line[strcspn(line, "\n")] = '\0';
  putchar('\n');
  if (line[0] == '\0') return least;
  number = strtoul(line, &end, 10);
  if (line[0] >= '0' && line[0] <= '9' && *end == '\0' && number <= count) return number;
  fflush(stdout);
  fprintf(stderr, "where_did_it_go_wrong: %s: wanted a number from 0 to %zu\n", line, count);
  exit(1);
}

/* The answer so far, in memory of the caller's: the session's own goes with the rewind. */
static rsn_status copy_answer(rsn_session *session, char **answer) {
  const char *text;
  size_t size;
  rsn_status status = rsn_session_answer(session, &text, &size, NULL);
  if (status != RSN_OK) return status;
  *answer = calloc(size + 1, 1);
  if (*answer == NULL) return RSN_ERR_MEMORY;
  if (size > 0) memcpy(*answer, text, size);
  return RSN_OK;
}

/* Everything after the model is loaded. *first and *second: the answers, to be freed. */
static rsn_status ask_twice(rsn_session *session, const char *question, char **first,
                            char **second) {
  rsn_step least, step;
  rsn_generate_options options;
  size_t count, i, number;
  int whole = 0, whole_again = 0;
  rsn_status status;
  printf("%s\n", question);
  status = rsn_session_ask(session, question, RSN_NUL, NULL);
  if (status == RSN_OK) status = show(session, 1, &whole);
  if (status == RSN_OK) status = copy_answer(session, first);
  if (status == RSN_OK) status = rsn_session_step_count(session, &count);
  if (status != RSN_OK) return status;
  if (count == 0) {
    printf("The model gave no steps of thinking: there is nothing to go back to.\n");
    return RSN_OK;
  }

  status = get_step(session, 0, &least);
  for (i = 1; status == RSN_OK && i < count; ++i) {
    status = get_step(session, i, &step);
    if (status == RSN_OK && step.confidence < least.confidence) least = step;
  }
  if (status != RSN_OK) return status;
  printf(
      "\nStep %d is the least confident: the model gave its tokens a mean probability of %.2f.\n"
      "That is how sure it was of the words, not whether they are right.\n",
      least.index + 1, least.confidence);
  number = choose((size_t)least.index + 1, count);
  if (number == 0) return RSN_OK;

  printf("Again from step %zu:\n", number);
  /* The next branch draws anew; at temperature 1 as the confidence's probabilities are. */
  status = rsn_generate_options_init(&options, sizeof options);
  options.temperature = 1;
  if (status == RSN_OK) status = get_step(session, number - 1, &step);
  if (status == RSN_OK) status = rsn_session_rewind(session, step.rewind, &options);
  if (status == RSN_OK) status = show(session, number, &whole_again);
  if (status == RSN_OK) status = copy_answer(session, second);
  if (status != RSN_OK) return status;
  putchar('\n');
  if (!whole || !whole_again) {
    printf("One of the two was cut short: they cannot be compared.\n");
  } else if (strcmp(*first, *second) == 0) {
    printf("Both times the answer is %s. Two samples that agree are no proof.\n", *first);
  } else {
    printf(
        "First %s, then %s. Unless the two mean the same, at least one is wrong;\n"
        "the confidence does not say which.\n",
        *first, *second);
  }
  return RSN_OK;
}

static rsn_status where_did_it_go_wrong(const char *question, const char *path) {
  rsn_model *model = NULL;
  rsn_session *session = NULL;
  char *first = NULL, *second = NULL;
  rsn_status status = rsn_model_load(&model, path, path ? RSN_NUL : 0, NULL);
  if (status == RSN_OK) status = rsn_session_new(&session, model, NULL);
  rsn_model_free(model); /* the session keeps what it needs */
  if (status == RSN_OK) status = ask_twice(session, question, &first, &second);
  free(first);
  free(second);
  rsn_session_free(session);
  return status;
}

int main(int argc, char **argv) {
  rsn_status status =
      where_did_it_go_wrong(argc > 1 ? argv[1] : question_of_its_own, argc > 2 ? argv[2] : NULL);
  if (status == RSN_OK) return 0;
  fprintf(stderr, "where_did_it_go_wrong: %s (%s)\n", rsn_last_error(), rsn_status_name(status));
  return 1;
}
