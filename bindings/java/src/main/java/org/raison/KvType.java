package org.raison;

/** The element type of the sessions' caches. */
public enum KvType {
  // In the order of the numbers, as RSN_KV_ in raison.h, from 0.
  /** F16. */
  DEFAULT,
  /** 32 bits. */
  F32,
  /** 16 bits. */
  F16,
  /** 16 bits with a wide exponent. */
  BF16;
}
