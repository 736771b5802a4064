package org.raison;

/** No memory, no room in the caches, no device. */
public final class ResourceException extends RaisonException {
  private static final long serialVersionUID = 1;

  ResourceException(Status status, String message) {
    super(status, message);
  }
}
