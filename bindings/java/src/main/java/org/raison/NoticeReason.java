package org.raison;

/** What the library did on its own or for the caller. */
public enum NoticeReason {
  // In the order of the numbers, as RSN_NOTICE_ in raison.h, from 0; UNKNOWN stands last.
  /** Nothing. */
  NONE,
  /** The soft budget is reached: the thinking ends at the next step boundary. */
  SOFT_BUDGET,
  /** The hard budget is reached: the closing tag is forced. */
  HARD_BUDGET,
  /** The thinking ended early to keep room for the answer. */
  ANSWER_RESERVE,
  /** A closing tag before the minimum was replaced. */
  MINIMUM,
  /** The caller ended the thinking. */
  END_THINKING,
  /** The caller's text went in. */
  INJECTED,
  /** The session went back. */
  REWOUND,
  /** The caller stopped the request. */
  STOPPED,
  /** The caller cancelled it. */
  CANCELLED,
  /** Which layers and experts run on which device. */
  PLACED,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static NoticeReason of(int number) {
    return Numbers.orLast(values(), number);
  }
}
