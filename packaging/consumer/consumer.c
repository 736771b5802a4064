/* What a program outside the tree does first: ask the installed library's built-in model something,
 * read the thinking and the answer. Fails unless both arrive. */
#include <raison/raison.h>
#include <stdio.h>

int main(void) {
  rsn_model *model;
  rsn_session *session = NULL;
  rsn_event event;
  size_t thinking = 0, answer = 0;
  if (rsn_version_number() != RSN_VERSION_NUMBER) {
    fprintf(stderr, "header %d, library %u\n", RSN_VERSION_NUMBER, rsn_version_number());
    return 1;
  }
  rsn_event_init(&event, sizeof event);
  rsn_status status = rsn_model_load(&model, NULL, 0, NULL);
  if (status == RSN_OK) status = rsn_session_new(&session, model, NULL);
  if (status == RSN_OK) status = rsn_session_ask(session, "What is 12 * 13?", RSN_NUL, NULL);
  while (status == RSN_OK && (status = rsn_session_next(session, &event)) == RSN_OK &&
         event.kind != RSN_EVENT_DONE) {
    if (event.kind != RSN_EVENT_TOKEN) continue;
    if (event.channel == RSN_CHANNEL_THINKING) thinking += event.text_size;
    if (event.channel == RSN_CHANNEL_ANSWER) answer += event.text_size;
  }
  if (status != RSN_OK) fprintf(stderr, "%s\n", rsn_last_error());
  rsn_session_free(session);
  rsn_model_free(model);
  printf("raison %s: %lu bytes of thinking, %lu of answer\n", rsn_version_text(),
         (unsigned long)thinking, (unsigned long)answer);
  return status != RSN_OK || thinking == 0 || answer == 0;
}
