package org.raison;

/** When the text of the thinking is handed out. */
public enum Release {
  // In the order of the numbers, as RSN_RELEASE_ in raison.h, from 0.
  /** With each token. */
  TOKEN,
  /** With the end of each step: judge, then show. */
  STEP;

  static Release of(int number) {
    return Numbers.known(values(), number);
  }
}
