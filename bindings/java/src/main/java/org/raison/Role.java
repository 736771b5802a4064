package org.raison;

/** Who speaks in a {@link Message}. */
public enum Role {
  // In the order of the numbers, as RSN_ROLE_ in raison.h, from 0.
  /** Instructions. */
  SYSTEM,
  /** The one who asks. */
  USER,
  /** The model. */
  ASSISTANT,
  /** What a tool gave back. */
  TOOL;
}
