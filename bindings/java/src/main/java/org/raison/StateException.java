package org.raison;

/** Not now: nothing runs, the object is closed or in use, the context is too short. */
public final class StateException extends RaisonException {
  private static final long serialVersionUID = 1;

  StateException(Status status, String message) {
    super(status, message);
  }
}
