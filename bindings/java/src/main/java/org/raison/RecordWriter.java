package org.raison;

import java.io.ByteArrayOutputStream;
import java.util.List;

/** Writes a record of the crossing field by field: {@link RecordReader}'s counterpart. */
final class RecordWriter {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);

  RecordWriter int32(int value) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.write(value >>> shift);
    }
    return this;
  }

  RecordWriter int64(long value) {
    return int32((int) value).int32((int) (value >>> 32));
  }

  RecordWriter float32(float value) {
    return int32(Float.floatToIntBits(value));
  }

  RecordWriter bool(boolean value) {
    bytes.write(value ? 1 : 0);
    return this;
  }

  RecordWriter bytes(byte[] value) {
    int32(value.length);
    bytes.writeBytes(value);
    return this;
  }

  RecordWriter texts(List<byte[]> values) {
    int32(values.size());
    values.forEach(this::bytes);
    return this;
  }

  byte[] take() {
    return bytes.toByteArray();
  }
}
