package org.raison;

/** An argument that the library refuses: {@link Status#ARGUMENT}, {@link Status#TEXT}. */
public final class ArgumentException extends RaisonException {
  private static final long serialVersionUID = 1;

  ArgumentException(Status status, String message) {
    super(status, message);
  }
}
