package org.raison;

/** Where a token belongs. */
public enum Channel {
  // In the order of the numbers, as RSN_CHANNEL_ in raison.h, from 0; UNKNOWN stands last.
  /** What the template made of the messages. */
  PROMPT,
  /** The chain of thought, tags not included. */
  THINKING,
  /** What is meant for the reader. */
  ANSWER,
  /** Tags and end of text; such tokens have no text. */
  CONTROL,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static Channel of(int number) {
    return Numbers.orLast(values(), number);
  }
}
