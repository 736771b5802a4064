package org.raison;

/** What a step is, by its opening words. */
public enum StepMarker {
  // In the order of the numbers, as RSN_MARKER_ in raison.h, from 0; UNKNOWN stands last.
  /** Nothing in particular. */
  PLAIN,
  /** "Let me verify". */
  CHECK,
  /** "Wait", "Actually", "Alternatively". */
  CORRECTION,
  /** "Therefore", "So the answer". */
  CONCLUSION,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static StepMarker of(int number) {
    return Numbers.orLast(values(), number);
  }
}
