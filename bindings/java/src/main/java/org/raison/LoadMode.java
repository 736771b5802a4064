package org.raison;

/** How a model's file is read. */
public enum LoadMode {
  // In the order of the numbers, as RSN_LOAD_ in raison.h, from 0.
  /** Mapped, its pages shared with other processes; it must not change while the model lives. */
  MAP,
  /** Read into memory and closed. */
  COPY,
  /** No weights: information, tokens and templates work, sessions do not. */
  HEADER;
}
