package org.raison;

import java.util.List;
import java.util.stream.LongStream;

/**
 * One tensor of a model's file.
 *
 * @param name its name
 * @param type its element type, "Q4_K"
 * @param shape outermost dimension first
 * @param bytes its size in the file
 */
public record TensorInfo(String name, String type, List<Long> shape, long bytes) {
  static TensorInfo of(byte[] record) {
    RecordReader r = new RecordReader(record);
    return r.end(
        new TensorInfo(
            r.text(), r.text(), LongStream.of(r.int64s()).boxed().toList(), r.int64()));
  }
}
