package org.raison;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads a record of the crossing field by field (bindings/swig/README.md has the layout).
 *
 * <p>The bytes come from the library's own writer; one that ends early is a {@link
 * java.nio.BufferUnderflowException}, bytes left over are a {@link LibraryException}.
 */
final class RecordReader {
  private final ByteBuffer bytes;

  RecordReader(byte[] record) {
    bytes = ByteBuffer.wrap(record).order(ByteOrder.LITTLE_ENDIAN);
  }

  int int32() {
    return bytes.getInt();
  }

  long int64() {
    return bytes.getLong();
  }

  float float32() {
    return bytes.getFloat();
  }

  double float64() {
    return bytes.getDouble();
  }

  boolean bool() {
    return bytes.get() != 0;
  }

  byte[] bytes() {
    byte[] text = new byte[bytes.getInt()];
    bytes.get(text);
    return text;
  }

  String text() {
    return Utf8.decode(bytes());
  }

  int[] int32s() {
    int[] values = new int[bytes.getInt()];
    for (int i = 0; i < values.length; ++i) {
      values[i] = bytes.getInt();
    }
    return values;
  }

  long[] int64s() {
    long[] values = new long[bytes.getInt()];
    for (int i = 0; i < values.length; ++i) {
      values[i] = bytes.getLong();
    }
    return values;
  }

  float[] float32s() {
    float[] values = new float[bytes.getInt()];
    for (int i = 0; i < values.length; ++i) {
      values[i] = bytes.getFloat();
    }
    return values;
  }

  List<String> texts() {
    int count = bytes.getInt();
    List<String> values = new ArrayList<>(count);
    for (int i = 0; i < count; ++i) {
      values.add(text());
    }
    return List.copyOf(values);
  }

  /** Two lists that lie one after the other. */
  List<Alternative> alternatives() {
    int[] tokens = int32s();
    float[] logprobs = float32s();
    List<Alternative> values = new ArrayList<>(tokens.length);
    for (int i = 0; i < tokens.length; ++i) {
      values.add(new Alternative(tokens[i], logprobs[i]));
    }
    return List.copyOf(values);
  }

  List<ExpertUse> experts() {
    int[] layers = int32s();
    int[] experts = int32s();
    float[] weights = float32s();
    List<ExpertUse> values = new ArrayList<>(layers.length);
    for (int i = 0; i < layers.length; ++i) {
      values.add(new ExpertUse(layers[i], experts[i], weights[i]));
    }
    return List.copyOf(values);
  }

  /** A record that ends this one. */
  byte[] rest() {
    byte[] record = new byte[bytes.remaining()];
    bytes.get(record);
    return record;
  }

  <T> T end(T value) {
    if (bytes.hasRemaining()) {
      throw new LibraryException(
          Status.STRUCT, "a record has " + bytes.remaining() + " bytes left over");
    }
    return value;
  }
}
