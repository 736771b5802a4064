package org.raison;

/**
 * The final answer.
 *
 * @param text in the model's own form: the last {@code \boxed{}}, else what the answer says
 * @param step index of the first step that states it, -1 if none does
 */
public record Answer(String text, int step) {
  static Answer of(byte[] record) {
    RecordReader r = new RecordReader(record);
    return r.end(new Answer(r.text(), r.int32()));
  }
}
