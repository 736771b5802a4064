package org.raison;

/** A model's file that is missing, broken, not supported, or has no usable template. */
public final class ModelFileException extends RaisonException {
  private static final long serialVersionUID = 1;

  ModelFileException(Status status, String message) {
    super(status, message);
  }
}
