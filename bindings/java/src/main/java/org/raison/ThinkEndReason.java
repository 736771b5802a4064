package org.raison;

/** Why the thinking ended. */
public enum ThinkEndReason {
  // In the order of the numbers, as RSN_THINK_END_ in raison.h, from 0; UNKNOWN stands last.
  /** It has not ended. */
  NONE,
  /** The model closed it. */
  MODEL,
  /** At the first step boundary past the soft budget. */
  SOFT_BUDGET,
  /** At the hard budget, or to keep room for the answer. */
  HARD_BUDGET,
  /** The caller ended it. */
  CALLER,
  /** The token limit or the context ended inside it. */
  LENGTH,
  /** The model ended its text without closing it. */
  END_OF_TEXT,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static ThinkEndReason of(int number) {
    return Numbers.orLast(values(), number);
  }
}
