package org.raison;

/** What a failed call came to; the numbers are pinned for ever, in bands of ten. */
public enum Status {
  /** Nothing failed. */
  OK(0),
  /** A value out of its range. */
  ARGUMENT(-10),
  /** The Java layer and the native library do not belong together. */
  STRUCT(-11),
  /** Text that is not Unicode (a lone surrogate), or not the JSON that was asked for. */
  TEXT(-12),
  /** A buffer was too small. */
  CAPACITY(-13),
  /** No such file, or it cannot be opened. */
  NOT_FOUND(-20),
  /** A file that is malformed, truncated or contradicts itself. */
  FORMAT(-21),
  /** Well-formed, but not implemented; the message names it. */
  UNSUPPORTED(-22),
  /** No chat template, or it fails on these messages. */
  TEMPLATE(-23),
  /** The system gave no memory. */
  MEMORY(-30),
  /** The caches' limit is used up: close or rewind a session and go on. */
  KV(-31),
  /** A device is missing, refused or lost. */
  DEVICE(-32),
  /** Not now: no request is running, or the object is closed. */
  STATE(-40),
  /** Another thread is using this session. */
  BUSY(-41),
  /** The handle was made in another process. */
  FORKED(-42),
  /** The text does not fit the session's context length. */
  CONTEXT(-43),
  /** By a progress listener or an interrupt. */
  CANCELLED(-50),
  /** The library's own fault. */
  INTERNAL(-60),
  /** The model produced a NaN or an infinity. */
  NONFINITE(-61),
  /** Of a later library. */
  UNKNOWN(Integer.MIN_VALUE);

  private final int number;

  Status(int number) {
    this.number = number;
  }

  /**
   * The RSN_ERR_ number of raison.h.
   *
   * @return the number, 0 for {@link #OK}
   */
  public int number() {
    return number;
  }

  /**
   * The status of a number.
   *
   * @param number as in raison.h
   * @return {@link #UNKNOWN} for one that this version does not know
   */
  public static Status of(int number) {
    for (Status status : values()) {
      if (status.number == number) {
        return status;
      }
    }
    return UNKNOWN;
  }
}
