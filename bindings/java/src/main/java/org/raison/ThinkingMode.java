package org.raison;

/** Whether the model thinks before it answers. */
public enum ThinkingMode {
  // In the order of the numbers, as RSN_THINKING_ in raison.h, from 0.
  /** As the template does it. */
  AUTO,
  /** The thinking is opened if the template did not. */
  ON,
  /** The template's own switch where it has one, else an empty thinking. */
  OFF;

  static ThinkingMode of(int number) {
    return Numbers.known(values(), number);
  }
}
