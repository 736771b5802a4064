package org.raison;

/** Who chose a token. */
public enum TokenSource {
  // In the order of the numbers, as RSN_SOURCE_ in raison.h, from 0; UNKNOWN stands last.
  /** Drawn from the model's distribution. */
  SAMPLED,
  /** By the library: a closing tag, the continuation of a minimum budget. */
  FORCED,
  /** By {@link Session#inject}. */
  INJECTED,
  /** Part of the prompt. */
  PROMPT,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static TokenSource of(int number) {
    return Numbers.orLast(values(), number);
  }
}
