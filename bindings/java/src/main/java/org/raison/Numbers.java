package org.raison;

/** Enumerators from the library's numbers, which are the ordinals; numbers that have no sign there. */
final class Numbers {
  private Numbers() {}

  /** Java's -1 would arrive as 4,294,967,295. */
  static int natural(String name, int value) {
    return (int) natural(name, (long) value);
  }

  static long natural(String name, long value) {
    if (value < 0) {
      throw new ArgumentException(Status.ARGUMENT, name + " is " + value + ": wanted 0 or more");
    }
    return value;
  }

  /** For what a later library may extend: the last constant is UNKNOWN. */
  static <E extends Enum<E>> E orLast(E[] values, int number) {
    return number >= 0 && number < values.length - 1 ? values[number] : values[values.length - 1];
  }

  /** For what only the caller chose. */
  static <E extends Enum<E>> E known(E[] values, int number) {
    if (number < 0 || number >= values.length) {
      throw new LibraryException(
          Status.INTERNAL, values[0].getDeclaringClass().getSimpleName() + " " + number);
    }
    return values[number];
  }
}
