package org.raison;

/** What a {@link TraceListener} wants. */
public enum Verdict {
  // In the order of the numbers, as the callback's values in raison.h, from 0.
  /** Go on. */
  CONTINUE,
  /** Close the thinking; outside it: go on. */
  END_THINKING,
  /** End the request. */
  STOP;
}
