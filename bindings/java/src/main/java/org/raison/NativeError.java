package org.raison;

/** What JNI throws (bindings/swig/java.i makes it by this name and constructor). */
final class NativeError extends RuntimeException {
  private static final long serialVersionUID = 1;

  final int status;
  final transient byte[] sentence;

  NativeError(int status, byte[] sentence) {
    this.status = status;
    this.sentence = sentence;
  }
}
