package org.raison;

/** Cancelled by a progress listener, or because the thread was interrupted. */
public final class CancelledException extends RaisonException {
  private static final long serialVersionUID = 1;

  CancelledException(String message) {
    super(Status.CANCELLED, message);
  }
}
