package org.raison;

/**
 * What the library says about one model, handed to {@code System.getLogger("org.raison")} by the
 * threads that call it: the library's own threads never enter the JVM.
 */
final class LibraryLog {
  private static final System.Logger LOGGER = System.getLogger("org.raison");
  private static final System.Logger.Level[] LEVELS = {
    System.Logger.Level.ERROR,
    System.Logger.Level.WARNING,
    System.Logger.Level.INFO,
    System.Logger.Level.DEBUG
  };

  private final NativeLog queue;
  private int users;

  /** With the first user. */
  LibraryLog() {
    queue = new NativeLog();
    users = 1;
  }

  NativeLog queue() {
    return queue;
  }

  synchronized LibraryLog use() {
    ++users;
    return this;
  }

  /** The last one frees. */
  void leave() {
    handOver();
    synchronized (this) {
      if (--users == 0) {
        queue.delete();
      }
    }
  }

  void handOver() {
    byte[] record;
    synchronized (this) {
      if (users == 0) {
        return;
      }
      record = queue.Take();
    }
    // Outside of the lock: a handler may call back into this model.
    RecordReader r = new RecordReader(record);
    for (int left = r.int32(); left > 0; --left) {
      int level = r.int32();
      String text = r.text();
      LOGGER.log(
          level >= 0 && level < LEVELS.length ? LEVELS[level] : System.Logger.Level.INFO, text);
    }
  }
}
