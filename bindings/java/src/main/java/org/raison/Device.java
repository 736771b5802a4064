package org.raison;

import java.util.ArrayList;
import java.util.List;

/**
 * One device of this machine, as it was when it was asked for.
 *
 * @param kind what it is
 * @param name for {@link ModelOptions.Builder#device}: "cpu"
 * @param description "AMD EPYC ..., AVX-512 VNNI"
 * @param driver its version; empty: none is involved
 * @param problem why it cannot be used; empty: it can
 * @param memoryTotal bytes
 * @param memoryFree bytes
 */
public record Device(
    DeviceKind kind,
    String name,
    String description,
    String driver,
    String problem,
    long memoryTotal,
    long memoryFree) {
  static List<Device> listOf(byte[] record) {
    RecordReader r = new RecordReader(record);
    int count = r.int32();
    List<Device> devices = new ArrayList<>(count);
    for (int i = 0; i < count; ++i) {
      devices.add(
          new Device(
              DeviceKind.of(r.int32()),
              r.text(),
              r.text(),
              r.text(),
              r.text(),
              r.int64(),
              r.int64()));
    }
    return r.end(List.copyOf(devices));
  }
}
