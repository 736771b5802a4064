package org.raison;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;

/** Texts as they cross: UTF-8, never JNI's modified form of it. */
final class Utf8 {
  private Utf8() {}

  /** Refuses a lone surrogate, which has no UTF-8. */
  static byte[] encode(String name, String text) {
    Objects.requireNonNull(text, name);
    try {
      // An encoder made here reports what getBytes() would replace.
      ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
      return Arrays.copyOf(bytes.array(), bytes.limit());
    } catch (CharacterCodingException error) {
      throw new ArgumentException(Status.TEXT, name + " holds a lone surrogate, which is no text");
    }
  }

  /** Invalid bytes become U+FFFD. */
  static String decode(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
