package org.raison;

/** Why a request is over. */
public enum DoneReason {
  // In the order of the numbers, as RSN_DONE_ in raison.h, from 0; UNKNOWN stands last.
  /** It is not over. */
  NONE,
  /** The model ended its answer. */
  END,
  /** One of the stop texts appeared; it is not part of the answer. */
  STOP_STRING,
  /** The token limit, reached in the thinking. */
  LENGTH_THINKING,
  /** The token limit, reached in the answer. */
  LENGTH_ANSWER,
  /** The session's context length is used up. */
  CONTEXT_FULL,
  /** Cancelled: {@link Session#cancel}, an interrupt, a close. */
  CANCELLED,
  /** The caller stopped it. */
  STOPPED,
  /** The text ended while the thinking was never closed. */
  UNCLOSED,
  /** An error. */
  FAILED,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static DoneReason of(int number) {
    return Numbers.orLast(values(), number);
  }
}
