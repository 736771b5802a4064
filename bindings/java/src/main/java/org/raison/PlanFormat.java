package org.raison;

/** How {@link Model#plan} writes. */
public enum PlanFormat {
  // In the order of the numbers, as RSN_FORMAT_ in raison.h, from 0.
  /** For people. */
  TEXT,
  /** As JSON. */
  JSON;
}
