package org.raison;

/** What a {@link Device} is. */
public enum DeviceKind {
  // In the order of the numbers, as RSN_DEVICE_ in raison.h, from 0; UNKNOWN stands last.
  /** The processor. */
  CPU,
  /** A GPU that shares the processor's memory. */
  INTEGRATED_GPU,
  /** A GPU with memory of its own. */
  GPU,
  /** Of a later library: ignore it. */
  UNKNOWN;

  static DeviceKind of(int number) {
    return Numbers.orLast(values(), number);
  }
}
