package org.raison;

import java.util.List;

/** What the library says without a model: its version and the machine's devices. */
public final class Library {
  private Library() {}

  /**
   * The version of the native library.
   *
   * @return "0.1.0"
   */
  public static String version() {
    return Utf8.decode(NativeObject.checked(Crossing::VersionText));
  }

  /**
   * The version of the native library as a number.
   *
   * @return 10000 * major + 100 * minor + patch
   */
  public static int versionNumber() {
    return NativeObject.checked(Crossing::VersionNumber);
  }

  /**
   * The name of a status in raison.h.
   *
   * @param status its number
   * @return "RSN_ERR_FORMAT"; "RSN_ERR_?" for an unknown number
   */
  public static String statusName(int status) {
    return Utf8.decode(NativeObject.checked(() -> Crossing.StatusName(status)));
  }

  /**
   * The devices of this machine, the CPU first.
   *
   * @return one line for each, also for those that cannot be used
   */
  public static List<Device> devices() {
    return devices("");
  }

  /**
   * The devices of this machine, with a place for plug-ins of one's own.
   *
   * @param backendPath a folder to look for plug-ins in first, or one plug-in; empty: none
   * @return one line for each, also for those that cannot be used
   */
  public static List<Device> devices(String backendPath) {
    byte[] path = Utf8.encode("backendPath", backendPath);
    return Device.listOf(NativeObject.checked(() -> Crossing.Devices(path)));
  }
}
