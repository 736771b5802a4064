package org.raison;

import java.util.Objects;

/**
 * A failed call: the library's sentence and its {@link Status}.
 *
 * <p>All of Raison's exceptions are unchecked, because iterators and streams cannot throw others.
 * There is one class for each band of statuses: {@link ArgumentException}, {@link
 * ModelFileException}, {@link ResourceException}, {@link StateException}, {@link
 * CancelledException} and {@link LibraryException}. A null where none is allowed is a {@link
 * NullPointerException}.
 */
public class RaisonException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** The status. */
  private final Status status;

  RaisonException(Status status, String message) {
    super(message);
    this.status = Objects.requireNonNull(status);
  }

  /**
   * What failed.
   *
   * @return never {@link Status#OK}
   */
  public Status status() {
    return status;
  }

  static RaisonException of(int number, String sentence) {
    Status status = Status.of(number);
    return switch (status) {
      case ARGUMENT, TEXT, CAPACITY -> new ArgumentException(status, sentence);
      case NOT_FOUND, FORMAT, UNSUPPORTED, TEMPLATE -> new ModelFileException(status, sentence);
      case MEMORY, KV, DEVICE -> new ResourceException(status, sentence);
      case STATE, BUSY, FORKED, CONTEXT -> new StateException(status, sentence);
      case CANCELLED -> new CancelledException(sentence);
      case STRUCT, INTERNAL, NONFINITE -> new LibraryException(status, sentence);
      case OK, UNKNOWN -> new RaisonException(status, sentence + " (status " + number + ")");
    };
  }

  static RaisonException of(NativeError error) {
    RaisonException exception = of(error.status, Utf8.decode(error.sentence));
    // Where it happened: the Java frames of the native call.
    exception.setStackTrace(error.getStackTrace());
    return exception;
  }
}
