package org.raison;

/** What an {@link Event} tells. */
public enum EventKind {
  // In the order of the numbers, as RSN_EVENT_ in raison.h, from 0; UNKNOWN stands last.
  /** Nothing: no session has a running request. */
  NONE,
  /** A pass goes on; {@code done}, {@code total} and {@code cached} count the prompt's tokens. */
  PROGRESS,
  /** One token with its record and the text that it completes. */
  TOKEN,
  /** A step of the thinking begins. */
  STEP_BEGIN,
  /** A step is complete; the text is the whole step's. */
  STEP_END,
  /** The thinking begins. */
  THINK_BEGIN,
  /** The thinking ends. */
  THINK_END,
  /** An intervention, the caller's or the library's own. */
  NOTICE,
  /** The last event of a request. */
  DONE,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static EventKind of(int number) {
    return Numbers.orLast(values(), number);
  }
}
