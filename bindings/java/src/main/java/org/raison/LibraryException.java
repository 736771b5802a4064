package org.raison;

/** The library's own fault, or a model that computes NaN. */
public final class LibraryException extends RaisonException {
  private static final long serialVersionUID = 1;

  LibraryException(Status status, String message) {
    super(status, message);
  }
}
